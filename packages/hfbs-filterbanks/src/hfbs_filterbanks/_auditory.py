"""Bands spaced evenly on the scales of hearing other than mel: Bark and ERB rate."""

from collections.abc import Callable
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ._checks import bin_frequencies, fft_size, listing, positive_hertz, whole_number
from ._layout import BandLayout
from ._runs import matrix_from_boundaries
from ._search import largest_count

type _Scale = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def bark_layout(
    num_bands: SupportsIndex, *, sample_rate: SupportsFloat, n_fft: SupportsIndex, overlap: bool = False
) -> BandLayout:
    """Bands of equal width on the Bark scale of critical bands :cite:p:`zwicker1961bark`.

    The scale is Traunmüller's formula with its corrections at both ends :cite:p:`traunmuller1990bark`; it reaches
    24.6 Bark at 22.05 kHz, so that 25 bands at 44.1 kHz are about one critical band each.

    Args:
        num_bands: How many bands, at least 1.
        sample_rate: In Hz, above 0.
        n_fft: FFT size, even; there are ``n_fft // 2 + 1`` bins.
        overlap: False lays the bands side by side, as a partition. True lets each reach over two steps of the
            scale, half of it shared with either neighbour, as mel bands do; a bin is in at most two bands.

    Raises:
        ValueError: ``n_fft`` does not resolve so many bands; the message names those that hold no bin and the largest
            count below that works.

    Example:
        >>> bark_layout(25, sample_rate=44100, n_fft=2048).widths[:6]
        (5, 4, 5, 4, 5, 6)
    """
    return _evenly_spaced("Bark", hz_to_bark, num_bands, sample_rate, n_fft, overlap)


def erb_layout(
    num_bands: SupportsIndex, *, sample_rate: SupportsFloat, n_fft: SupportsIndex, overlap: bool = False
) -> BandLayout:
    """Bands of equal width on the ERB-rate scale :cite:p:`glasberg1990erb`.

    The scale counts equivalent rectangular bandwidths of the auditory filters; it reaches 42.5 at 22.05 kHz. Its
    lowest bands are narrow, 26 Hz for one ERB, so that it needs a finer ``n_fft`` than Bark or mel for as many bands.

    Args:
        num_bands: How many bands, at least 1.
        sample_rate: In Hz, above 0.
        n_fft: FFT size, even; there are ``n_fft // 2 + 1`` bins.
        overlap: False lays the bands side by side, as a partition. True lets each reach over two steps of the
            scale, half of it shared with either neighbour, as mel bands do; a bin is in at most two bands.

    Raises:
        ValueError: ``n_fft`` does not resolve so many bands; the message names those that hold no bin and the largest
            count below that works.
    """
    return _evenly_spaced("ERB", hz_to_erb_rate, num_bands, sample_rate, n_fft, overlap)


def hz_to_bark(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Traunmüller's critical-band rate, in Bark, strictly increasing from -0.15 at 0 Hz."""
    bark = 26.81 * frequencies / (1960 + frequencies) - 0.53
    return bark + 0.15 * (2 - bark).clip(min=0) + 0.22 * (bark - 20.1).clip(min=0)


def hz_to_erb_rate(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Glasberg and Moore's number of ERBs below a frequency, strictly increasing from 0 at 0 Hz."""
    return 21.4 * np.log10(1 + 0.00437 * frequencies)


def _evenly_spaced(
    name: str, scale: _Scale, num_bands: SupportsIndex, sample_rate: SupportsFloat, n_fft: SupportsIndex, overlap: bool
) -> BandLayout:
    bands = whole_number("num_bands", num_bands, at_least=1)
    rate, size = positive_hertz("sample_rate", sample_rate), fft_size(n_fft)
    bins = scale(bin_frequencies(size, rate))
    span = 2 if overlap else 1

    starts, stops = _reaches(bins, bands, span)
    empty_bands = np.flatnonzero(starts >= stops)
    if len(empty_bands):
        works = largest_count(bands, bins, span, lambda count: bool(np.less(*_reaches(bins, count, span)).all()))
        raise ValueError(
            f"n_fft {size} at {rate:g} Hz does not resolve {bands} {name} bands: {listing('band', empty_bands)} would "
            f"hold no bin. The largest count below {bands} that works is {works}; use that, or a larger n_fft."
        )
    return BandLayout(matrix_from_boundaries(np.stack((starts, stops), axis=1).tolist(), len(bins)))


def _reaches(bins: NDArray[np.float64], num_bands: int, span: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First bin of each band and the first bin after it, where each reaches over ``span`` even steps of the scale."""
    points = np.linspace(float(bins[0]), float(bins[-1]), num_bands + span)
    first_bins = np.searchsorted(bins, points)
    first_bins[-1] = len(bins)
    return first_bins[:-span], first_bins[span:]
