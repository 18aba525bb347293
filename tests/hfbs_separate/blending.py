"""What the documentation says of ensembles and crossovers, done slowly to whole signals with scipy."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray


def combined_by_spectrum(
    estimates: NDArray[np.floating], how: str, n_fft: int, weights: list[float] | None = None
) -> NDArray[np.float64]:
    """(model, channel, time) → (channel, time), bin by bin and with loops."""
    signal = pytest.importorskip("scipy.signal")
    window = signal.get_window("hann", n_fft)
    transform = signal.ShortTimeFFT(window, n_fft // 4, fs=1, fft_mode="onesided")
    models, _, samples = estimates.shape
    padded = np.pad(estimates.astype(np.float64), [(0, 0), (0, 0), (n_fft, 2 * n_fft)])
    spectra = transform.stft(padded)
    output = np.zeros(spectra.shape[1:], complex)
    for place in np.ndindex(output.shape):
        values = sorted(spectra[:, *place].tolist(), key=abs)
        if how == "mean":
            shares = weights or [1] * models
            mixed = zip(shares, spectra[:, *place].tolist(), strict=True)
            output[place] = sum(share * value for share, value in mixed) / sum(shares)
        elif how == "median":
            output[place] = (values[(models - 1) // 2] + values[models // 2]) / 2
        else:
            output[place] = values[0] if how == "min" else values[-1]
    return transform.istft(output, k1=padded.shape[-1])[:, n_fft : n_fft + samples]


def merged_by_frequency(
    estimates: NDArray[np.floating], crossover: list[float], sample_rate: int
) -> NDArray[np.float64]:
    """(model, channel, time) → (channel, time): each model through its own band-pass, all added up."""
    signal = pytest.importorskip("scipy.signal")
    filters = [np.array([0.0])]  # lets nothing through
    for frequency in crossover:
        width = min(frequency / 5, 500.0)
        taps, beta = signal.kaiserord(110, width / (sample_rate / 2))
        filters.append(signal.firwin(taps | 1, frequency, window=("kaiser", beta), fs=sample_rate))
    filters.append(np.array([1.0]))  # lets all through
    longest = max(map(len, filters))
    filters = [np.pad(taps, (longest - len(taps)) // 2) for taps in filters]
    reach = longest // 2
    total = np.zeros(estimates.shape[1:])
    for model, (below, above) in enumerate(pairwise(filters)):
        mirrored = np.pad(estimates[model].astype(np.float64), [(0, 0), (reach, reach)], mode="reflect")
        total += np.stack([np.convolve(channel, above - below, "valid") for channel in mirrored])
    return total
