"""Models that share the spectrum of a stem: each gives its range of frequencies, and the ranges sum to the whole."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ._audio_source import BLOCK
from ._chunking import Signal
from ._types import Audio

LOWEST = 20.0  # Hz: below that, filters are longer than seconds
_WIDEST = 500.0  # Hz
_ATTENUATION = 110.0  # dB by the formula; where the transition ends near half the rate, 100 are left


def transition(frequency: float) -> float:
    """Width in Hz of the range around a crossover in which one model fades into the next: a fifth of the frequency, at
    most 500 Hz.
    """
    return min(frequency / 5, _WIDEST)


def low_pass(frequency: float, sample_rate: int) -> NDArray[np.float64]:
    """A filter of linear phase by Kaiser's window :cite:p:`kaiser1974nonrecursive`, 100 dB down after the transition.

    Its gain is exactly 1 at 0 Hz and exactly 0 at half the sample rate.

    Args:
        frequency: at which the gain is 1/2, in Hz; half the rate lies beyond the transition.
        sample_rate: in Hz.

    Returns:
        Shape (2 · reach + 1,), symmetric.
    """
    width = 2 * np.pi * transition(frequency) / sample_rate
    reach = int(np.ceil((_ATTENUATION - 7.95) / (2 * 2.285 * width)))
    place = np.arange(-reach, reach + 1)
    ratio = 2 * frequency / sample_rate
    taps = np.sinc(ratio * place) * ratio * np.kaiser(2 * reach + 1, 0.1102 * (_ATTENUATION - 8.7))
    # Even and odd taps: their sum is the gain at 0 Hz, their difference that at half the rate.
    for half in (taps[reach % 2 :: 2], taps[(reach + 1) % 2 :: 2]):
        half /= 2 * half.sum()
    return taps


def holds(frequency: float, sample_rate: int) -> bool:
    """Whether a rate has room for the transition at a frequency."""
    return frequency + transition(frequency) / 2 < sample_rate / 2


def merged(estimates: Iterable[Audio], crossover: Sequence[float], sample_rate: int) -> Iterator[Audio]:
    """Take each model's range of frequencies.

    What a model gives is the difference of two low-pass filters, so that all ranges sum to 1: models that agree are
    given back to the bit. Nothing is delayed; beyond its ends the song is mirrored.

    Args:
        estimates: blocks of (model, stem, channel, time), of any length. How they are cut changes no bit of the result.
        crossover: ascending frequencies in Hz at which one model gives way to the next, one fewer than models. From
            one on whose transition the rate does not hold, the model below it gives all.
        sample_rate: of the blocks in Hz.

    Returns:
        Blocks of (stem, channel, time) in float32, as many samples in all.
    """
    held = [frequency for frequency in crossover if holds(frequency, sample_rate)]
    if not held:
        return (block[0] for block in estimates)
    return _merged(Signal(estimates), [low_pass(frequency, sample_rate) for frequency in held])


def lowpassed(blocks: Iterable[Audio], frequency: float, sample_rate: int) -> Iterator[Audio]:
    """Take away what is above a frequency, (stem, channel, time): as from a model below one that gives silence."""
    with_silence = (np.stack([block, np.zeros_like(block)]) for block in blocks)
    return merged(with_silence, [frequency], sample_rate)


def _merged(song: Signal, filters: Sequence[NDArray[np.float64]]) -> Iterator[Audio]:
    reach = max(len(taps) // 2 for taps in filters)
    n_fft = 1 << (BLOCK + 2 * reach - 1).bit_length()
    responses: list[NDArray[np.complex128]] = [
        np.fft.rfft(np.pad(taps, reach - len(taps) // 2), n_fft) for taps in filters
    ]
    start = 0
    while song.reaches(start + 1):
        song.reaches(start + BLOCK)
        stop = start + BLOCK if song.length is None else min(start + BLOCK, song.length)
        models = song.cut(start - reach, stop + reach).astype(np.float64)
        output = models[len(filters), ..., reach : reach + stop - start].copy()
        for stem, target in enumerate(output):  # one after the other: spectra take much memory
            for lower, response in enumerate(responses):
                difference = models[lower, stem] - models[lower + 1, stem]
                spectrum = cast("NDArray[np.complex128]", np.fft.rfft(difference, n_fft))
                target += np.fft.irfft(spectrum * response, n_fft)[..., 2 * reach : 2 * reach + stop - start]
        yield output.astype(np.float32)
        song.forget(stop - reach)
        start = stop
