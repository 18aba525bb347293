"""Estimates of several models made one: sample by sample, or bin by bin of their spectra."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ._audio_source import in_blocks
from ._types import Audio

type Values = NDArray[Any]
"""Samples in float64, or the complex values of a spectrum."""

_SPECTRAL = "-fft"
_WINDOW_SECONDS = 0.046  # 2048 samples at 44.1 and 48 kHz
_STEPS = 4  # hops in a window


def combined(estimates: Iterable[Audio], combine: str, weights: Sequence[float], sample_rate: int) -> Iterator[Audio]:
    """Put the estimates of several models together.

    Args:
        estimates: blocks of (model, stem, channel, time), of any length. How they are cut changes no bit of the result.
        combine: one of ``COMBINATIONS``.
        weights: of each model in the mean, 1 in all.
        sample_rate: of the blocks in Hz; only for the length of the Fourier transform's window.

    Returns:
        Blocks of (stem, channel, time) in float32, as many samples in all.
    """
    how = partial(_HOW[combine.removesuffix(_SPECTRAL)], np.asarray(weights))
    if combine.endswith(_SPECTRAL):
        return _by_spectrum(estimates, how, fft_size(sample_rate))
    return (how(block.astype(np.float64)).astype(np.float32) for block in estimates)


def fft_size(sample_rate: int) -> int:
    """Samples of the window: the power of two nearest, by ratio, to 46 ms."""
    return 1 << round(math.log2(sample_rate * _WINDOW_SECONDS))


def _mean(weights: NDArray[np.float64], values: Values) -> Values:
    return np.tensordot(weights, values, axes=1)


def _median(_weights: NDArray[np.float64], values: Values) -> Values:
    """Of real values, their median; of complex ones, the one of middle magnitude, or the mean of the two."""
    if not np.iscomplexobj(values):
        return np.median(values, axis=0)
    order = np.abs(values).argsort(axis=0, kind="stable")
    last = len(values) - 1
    lower, upper = (_taken(values, order[middle]) for middle in (last // 2, -(-last // 2)))
    return (lower + upper) / 2


def _min(_weights: NDArray[np.float64], values: Values) -> Values:
    return _taken(values, np.abs(values).argmin(axis=0))


def _max(_weights: NDArray[np.float64], values: Values) -> Values:
    return _taken(values, np.abs(values).argmax(axis=0))


def _taken(values: Values, places: NDArray[np.intp]) -> Values:
    return np.take_along_axis(values, places[np.newaxis], axis=0)[0]


_HOW: dict[str, Callable[[NDArray[np.float64], Values], Values]] = {
    "mean": _mean,
    "median": _median,
    "min": _min,
    "max": _max,
}


def _by_spectrum(estimates: Iterable[Audio], how: Callable[[Values], Values], n_fft: int) -> Iterator[Audio]:
    """Combine short-time Fourier transforms, and turn the result back.

    Windows begin before the song and reach beyond its end, where it is silent, so that each sample is under as many of
    them; with windows both ways whose squares sum to 1, what is not changed comes back.
    """
    hop = n_fft // _STEPS
    ahead = n_fft - hop
    # The sum over all steps of a Hann window's squares is 3/8 of their number.
    window = np.sqrt(8 / (3 * _STEPS)) * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft))
    held: Audio | None = None
    sums: NDArray[np.float64] | None = None
    read = given = 0

    def finished(song: Audio, sums: NDArray[np.float64]) -> tuple[Audio, Audio, NDArray[np.float64]]:
        """Samples that no later window changes, and what stays of the song and of the sums."""
        count = max((song.shape[-1] - ahead) // hop, 0)
        grown = np.concatenate([sums, np.zeros((*sums.shape[:-1], count * hop))], axis=-1)
        for stem, target in enumerate(grown if count else ()):  # one after the other: spectra take much memory
            samples = song[:, stem, :, : ahead + count * hop].astype(np.float64)
            frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft, axis=-1)[..., ::hop, :]
            spectra = cast("Values", np.fft.rfft(frames * window))
            back = np.fft.irfft(how(spectra), n_fft) * window
            for step in range(_STEPS):
                part = back[..., step * hop : (step + 1) * hop].reshape(*back.shape[:-2], count * hop)
                target[..., step * hop : (step + count) * hop] += part
        done = count * hop
        return grown[..., :done].astype(np.float32), song[..., done:], grown[..., done:]

    for block in in_blocks(estimates):
        if held is None or sums is None:
            held = np.zeros((*block.shape[:-1], ahead), np.float32)
            sums = np.zeros((*block.shape[1:-1], ahead))
        read += block.shape[-1]
        ready, held, sums = finished(np.concatenate([held, block], axis=-1), sums)
        skipped = max(ahead - given, 0)  # before the song
        given += ready.shape[-1]
        if ready.shape[-1] > skipped:
            yield ready[..., skipped:]
    if held is not None and sums is not None:
        silence = np.zeros((*held.shape[:-1], n_fft + ahead), np.float32)
        ready, _, _ = finished(np.concatenate([held, silence], axis=-1), sums)
        yield ready[..., max(ahead - given, 0) : ahead + read - given]
