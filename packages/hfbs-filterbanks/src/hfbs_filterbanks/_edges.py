"""Bands given by their edges in Hz."""

from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import fft_size, listing, positive_hertz, regular_array
from ._layout import BandLayout
from ._runs import matrix_from_boundaries

# An edge that falls on a bin but for rounding counts as on it; in bins.
_ROUNDING = 1e-6


def edges_layout(edges_hz: ArrayLike, *, n_fft: SupportsIndex, sample_rate: SupportsFloat) -> BandLayout:
    """Bands given by their edges in Hz: those bins from the lower edge up to, but not at, the upper one.

    Args:
        edges_hz: Of shape (bands + 1,): the boundaries of bands side by side, from 0 Hz to the Nyquist frequency,
            strictly increasing. Or of shape (bands, 2): lower and upper edge of each band, which may overlap; with
            what :meth:`BandLayout.edge_frequencies` gives, a layout without holes comes back. The last bin belongs to
            the bands that end at the Nyquist frequency.
        n_fft: FFT size, even; there are ``n_fft // 2 + 1`` bins.
        sample_rate: In Hz, above 0.

    Raises:
        TypeError: The edges are not numbers.
        ValueError: The shape is another one; an edge is NaN or not between 0 Hz and the Nyquist frequency; an upper
            edge is not above its lower edge; a band holds no bin, or a bin is in no band (the message names them).

    Example:
        >>> edges_layout([0, 300, 3000, 22050], n_fft=2048, sample_rate=44100).widths
        (14, 126, 885)
    """
    size, rate = fft_size(n_fft), positive_hertz("sample_rate", sample_rate)
    lower, upper, side_by_side = _lower_and_upper(edges_hz)
    nyquist, last_bin = rate / 2, size // 2
    lower_in_bins, upper_in_bins = lower * (size / rate), upper * (size / rate)
    outside = np.flatnonzero(~((lower_in_bins >= 0) & (upper_in_bins <= last_bin + _ROUNDING)))
    if len(outside):
        raise ValueError(
            f"Edges must lie between 0 Hz and the Nyquist frequency, {nyquist:g} Hz, but "
            f"{_band(outside, lower, upper)} does not. Move its edges, or use the sample rate that they were made for."
        )
    descending = np.flatnonzero(~(lower < upper))
    if len(descending):
        raise ValueError(
            f"The upper edge of a band must lie above its lower edge, but {_band(descending, lower, upper)} does not. "
            "Sort the edges, and leave out repeated ones."
        )
    starts, stops = np.ceil(lower_in_bins - _ROUNDING), np.ceil(upper_in_bins - _ROUNDING)
    ends = upper_in_bins >= last_bin - _ROUNDING
    if side_by_side:
        # However close to the Nyquist frequency the last but one may end, the last bin is in one band only.
        ends[:-1] = False
    stops[ends] = last_bin + 1
    empty = np.flatnonzero(starts >= stops)
    if len(empty):
        raise ValueError(
            f"Every band must hold at least one bin, but {_band(empty, lower, upper)} holds none: with n_fft {size} at "
            f"{rate:g} Hz bins lie {rate / size:.6g} Hz apart. Widen or leave out {listing('band', empty)}, or use a "
            "larger n_fft."
        )
    matrix = matrix_from_boundaries(np.stack((starts, stops), axis=1).astype(int).tolist(), last_bin + 1)
    uncovered = np.flatnonzero(~matrix.any(axis=0))
    if len(uncovered):
        raise ValueError(
            f"Every bin must be in at least one band, but {listing('bin', uncovered)}, from "
            f"{uncovered[0] * rate / size:.6g} Hz to {uncovered[-1] * rate / size:.6g} Hz, "
            f"{'is' if len(uncovered) == 1 else 'are'} in none. Let the edges reach from 0 Hz to the Nyquist "
            f"frequency, {nyquist:g} Hz, without gaps."
        )
    return BandLayout(matrix)


def _lower_and_upper(edges_hz: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Both edges of each band, and whether they were given as the boundaries of bands side by side."""
    edges = regular_array("Edges", edges_hz)
    if edges.dtype.kind not in "iuf":
        raise TypeError(f"Edges must be numbers of Hz, but they are of dtype {edges.dtype}.")
    edges = edges.astype(np.float64)
    if edges.ndim == 1 and len(edges) >= 2:
        return edges[:-1], edges[1:], True
    if edges.ndim == 2 and len(edges) >= 1 and edges.shape[1] == 2:
        return edges[:, 0], edges[:, 1], False
    raise ValueError(
        "Edges have shape (bands + 1,), the boundaries of bands side by side, or (bands, 2), the lower and upper "
        f"edge of each, with at least one band; these have shape {edges.shape}."
    )


def _band(bands: NDArray[np.intp], lower: NDArray[np.float64], upper: NDArray[np.float64]) -> str:
    first = bands[0]
    return f"band {first} ({lower[first]:g} Hz to {upper[first]:g} Hz)"
