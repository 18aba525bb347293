"""Bands of a constant number per octave."""

import math
from typing import SupportsFloat, SupportsIndex

from ._checks import fft_size, positive_hertz, whole_number
from ._layout import BandLayout
from ._runs import matrix_from_boundaries

# A boundary that falls on a bin but for the rounding of its power of two counts as on it; in bins, and in boundaries.
_ROUNDING = 1e-9


def octave_layout(
    bands_per_octave: SupportsIndex,
    *,
    sample_rate: SupportsFloat,
    n_fft: SupportsIndex,
    lowest_hz: SupportsFloat | None = None,
    overlap: bool = False,
) -> BandLayout:
    """Bands of equal width in octaves, constant-Q as in :cite:p:`brown1991constantq`, with one band for all below.

    Boundaries lie at the Nyquist frequency and each 1 / ``bands_per_octave`` octave below it. Band 0 reaches from 0 Hz
    to the lowest boundary, since octaves never get to 0 Hz.

    Args:
        bands_per_octave: At least 1; 3 gives third-octave bands, 12 semitones.
        sample_rate: In Hz, above 0.
        n_fft: FFT size, even; there are ``n_fft // 2 + 1`` bins.
        lowest_hz: No boundary lies below this frequency in Hz, which is above 0 and below the Nyquist frequency. None
            means as low as ``n_fft`` puts a bin between each two.
        overlap: False lays the bands side by side, as a partition. True lets each reach over two steps, half of it
            shared with either neighbour; a bin is in at most two bands.

    Raises:
        ValueError: ``lowest_hz`` is out of range, or lower than ``n_fft`` resolves; the message says what works.

    Example:
        >>> octave_layout(1, sample_rate=8000, n_fft=64).widths  # up to 125, 250, 500, 1000, 2000 and 4000 Hz
        (1, 1, 2, 4, 8, 17)
    """
    per_octave = whole_number("bands_per_octave", bands_per_octave, at_least=1)
    rate, size = positive_hertz("sample_rate", sample_rate), fft_size(n_fft)
    first_bins = _resolved_boundaries(per_octave, size // 2)
    if lowest_hz is not None:
        lowest, nyquist = positive_hertz("lowest_hz", lowest_hz), rate / 2
        wanted = math.floor(per_octave * math.log2(nyquist / lowest) + _ROUNDING)
        if wanted < 1:
            raise ValueError(
                f"lowest_hz must leave a boundary below the Nyquist frequency, so it is at most "
                f"{nyquist * 2 ** (-1 / per_octave):.6g} Hz for {per_octave} bands per octave at {rate:g} Hz, not "
                f"{lowest:g} Hz. Lower it, or leave it out."
            )
        resolved = len(first_bins) - 1
        if wanted > resolved:
            raise ValueError(
                f"n_fft {size} at {rate:g} Hz resolves {per_octave} bands per octave only down to "
                f"{nyquist * 2 ** (-resolved / per_octave):.6g} Hz, not to lowest_hz {lowest:g} Hz: below that two "
                "boundaries would have no bin between them. Raise lowest_hz, leave it out, or use a larger n_fft."
            )
        first_bins = first_bins[: wanted + 1]
    span = 2 if overlap else 1
    ascending = [0, *reversed(first_bins)]
    return BandLayout(matrix_from_boundaries(list(zip(ascending, ascending[span:], strict=False)), size // 2 + 1))


def _resolved_boundaries(per_octave: int, last_bin: int) -> list[int]:
    """First bin above each boundary, from beyond the last bin downwards, as long as each is another one."""
    first_bins = [last_bin + 1]
    while True:
        position = last_bin * 2 ** (-len(first_bins) / per_octave)
        first_bin = math.ceil(position - _ROUNDING)
        if first_bin >= first_bins[-1]:
            return first_bins
        first_bins.append(first_bin)
