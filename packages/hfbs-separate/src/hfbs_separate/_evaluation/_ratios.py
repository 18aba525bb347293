"""Ratios of the energies of signal and error: over whole songs, free of scale, and by frames of a second."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._signals import Signal, checked, decibels, energy, product

_EPS = 1e-8


def sdr(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Signal-to-distortion ratio over the whole song, as MSST and the Music Demixing Challenge have it.

    10·log₁₀((Σ reference² + 1e-8) / (Σ (reference - estimate)² + 1e-8)), each sum over all channels and samples
    :cite:p:`mitsufuji2022mdx`. Silence as the estimate has 0 dB.

    Args:
        reference: The true stem, floating point, shape (channel, time), finite.
        estimate: Of the same shape.

    Returns:
        In dB.

    Raises:
        TypeError: An array is not floating point.
        ValueError: The shapes are not as said, or a sample is NaN or infinite.

    Example:
        >>> stem = np.sin(np.linspace(0, 100, 44100))[None]
        >>> round(sdr(stem, 0.9 * stem), 3), round(sdr(stem, 0 * stem), 3)
        (20.0, 0.0)
    """
    truth = checked("reference", reference)
    return whole_sdr(truth, checked("estimate", estimate, like=truth))


def whole_sdr(reference: Signal, estimate: Signal) -> float:
    """:func:`sdr` of signals that are checked already."""
    return float(10 * np.log10((energy(reference) + _EPS) / (energy(reference - estimate) + _EPS)))


def si_sdr(reference: ArrayLike, estimate: ArrayLike) -> float:
    """SDR that does not change where the estimate is scaled :cite:p:`leroux2019sdr`.

    10·log₁₀(Σ (a·reference)² / Σ (a·reference - estimate)²), a = Σ reference·estimate / Σ reference², one factor for
    all channels. MSST's differs in small numbers that it adds to the sums, which matters for quiet stems alone.

    Args:
        reference: The true stem, floating point, shape (channel, time), finite.
        estimate: Of the same shape.

    Returns:
        In dB, at most 144.5, the resolution of float32; NaN where the estimate has nothing of the reference, as
        silence has.

    Raises:
        TypeError: An array is not floating point.
        ValueError: The shapes are not as said, or a sample is NaN or infinite.

    Example:
        >>> stem, noise = np.random.default_rng(0).normal(size=(2, 1, 44100))
        >>> round(si_sdr(stem, stem + noise), 1) == round(si_sdr(stem, 5 * (stem + noise)), 1)
        True
    """
    truth = checked("reference", reference)
    return scale_free_sdr(truth, checked("estimate", estimate, like=truth))


def scale_free_sdr(reference: Signal, estimate: Signal) -> float:
    """:func:`si_sdr` of signals that are checked already."""
    of_reference = energy(reference)
    if of_reference == 0:
        return float("nan")
    scale = product(reference, estimate) / of_reference
    error = energy(estimate - reference * estimate.dtype.type(scale))
    return float(decibels(np.asarray(scale**2 * of_reference), np.asarray(error)))


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The energies of one stem and of its error in each frame, float64, and where either is silent; shape (frame,)."""

    signal: NDArray[np.float64]
    error: NDArray[np.float64]
    silent: NDArray[np.bool_]


def framed(reference: Signal, estimate: Signal, sample_rate: int) -> Frames:
    """Cut both into frames of a second, side by side; what is left at the end goes, unless there is no more than that.

    As museval has it, a frame is silent where the channels' sum is zero throughout.
    """
    time = reference.shape[1]
    window = min(sample_rate, time)
    frames = time // window

    def cut(signal: Signal) -> Signal:
        return signal[..., : frames * window].reshape(*signal.shape[:-1], frames, window)

    def energies(signal: Signal) -> NDArray[np.float64]:
        return np.einsum("cft,cft->f", cut(signal), cut(signal), dtype=np.float64)

    silent = [~cut(signal.sum(axis=0)).any(axis=-1) for signal in (reference, estimate)]
    return Frames(energies(reference), energies(reference - estimate), silent[0] | silent[1])


def median_sdr(stems: Sequence[Frames]) -> list[float]:
    """The median of each stem's frames. A frame in which any of the stems is silent counts for none, as in museval."""
    heard = ~np.any([frames.silent for frames in stems], axis=0)
    if not heard.any():
        return [float("nan")] * len(stems)
    return [float(np.median(decibels(frames.signal[heard], frames.error[heard]))) for frames in stems]


def museval_sdr(references: ArrayLike, estimates: ArrayLike, sample_rate: int) -> NDArray[np.float64]:
    """The SDR of BSS Eval version 4 by museval :cite:p:`stoter2018sisec`: for each stem, the median over 1 s frames.

    museval splits an estimate's error into what filters of the true stems explain and what they do not. Its SDR takes
    the parts together again, so that the filters cancel and the plain ratio of energies is left, frame by frame. That
    is computed here, in milliseconds; the tests compare it with museval.

    Args:
        references: The true stems, floating point, shape (stem, channel, time), finite. A frame in which any
            reference or any estimate is silent counts for none, so that stems scored together depend on each other.
        estimates: Of the same shape.
        sample_rate: In Hz, a whole number: the frames' length.

    Returns:
        In dB, shape (stem,), float64; NaN where no frame counts.

    Raises:
        TypeError: An array is not floating point.
        ValueError: The shapes are not as said, a sample is NaN or infinite, or the rate is below 1.
    """
    truths, guesses = np.asarray(references), np.asarray(estimates)
    if truths.ndim != 3 or truths.shape != guesses.shape or len(truths) == 0:
        raise ValueError(
            "references and estimates must both have shape (stem, channel, time), with at least one stem, "
            f"got {truths.shape} and {guesses.shape}"
        )
    if sample_rate < 1:
        raise ValueError(f"sample_rate is in Hz, at least 1, got {sample_rate}")
    stems = [
        framed(checked("references", truth), checked("estimates", guess), sample_rate)
        for truth, guess in zip(truths, guesses, strict=True)
    ]
    return np.array(median_sdr(stems))
