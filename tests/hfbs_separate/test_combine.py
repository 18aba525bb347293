"""Estimates put together: slow references, perfect reconstruction up to both ends, independence of blocks."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hfbs_separate._combine import combined, fft_size
from hfbs_separate._options import COMBINATIONS

from .blending import combined_by_spectrum
from .conftest import noise

RATE = 1000  # so that windows are of 64 samples
SPECTRAL = [name for name in COMBINATIONS if name.endswith("-fft")]


def cut(audio: np.ndarray, sizes: Sequence[int]) -> Iterator[np.ndarray]:
    """Blocks of these sizes, over and over, to the end."""
    at = 0
    while at < audio.shape[-1]:
        for size in sizes:
            if at < audio.shape[-1]:
                yield audio[..., at : at + size]
                at += size


def together(
    estimates: np.ndarray, how: str, *, weights: list[float] | None = None, sizes: Sequence[int] = (999,)
) -> np.ndarray:
    shares = weights or [1 / len(estimates)] * len(estimates)
    return np.concatenate(list(combined(cut(estimates, sizes), how, shares, RATE)), axis=-1)


@pytest.mark.parametrize(
    ("rate", "samples"), [(8000, 512), (16000, 1024), (22050, 1024), (44100, 2048), (48000, 2048), (96000, 4096)]
)
def test_windows_are_powers_of_two_of_about_46_ms(rate: int, samples: int) -> None:
    assert fft_size(rate) == samples


@pytest.mark.parametrize("models", [2, 3, 4])
@pytest.mark.parametrize("how", SPECTRAL)
def test_spectra_are_combined_as_a_slow_reference_does(how: str, models: int) -> None:
    estimates = noise(models, 1, 2, 700)
    expected = combined_by_spectrum(estimates[:, 0], how.removesuffix("-fft"), fft_size(RATE))
    np.testing.assert_allclose(together(estimates, how)[0], expected, atol=1e-6)


def test_a_weighted_mean_of_spectra_is_that_of_the_reference_and_of_the_waveforms() -> None:
    estimates = noise(3, 2, 1, 500)
    weights = [0.5, 0.3, 0.2]
    found = together(estimates, "mean-fft", weights=weights)
    expected = [combined_by_spectrum(estimates[:, stem], "mean", fft_size(RATE), weights) for stem in range(2)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found, together(estimates, "mean", weights=weights), atol=1e-6)


@example(1).via("the shortest song")
@given(samples=st.integers(1, 400))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("how", SPECTRAL)
def test_models_that_agree_are_given_back_up_to_both_ends(how: str, samples: int) -> None:
    song = noise(1, 2, samples)
    found = together(np.stack([song] * 3), how)
    assert found.shape == song.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, song, atol=2e-7)


@pytest.mark.parametrize("how", COMBINATIONS)
def test_how_the_song_comes_in_blocks_changes_no_bit(how: str) -> None:
    estimates = noise(3, 1, 1, 140_000)  # more than two of the blocks that are worked on
    whole = together(estimates, how, sizes=(140_000,))
    for sizes in ((1 << 16,), (1, 70_001, 13), (65_535,)):
        np.testing.assert_array_equal(together(estimates, how, sizes=sizes), whole)


def test_waveforms_are_combined_by_distance_from_zero() -> None:
    estimates = np.array([[0.5, -0.1, 0.2], [-0.7, 0.3, -0.2], [0.6, -0.2, 0.1]], np.float32).reshape(3, 1, 1, 3)
    for how, expected in (("min", [0.5, -0.1, 0.1]), ("max", [-0.7, 0.3, 0.2]), ("median", [0.5, -0.1, 0.1])):
        np.testing.assert_array_equal(together(estimates, how).ravel(), np.array(expected, np.float32))


def test_of_models_that_tie_the_first_counts() -> None:
    song = noise(1, 1, 300)
    opposed = np.stack([song, -song])
    for how in ("min", "max", "min-fft", "max-fft"):
        np.testing.assert_allclose(together(opposed, how), song, atol=2e-7)
        np.testing.assert_allclose(together(opposed[::-1], how), -song, atol=2e-7)


@pytest.mark.parametrize(("how", "lower", "upper"), [("min-fft", 0.1, 0.1), ("max-fft", 1, 1)])
def test_each_frequency_has_its_own_winner(how: str, lower: float, upper: float) -> None:
    """One model is louder at a low tone, the other at a high one: neither sample by sample nor as a whole."""
    time = np.arange(4000) / RATE
    low, high = np.sin(2 * np.pi * 62.5 * time), np.sin(2 * np.pi * 375 * time)
    estimates = np.stack([low + 0.1 * high, 0.1 * low + high]).astype(np.float32)[:, None, None]
    inside = slice(100, -100)
    expected = lower * low + upper * high
    np.testing.assert_allclose(together(estimates, how)[0, 0, inside], expected[inside], atol=2e-3)
