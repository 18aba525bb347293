"""What a score is computed from: pairs of signals that fit each other, their energies, and decibels."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

type Signal = NDArray[np.floating[Any]]

L1_FFT: Final = 2048
SHORTEST: Final = L1_FFT // 2 + 1  # samples that l1_freq needs, since it mirrors the ends

# Of float32, by energy. An error below that is rounding, so no ratio of energies exceeds 144.5 dB.
_RESOLUTION = 2.0**-48
_SILENCE = 10 ** (-60 / 10)  # mean square: -60 dB of full scale


def checked(name: str, audio: ArrayLike, *, like: Signal | None = None) -> Signal:
    """The array, if it is floating point audio (channel, time), finite, and of the shape of ``like``.

    Raises:
        TypeError: It is not floating point.
        ValueError: Its shape is another, or a sample is NaN or infinite.
    """
    signal = np.asarray(audio)
    if not np.issubdtype(signal.dtype, np.floating):
        raise TypeError(f"{name} must be floating point with full scale 1, got {signal.dtype}: divide by full scale")
    if signal.ndim != 2 or 0 in signal.shape:
        raise ValueError(f"{name} must have shape (channel, time) with at least one sample, got {signal.shape}")
    if like is not None and signal.shape != like.shape:
        raise ValueError(f"{name} must have the same shape as the reference, {like.shape}, got {signal.shape}")
    if not np.isfinite(signal).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return signal


def energy(signal: Signal) -> float:
    """The sum of all squares, in double precision."""
    return product(signal, signal)


def product(one: Signal, other: Signal) -> float:
    """The sum of the products of all samples, in double precision."""
    return float(np.einsum("ct,ct->", one, other, dtype=np.float64))


def is_silent(audio: ArrayLike) -> bool:
    """Whether the mean square over all channels and samples, shape (channel, time), is below -60 dB of full scale."""
    signal = checked("audio", audio)
    return energy(signal) < _SILENCE * signal.size


def decibels(signal: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio of two energies in dB: at most 144.5 dB, and NaN where the signal has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(signal / np.maximum(error, signal * _RESOLUTION))
    return np.where(signal > 0, ratio, np.nan)
