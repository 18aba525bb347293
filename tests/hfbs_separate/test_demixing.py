"""The other programs' ways of chunking give what slow references of them give, with a real model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hfbs_model import load_checkpoint
from hfbs_separate import Separator
from hfbs_separate._chunking import Msst, Signal, separated

from .conftest import noise
from .demixing import audio_separator_demix, msst_demix

CHUNK = 4000  # of the tiny checkpoint, at 8000 Hz


@pytest.mark.parametrize("length", [1, 4000, 4001, 7999, 12000, 18001])
@pytest.mark.parametrize("overlap", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_msst_gives_msst_stems(tiny_checkpoint: tuple[Path, Path], length: int, overlap: int, batch_size: int) -> None:
    options = {"chunking": "msst", "overlap": overlap, "batch_size": batch_size}
    stems = Separator.from_checkpoint(*tiny_checkpoint, device="cpu", **options).separate(noise(2, length), 8000)
    model = load_checkpoint(*tiny_checkpoint).model
    expected = msst_demix(noise(2, length), model, CHUNK, overlap, batch_size)
    np.testing.assert_allclose(np.stack(list(stems.values())), expected, rtol=0, atol=1e-6)


@settings(max_examples=300)
@given(
    length=st.integers(1, 400),
    chunk_size=st.integers(20, 100),
    overlap=st.integers(1, 9),
    batch_size=st.integers(1, 5),
    block=st.integers(1, 150),
)
def test_msst_sums_to_the_same_bits(length: int, chunk_size: int, overlap: int, batch_size: int, block: int) -> None:
    """With a model whose answer depends on the whole chunk, and samples that come in blocks of any size."""
    song = noise(2, length)

    def model(chunks: torch.Tensor) -> torch.Tensor:
        ramp = torch.linspace(0, 1, chunks.shape[-1])
        return torch.stack([(chunk * chunk.mean() + ramp)[None] for chunk in chunks])

    def estimate(chunks: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(chunks)).numpy()

    blocks = (song[:, start : start + block] for start in range(0, length, block))
    ours = np.concatenate(
        list(separated(Signal(blocks), Msst(chunk_size, overlap, 1), [estimate], batch_size)), axis=-1
    )
    np.testing.assert_array_equal(ours, msst_demix(song, model, chunk_size, overlap, batch_size))


@pytest.mark.parametrize(
    ("length", "level"), [(1, 0.5), (63, 2.0), (4001, 0.5), (16320, 2.0), (16321, 0.5), (80000, 0.5), (100001, 2.0)]
)
@pytest.mark.parametrize("overlap", [1, 4])
def test_audio_separator_gives_its_stems(
    tiny_checkpoint: tuple[Path, Path], length: int, level: float, overlap: int
) -> None:
    hop, dim_t = 64, 300
    separator = Separator.from_checkpoint(
        *tiny_checkpoint,
        device="cpu",
        chunking="audio-separator",
        overlap=overlap,
        chunk_seconds=hop * (dim_t - 1) / 8000,
    )
    song = level * noise(2, length)
    stems = separator.separate(song, 8000)
    model = load_checkpoint(*tiny_checkpoint).model
    expected = audio_separator_demix(song, model, hop, dim_t, overlap, 8000)
    np.testing.assert_allclose(np.stack(list(stems.values())), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("chunking", ["msst", "audio-separator"])
def test_a_residual_is_the_mixture_as_the_model_heard_it_less_the_stem(
    tiny_checkpoint: tuple[Path, Path], chunking: str
) -> None:
    separator = Separator.from_checkpoint(
        *tiny_checkpoint, device="cpu", chunking=chunking, residuals={"instrumental": ["vocals"]}
    )
    song = noise(2, 9000)
    stems = separator.separate(song, 8000)
    heard = song * (np.float32(0.9) / np.abs(song).max() if chunking == "audio-separator" else np.float32(1))
    np.testing.assert_allclose(stems["instrumental"], heard - stems["vocals"], atol=1e-7)
