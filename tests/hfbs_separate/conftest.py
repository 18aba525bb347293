"""Songs, models and checkpoints for the tests of hfbs-separate."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch

SHARED_AUDIO = Path(__file__).parents[3] / "shared" / "audio"


class Gains(torch.nn.Module):
    """A model whose stems are the mixture times a gain each, so that what the separator does to them shows."""

    def __init__(self, gains: tuple[float, ...], audio_channels: int) -> None:
        super().__init__()
        self.gains = torch.nn.Parameter(torch.tensor(gains).reshape(-1, 1, 1))
        self.audio_channels = audio_channels
        self.num_stems = len(gains)
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
        assert raw_audio.dtype == torch.float32
        assert raw_audio.shape[1] == self.audio_channels
        self.shapes.append(tuple(raw_audio.shape))
        return raw_audio[:, None] * self.gains


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

    def write(
        path: Path, audio: np.ndarray, sample_rate: int, codec: str, *, layout: str = "stereo", video: bool = False
    ) -> Path:
        with av.open(str(path), "w") as container:
            tracks: list[tuple[Any, Any]] = []
            if video:
                pictures: Any = container.add_stream("mpeg4", rate=25)
                pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
                tracks.append((pictures, av.VideoFrame(32, 32, "yuv420p")))
            if codec:
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout=layout)
                frame.sample_rate = sample_rate
                tracks.append((container.add_stream(codec, rate=sample_rate, layout=layout), frame))
            container.start_encoding()
            for stream, content in tracks:
                content.pts = 0
                for packet in (*stream.encode(content), *stream.encode(None)):
                    container.mux(packet)
        return path

    return write


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """The folder of real songs beside the repository."""
    if not SHARED_AUDIO.is_dir():
        pytest.skip(f"no {SHARED_AUDIO.name} folder with real songs beside the repository")
    return SHARED_AUDIO
