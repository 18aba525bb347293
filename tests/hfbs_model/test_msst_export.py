"""What goes back to MSST's layout comes from there again unchanged, and what MSST cannot express is refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator, Checkpoint, Parts, load_checkpoint, save_msst_checkpoint
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer

BS: dict[str, Any] = {
    "dim": 8,
    "depth": 2,
    "heads": 2,
    "dim_head": 4,
    "stft_n_fft": 64,
    "stft_hop_length": 16,
    "stft_win_length": 64,
    "freqs_per_bands": (3, 5, 9, 16),
    "mlp_expansion_factor": 1,
    "zero_dc": False,
}
MEL: dict[str, Any] = {
    "dim": 8,
    "depth": 1,
    "heads": 2,
    "dim_head": 4,
    "num_bands": 60,
    "sample_rate": 44100,
    "stft_hop_length": 441,
    "mlp_expansion_factor": 1,
}


def checkpoint_of(keywords: dict[str, Any], **others: Any) -> Checkpoint:
    model = BandSplitRotator(**keywords).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter + torch.randn_like(parameter) / 8 if parameter.requires_grad else parameter)
    stems = tuple(f"stem {number}" for number in range(model.num_stems))
    return Checkpoint(model, **{"stems": stems, "sample_rate": 44100, "chunk_size": 9999, "num_overlap": 3} | others)


@pytest.mark.parametrize(
    "keywords",
    [
        BS,
        BS | {"stereo": True, "num_stems": 3, "skip_connection": True, "mask_estimator_depth": 3},
        BS | {"mask_estimator_depth": 0, "attn_dropout": 0.1, "ff_dropout": 0.2, "flash_attn": False},
        BS | {"linear_transformer_depth": 1, "use_pope": True, "stft_win_length": 48, "stft_normalized": True},
        MEL,
        MEL | {"stereo": True, "num_stems": 2, "zero_dc": False, "mask_estimator_depth": 0},
        MEL | {"mask_estimator_depth": 2, "multi_stft_resolutions_window_sizes": (512, 256)},
    ],
)
def test_what_goes_to_msst_comes_back_with_the_same_tensors_and_settings(
    keywords: dict[str, Any], tmp_path: Path
) -> None:
    checkpoint = checkpoint_of(keywords)
    beside = save_msst_checkpoint(checkpoint, tmp_path / "model.ckpt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ckpt", "model.yaml"]
    loaded = load_checkpoint(tmp_path / "model.ckpt", beside)
    assert (loaded.stems, loaded.sample_rate, loaded.chunk_size, loaded.num_overlap) == (
        checkpoint.stems,
        44100,
        9999,
        3,
    )
    assert (loaded.report.differences, loaded.report.notes) == ((), ())
    assert_same_model(loaded.model, checkpoint.model)


def assert_same_model(one: BandSplitRotator, other: BandSplitRotator) -> None:
    weights = other.state_dict()
    assert one.state_dict().keys() == weights.keys()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    derived = {"norm_output", "final_norm", "dim_freqs_in", "freqs_per_bands", "mask_filter_bank"}
    for name in one.keywords.keys() - derived:
        assert one.keywords[name] == other.keywords[name], name
    assert one.layout == other.layout
    audio = torch.randn(1, one.audio_channels, 3000)
    with torch.inference_mode():
        stems = other(audio)
        assert torch.equal(one(audio).reshape(stems.shape), stems)  # MSST's Mel model gives one stem without its axis


@pytest.mark.parametrize(("keywords", "kind"), [(BS, BSRoformer), (MEL, MelBandRoformer)])
def test_msst_builds_and_fills_its_class_from_the_two_files(
    keywords: dict[str, Any], kind: type[BandSplitRotator], tmp_path: Path
) -> None:
    """As MSST does it: PyYAML's full loader, the section as keywords, a strict load."""
    checkpoint = checkpoint_of(keywords)
    document = yaml.load(save_msst_checkpoint(checkpoint, tmp_path / "a.ckpt").read_text(), Loader=yaml.FullLoader)
    model = kind(**document["model"])
    model.load_state_dict(torch.load(tmp_path / "a.ckpt", weights_only=True))
    assert document["training"]["model_type"] == {BSRoformer: "bs_roformer", MelBandRoformer: "mel_band_roformer"}[kind]
    assert document["training"]["target_instrument"] == "stem 0"
    assert_same_model(model, checkpoint.model)
    numbers = [value for value in document["model"].values() if isinstance(value, tuple | list)]
    assert numbers
    assert all(isinstance(value, tuple) for value in numbers)


OVERLAPPING = BandLayout([[True] * 20 + [False] * 13, [False] * 10 + [True] * 23])


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"freqs_per_bands": None, "mask_filter_bank": OVERLAPPING}, "mask_filter_bank with bands that overlap"),
        ({"freqs_per_bands": (33,)}, "freqs_per_bands of a single band"),
        ({"freqs_per_bands": (3, 5, 9), "freq_range": (0, 17)}, r"freq_range=\(0, 17\), only None"),
        ({"ff_mult": 2.0}, "ff_mult=2.0, only 4.0"),
        ({"scale": 0.5}, "scale=0.5, only None"),
        ({"stft_window_fn": torch.hamming_window}, "stft_window_fn=hamming_window, only hann_window"),
        ({"multi_stft_window_fn": torch.blackman_window}, "multi_stft_window_fn=blackman_window"),
        ({"use_value_residual_learning": True}, "use_value_residual_learning=True, only False"),
        ({"norm_output": True}, "norm_output=True over such bands, only False"),
        ({"final_norm": False}, "final_norm=False over such bands, only True"),
        ({"match_input_audio_length": False}, "match_input_audio_length=False, only True in BS-RoFormer"),
        ({"parts": Parts(recipe={"value-residual": {}})}, "the variant value-residual, only a model without it"),
    ],
)
def test_what_msst_cannot_express_is_refused_by_its_keyword(
    keywords: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=rf"MSST's classes cannot express {message}.*; save it as \.safetensors"):
        save_msst_checkpoint(checkpoint_of(BS | keywords), tmp_path / "model.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_mel_bands_of_another_rate_than_the_audio_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sample_rate=44100 of mel bands for audio of 48000 Hz, only one rate"):
        save_msst_checkpoint(checkpoint_of(MEL, sample_rate=48000), tmp_path / "model.ckpt")


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"end with .ckpt, .pt, .pth, .th, got 'model.onnx'; name it model.ckpt"):
        save_msst_checkpoint(checkpoint_of(BS), tmp_path / "model.onnx")


def test_a_failure_leaves_the_files_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("model.ckpt", "model.yaml"):
        (tmp_path / name).write_text("precious")
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save_msst_checkpoint(checkpoint_of(BS), tmp_path / "model.ckpt")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "model.ckpt": "precious",
        "model.yaml": "precious",
    }
