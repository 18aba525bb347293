"""Songs, models and checkpoints for the tests of hfbs-separate."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from encoding import write_song
from hfbs_model.bs_roformer import BSRoformer

SHARED_AUDIO = Path(__file__).parents[3] / "shared" / "audio"


TINY_CONFIG = """\
audio: {chunk_size: 4000, sample_rate: 8000, num_channels: 2}
model:
  dim: 16
  depth: 1
  stereo: true
  num_stems: 2
  heads: 2
  dim_head: 8
  freqs_per_bands: !!python/tuple [9, 20, 100]
  dim_freqs_in: 129
  stft_n_fft: 256
  stft_hop_length: 64
  stft_win_length: 256
  mask_estimator_depth: 2
training: {instruments: !!python/tuple [vocals, other], target_instrument: null}
inference: {num_overlap: 2}
"""


class FakeModel(torch.nn.Module):
    """What the separator asks of a model besides its stems."""

    audio_channels = 2
    stft_settings = SimpleNamespace(hop_length=1)
    parts = SimpleNamespace(recipe={})


class Gains(FakeModel):
    """A model whose stems are the mixture times a gain each, so that what the separator does to them shows."""

    def __init__(self, gains: tuple[float, ...], audio_channels: int) -> None:
        super().__init__()
        self.gains = torch.nn.Parameter(torch.tensor(gains).reshape(-1, 1, 1))
        self.audio_channels = audio_channels
        self.num_stems = len(gains)
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, raw_audio: torch.Tensor, active_stem_ids: Sequence[int] | None = None) -> torch.Tensor:
        assert raw_audio.dtype == torch.float32
        assert raw_audio.shape[1] == self.audio_channels
        self.shapes.append(tuple(raw_audio.shape))
        gains = self.gains if active_stem_ids is None else self.gains[list(active_stem_ids)]
        return raw_audio[:, None] * gains


# Models this small are slower on several threads than on one.
torch.set_num_threads(1)


@pytest.fixture
def gains_checkpoint() -> Callable[..., Any]:
    """What hfbs_model.load_checkpoint gives, around a model of gains."""

    def build(
        gains: tuple[float, ...] = (1.0, 0.5),
        *,
        audio_channels: int = 2,
        sample_rate: int = 8000,
        chunk_size: int = 1000,
        num_overlap: int = 2,
        model: torch.nn.Module | None = None,
    ) -> Any:
        return SimpleNamespace(
            model=model or Gains(gains, audio_channels),
            stems=tuple(f"stem{number}" for number in range(len(gains))),
            sample_rate=sample_rate,
            chunk_size=chunk_size,
            num_overlap=num_overlap,
        )

    return build


@pytest.fixture
def encode() -> Callable[..., Path]:
    """Write float32 audio (channel, time) through FFmpeg, with a video track where one is asked for."""
    return write_song


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """The folder of real songs beside the repository."""
    if not SHARED_AUDIO.is_dir():
        pytest.skip(f"no {SHARED_AUDIO.name} folder with real songs beside the repository")
    return SHARED_AUDIO


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small stereo BS-RoFormer at 8 kHz with two stems and random weights: checkpoint and YAML, as MSST has them."""
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    model = BSRoformer(
        dim=16,
        depth=1,
        stereo=True,
        num_stems=2,
        heads=2,
        dim_head=8,
        freqs_per_bands=(9, 20, 100),
        dim_freqs_in=129,
        stft_n_fft=256,
        stft_hop_length=64,
        stft_win_length=256,
    )
    torch.save(model.state_dict(), folder / "tiny.ckpt")
    (folder / "tiny.yaml").write_text(TINY_CONFIG)
    return folder / "tiny.ckpt", folder / "tiny.yaml"
