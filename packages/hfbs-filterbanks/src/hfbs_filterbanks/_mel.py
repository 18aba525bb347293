"""Mel-spaced bands through librosa, as Mel-Band RoFormer has them."""

import warnings
from typing import Any, SupportsFloat, SupportsIndex, cast

import numpy as np
from numpy.typing import NDArray

from ._checks import fft_size, listing, positive_hertz, whole_number
from ._layout import BandLayout
from ._optional import import_extra
from ._search import largest_count
from ._static import static_mel_layout


def mel_layout(num_bands: SupportsIndex, *, sample_rate: SupportsFloat, n_fft: SupportsIndex) -> BandLayout:
    """Overlapping bands spaced evenly on the mel scale, as in Mel-Band RoFormer :cite:p:`wang2024melroformer`.

    Band b holds the bins where triangle b of ``librosa.filters.mel`` is above 0, on the mel scale
    :cite:p:`stevens1937mel` by Slaney's formula :cite:p:`slaney1998auditory`. As upstream has it, band 0 also holds bin
    0 and the last band the last bin, which the triangles only touch. A bin is in at most two bands. The layouts of 60
    bands at 44.1 kHz (``n_fft`` 2048 and 4096) and at 48 kHz (2048) come from tables; all others need librosa, the
    extra ``mel``.

    Args:
        num_bands: How many bands, at least 1.
        sample_rate: In Hz, above 0.
        n_fft: FFT size, even; there are ``n_fft // 2 + 1`` bins.

    Raises:
        ImportError: librosa is needed and missing; the message says how to install it.
        ValueError: ``n_fft`` does not resolve so many bands; the message names those that hold no bin and the largest
            count below that works.

    Example:
        >>> mel_layout(60, sample_rate=44100, n_fft=2048)
        BandLayout(60 bands × 1025 bins, up to 2 bands per bin)
    """
    bands = whole_number("num_bands", num_bands, at_least=1)
    rate, size = positive_hertz("sample_rate", sample_rate), fft_size(n_fft)
    return static_mel_layout(bands, rate, size) or librosa_mel_layout(bands, rate, size)


def librosa_mel_layout(
    num_bands: int, sample_rate: float, n_fft: int, *, htk: bool = False, norm: Any = "slaney"
) -> BandLayout:
    """The layout of :func:`mel_layout`, always computed; ``htk`` and ``norm`` are those of ``librosa.filters.mel``."""
    librosa = import_extra("librosa", "librosa", extra="mel", purpose="A mel layout of these parameters")
    with warnings.catch_warnings():
        # The error below says what librosa warns of, and which bands they are.
        warnings.filterwarnings("ignore", message="Empty filters detected")
        weights = cast(
            "NDArray[np.float32]",
            librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=num_bands, htk=htk, norm=norm),
        )
    matrix = weights > 0
    matrix[0, 0] = matrix[-1, -1] = True

    empty_bands = np.flatnonzero(~matrix.any(axis=1))
    if len(empty_bands):
        works = _largest_mel_count(librosa, num_bands, sample_rate, n_fft, htk)
        raise ValueError(
            f"n_fft {n_fft} at {sample_rate:g} Hz does not resolve {num_bands} mel bands: "
            f"{listing('band', empty_bands)} would hold no bin. The largest count below {num_bands} that works is "
            f"{works}; use that, or a larger n_fft."
        )
    return BandLayout(matrix)


def _largest_mel_count(librosa: Any, num_bands: int, sample_rate: float, n_fft: int, htk: bool) -> int:
    bins = cast("NDArray[np.float64]", librosa.fft_frequencies(sr=sample_rate, n_fft=n_fft))

    def carries(count: int) -> bool:
        points = cast("NDArray[np.float64]", librosa.mel_frequencies(count + 2, fmin=0, fmax=sample_rate / 2, htk=htk))
        first_above = np.searchsorted(bins, points[:-2], side="right")
        first_not_below = np.searchsorted(bins, points[2:], side="left")
        holds_a_bin = first_above < first_not_below
        holds_a_bin[[0, -1]] = True
        return bool(holds_a_bin.all())

    return largest_count(num_bands, cast("NDArray[np.float64]", librosa.hz_to_mel(bins, htk=htk)), 2, carries)
