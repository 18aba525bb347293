"""Songs, models and checkpoints for the tests of hfbs-separate."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from encoding import write_song
from tiny_checkpoint import write_tiny_checkpoint

SHARED_AUDIO = Path(__file__).parents[3] / "shared" / "audio"


def noise(*shape: int) -> np.ndarray:
    """The same for the same shape: float32 in [-1, 1)."""
    return np.random.default_rng(shape[-1]).uniform(-1, 1, shape).astype(np.float32)


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
        residual: str | None = None,
        model: torch.nn.Module | None = None,
    ) -> Any:
        return SimpleNamespace(
            model=model or Gains(gains, audio_channels),
            stems=tuple(f"stem{number}" for number in range(len(gains))),
            residual=residual,
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
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))
