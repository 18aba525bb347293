"""Scores from magnitudes of spectra, as MSST's metrics of these names compute them."""

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import pad

from ._signals import L1_FFT, SHORTEST, Signal, checked

_L1_HOP = 1024
_MEL_FFT, _MEL_HOP, _MEL_BANDS = 4096, 1024, 512
_BLOCK = 128  # frames
_rfft = cast("Callable[..., Tensor]", torch.fft.rfft)  # pyright: ignore[reportUnknownMemberType]
_FLOOR, _RANGE = 1e-10, 80.0  # of a magnitude, and in dB below the loudest


def l1_freq(reference: ArrayLike, estimate: ArrayLike) -> float:
    """How near the magnitudes of the spectra are: 100 / (1 + 10·d), MSST's metric ``l1_freq``.

    d is the mean over all frequencies, frames and channels of the magnitudes' distance, by FFTs of 2048 samples every
    1024 with a rectangular window. It depends on loudness: a quieter song scores higher.

    Args:
        reference: The true stem, floating point, shape (channel, time), finite, at least 1025 samples.
        estimate: Of the same shape.

    Returns:
        Above 0, at most 100 for equal magnitudes.

    Raises:
        TypeError: An array is not floating point.
        ValueError: The shapes are not as said, or a sample is NaN or infinite.
    """
    truth = checked("reference", reference)
    if truth.shape[1] < SHORTEST:
        raise ValueError(f"l1_freq needs at least {SHORTEST} samples, got {truth.shape[1]}")
    return l1_freq_against(truth)(checked("estimate", estimate, like=truth))


def l1_freq_against(reference: Signal) -> Callable[[Signal], float]:
    """The function that gives :func:`l1_freq` of estimates of this reference, whose spectra it keeps."""
    window = torch.ones(L1_FFT)

    def magnitudes(signal: Signal) -> Iterator[Tensor]:
        return _magnitudes(signal, L1_FFT, _L1_HOP, window, "reflect")

    truth = list(magnitudes(reference))
    places = sum(block.numel() for block in truth)

    def score(estimate: Signal) -> float:
        pairs = zip(magnitudes(estimate), truth, strict=True)
        difference = sum(float(block.sub_(of_truth).abs_().sum(dtype=torch.float64)) for block, of_truth in pairs)
        return 100 / (1 + 10 * difference / places)

    return score


def bleedless_and_fullness(reference: ArrayLike, estimate: ArrayLike, sample_rate: int) -> tuple[float, float]:
    """How little is in the estimate that is not in the stem, and how little is missing: MSST's metrics of these names.

    Both compare spectra in 512 mel bands, in dB: 100 / (1 + d), where d is the mean excess over all places with an
    excess for ``bleedless``, and the mean lack over all places with a lack for ``fullness``. FFTs of 4096 samples
    every 1024, Hann window, mel bands by Slaney's formula :cite:p:`slaney1998auditory` up to half the sample rate (in
    MSST up to 22050 Hz always), and nothing lower than 80 dB below the loudest place of its signal.

    Args:
        reference: The true stem, floating point, shape (channel, time), finite.
        estimate: Of the same shape.
        sample_rate: In Hz.

    Returns:
        Two numbers for ``bleedless`` and ``fullness``, above 0 and at most 100.

    Raises:
        TypeError: An array is not floating point.
        ValueError: The shapes are not as said, or a sample is NaN or infinite.
    """
    truth = checked("reference", reference)
    return bleedless_and_fullness_against(truth, sample_rate)(checked("estimate", estimate, like=truth))


def bleedless_and_fullness_against(reference: Signal, sample_rate: int) -> Callable[[Signal], tuple[float, float]]:
    """The function that gives both scores of estimates of this reference, whose spectra it keeps."""
    weights = _grouped(torch.as_tensor(mel_weights(_MEL_BANDS, sample_rate, _MEL_FFT)).T)
    window = torch.hann_window(_MEL_FFT)

    def levels(signal: Signal) -> Tensor:
        blocks = _magnitudes(signal, _MEL_FFT, _MEL_HOP, window, "constant")
        bands = [torch.cat([block[:, bins] @ group for bins, group in weights], dim=1) for block in blocks]
        level = torch.cat(bands).clamp_(min=_FLOOR).log10_().mul_(20)
        return level.clamp_(min=float(level.max()) - _RANGE)

    truth = levels(reference)

    def score(estimate: Signal) -> tuple[float, float]:
        difference = levels(estimate).sub_(truth)
        excess, lack = difference[difference > 0], -difference[difference < 0]
        return _closeness(excess), _closeness(lack)

    return score


def _closeness(differences: Tensor) -> float:
    return 100 / (1 + (float(differences.mean()) if len(differences) else 0.0))


def mel_weights(num_bands: int, sample_rate: float, n_fft: int) -> NDArray[np.float32]:
    """Triangles of equal area, evenly spaced on Slaney's mel scale from 0 to half the rate; shape (band, bin)."""
    steps_per_log = 27 / np.log(6.4)  # above 1000 Hz, which is 15; below it, 3 per 200 Hz
    highest = sample_rate / 2
    top = 15 + steps_per_log * np.log(highest / 1000) if highest > 1000 else 0.015 * highest
    mel = np.linspace(0, top, num_bands + 2)
    hertz = np.where(mel < 15, mel / 0.015, 1000 * np.exp((mel - 15) / steps_per_log))
    low, middle, high = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)).clip(min=0)
    return (triangles * 2 / (high - low)).astype(np.float32)


def _grouped(weights: Tensor) -> list[tuple[slice, Tensor]]:
    """Weights (bin, band), mostly zero, as a few groups of neighbouring bands, each with the bins that it needs."""
    groups: list[tuple[slice, Tensor]] = []
    for group in torch.split(weights, weights.shape[1] // 8, dim=1):
        used = group.any(dim=1).nonzero()
        bins = slice(int(used[0]), int(used[-1]) + 1)
        groups.append((bins, group[bins].contiguous()))
    return groups


def _magnitudes(signal: Signal, n_fft: int, hop_length: int, window: Tensor, pad_mode: str) -> Iterator[Tensor]:
    """Magnitudes of the spectra that ``torch.stft`` gives, float32, (frame, bin), in blocks that fit into caches."""
    for channel in signal:
        samples = torch.as_tensor(np.require(channel, np.float32, ["C", "W"]))
        padded = pad(samples[None], (n_fft // 2, n_fft // 2), pad_mode)[0]
        for frames in torch.split(padded.unfold(0, n_fft, hop_length), _BLOCK):
            yield _rfft(frames * window).abs()
