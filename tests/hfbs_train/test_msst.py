"""MSST's training files are taken where they mean the same, and what is left out is named."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hfbs_train import RunConfiguration
from hfbs_train.cli import main

FILE = """\
audio:
  {chunk_size: 131584, dim_f: 1024, dim_t: 256, hop_length: 512, n_fft: 2048, num_channels: 2, sample_rate: 44100,
  min_mean_abs: 0.001}
model:
  dim: 16
  depth: 1
  stereo: true
  num_stems: 1
  time_transformer_depth: 1
  freq_transformer_depth: 1
  num_bands: 60
  dim_head: 8
  heads: 2
  dim_freqs_in: 1025
  stft_n_fft: 2048
  stft_hop_length: 512
  stft_win_length: 2048
  mask_estimator_depth: 2
  multi_stft_resolutions_window_sizes: !!python/tuple [4096, 2048, 1024, 512, 256]
training:
  batch_size: 3
  gradient_accumulation_steps: 2
  grad_clip: 0
  instruments: [vocals, other]
  target_instrument: vocals
  lr: 5.0e-05
  patience: 2
  reduce_factor: 0.95
  num_epochs: 10
  num_steps: 1000
  q: 0.95
  coarse_loss_clip: true
  ema_momentum: 0.999
  optimizer: adam
  other_fix: false
  use_amp: false
augmentations:
  enable: true
  loudness: true
  loudness_min: 0.5
  loudness_max: 2.0
  mixup: true
  mixup_probs: !!python/tuple [0.2, 0.02]
  mixup_loudness_min: 0.5
  all: {channel_shuffle: 0.5, random_polarity: 0.25, random_inverse: 0.1}
inference: {batch_size: 4, num_overlap: 4}
"""


def translated(tmp_path: Path, text: str, *options: str):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return CliRunner().invoke(main, ["from-msst", str(path), "--songs", "train", *options])


def test_it_says_the_same_as_a_run(tmp_path: Path):
    result = translated(tmp_path, FILE, "--validation", "valid")
    assert result.exit_code == 0, result.stderr
    run = RunConfiguration.of(yaml.safe_load(result.stdout))
    assert run.stems == {"vocals": ("vocals",)}
    assert run.model["class"] == "mel_band_roformer"
    assert run.audio.chunk_seconds * 44100 == pytest.approx(131584)
    assert (run.batch_size, run.accumulate, run.steps) == (6, 2, 5000)
    assert (run.clip_norm, run.ema_decay, run.machines.precision) == (None, 0.999, "float32")
    assert run.optimizer.learning_rate == 5e-5
    assert run.augmentation.gain is not None
    assert run.augmentation.gain.decibels == pytest.approx((-6.02, 6.02), abs=0.01)
    assert run.augmentation.channel_swap is not None
    assert run.augmentation.channel_swap.probability == 0.5
    assert run.augmentation.polarity is not None
    assert run.augmentation.polarity.probability == 0.25
    assert run.data.choice.mixup == (0.2, 0.02)
    assert run.validation.songs == (Path("valid"),)


def test_what_is_left_out_is_named(tmp_path: Path):
    told = translated(tmp_path, FILE).stderr
    left_out = [line.split("not carried over: ")[1].split(":")[0] for line in told.splitlines()]
    assert sorted(left_out) == [
        "audio.min_mean_abs",
        "augmentations.all.random_inverse",
        "augmentations.mixup_loudness_min",
        "training.coarse_loss_clip",
        "training.patience",
        "training.q",
        "training.reduce_factor",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("num_bands: 60", "feature_dim: 3", "neither freqs_per_bands (BS-RoFormer) nor num_bands"),
        ("lr: 5.0e-05", "lr: fast", "training.lr must be a number, got 'fast'"),
        ("loudness_min: 0.5", "loudness_min: 0", "augmentations.loudness_min must be above 0, got 0"),
        ("!!python/tuple [0.2, 0.02]", "0.3", "augmentations.mixup_probs must be a list, got 0.3"),
        ("!!python/tuple [0.2, 0.02]", "[often]", "augmentations.mixup_probs must be a number, got 'often'"),
        ("channel_shuffle: 0.5", "channel_shuffle: ", "augmentations.all.channel_shuffle must be a number, got None"),
        (
            "all: {channel_shuffle: 0.5",
            "all: 3\n  none: {channel_shuffle: 0.5",
            "augmentations.all must be a mapping, got 3",
        ),
        ("sample_rate: 44100", "sample_rate: 0", "audio.sample_rate must be at least 1, got 0"),
        ("sample_rate: 44100", "sample_rate: .nan", "audio.sample_rate must be a number, got nan"),
        ("gradient_accumulation_steps: 2", "gradient_accumulation_steps: 0", "must be at least 1, got 0"),
        ("num_epochs: 10", "num_epochs: .inf", "training.num_epochs must be a number, got inf"),
        ("training:", "training: 3\nother:", "section training must be a mapping, got 3"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, told: str):
    result = translated(tmp_path, FILE.replace(old, new))
    assert result.exit_code == 2
    assert told in result.stderr
