"""The layout of frequency bands: one Boolean matrix, checked once, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import bin_frequencies, positive_hertz, regular_array
from ._json import decode_layout, encode_layout
from ._membership import membership_matrix


@dataclass(frozen=True, init=False, eq=False, repr=False)
class BandLayout:
    """Which STFT bins belong to which frequency band.

    Everything follows from one Boolean matrix F of shape (bands, bins): band b holds bin f where ``F[b, f]``. Every
    band holds a bin and every bin is in a band; bands may overlap and may have holes. A layout is immutable, comparable
    and hashable, and may be pickled and copied.

    Args:
        matrix: Array-like of shape (bands, bins): Booleans, or numbers that are exactly 0 or 1. It is copied.

    Raises:
        TypeError: The values are neither Booleans nor numbers.
        ValueError: The rank is not 2, there is no band or fewer than 2 bins, a value is neither 0 nor 1 (NaN
            included), a band is empty, or a bin is in no band. The message names the bands or bins.

    Example:
        >>> layout = BandLayout([[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 1]])
        >>> layout
        BandLayout(3 bands × 5 bins, up to 2 bands per bin)
        >>> layout.widths, layout.bands_per_bin.tolist()
        ((2, 3, 2), [1, 2, 1, 2, 1])
    """

    matrix: NDArray[np.bool_]
    """F itself, of shape (bands, bins), read-only."""

    def __init__(self, matrix: ArrayLike) -> None:
        object.__setattr__(self, "matrix", membership_matrix(matrix))

    @property
    def num_bands(self) -> int:
        """How many bands there are, at least 1."""
        return self.matrix.shape[0]

    @property
    def num_bins(self) -> int:
        """How many bins a spectrum has, ``n_fft // 2 + 1``, at least 2."""
        return self.matrix.shape[1]

    @property
    def n_fft(self) -> int:
        """FFT size that gives this many bins, 2 · (bins - 1)."""
        return 2 * (self.num_bins - 1)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """How many bins each band holds."""
        return tuple(int(width) for width in self.matrix.sum(axis=1))

    @cached_property
    def gather_indices(self) -> NDArray[np.intp]:
        """The bins of band 0, then those of band 1, and so on, ascending within a band; of length ``sum(widths)``."""
        return _read_only(np.nonzero(self.matrix)[1])

    @cached_property
    def bands_per_bin(self) -> NDArray[np.intp]:
        """How many bands hold each bin, of shape (bins,), each at least 1."""
        return _read_only(self.matrix.sum(axis=0, dtype=np.intp))

    @cached_property
    def is_partition(self) -> bool:
        """Whether each bin is in exactly one band."""
        return bool((self.bands_per_bin == 1).all())

    def center_frequencies(self, sample_rate: SupportsFloat) -> NDArray[np.float64]:
        """Centre of each band in Hz: the mean frequency of its bins, of shape (bands,).

        Args:
            sample_rate: In Hz, above 0.
        """
        frequencies = bin_frequencies(self.n_fft, positive_hertz("sample_rate", sample_rate))
        return self.matrix @ frequencies / np.array(self.widths)

    def edge_frequencies(self, sample_rate: SupportsFloat) -> NDArray[np.float64]:
        """Lower and upper edge of each band in Hz, of shape (bands, 2).

        A bin reaches half a bin to either side, except that nothing lies below 0 Hz or above the Nyquist frequency;
        a band reaches from its first bin to its last, across its holes if it has any. The bands of a contiguous
        partition therefore meet at their edges.

        Args:
            sample_rate: In Hz, above 0.
        """
        rate = positive_hertz("sample_rate", sample_rate)
        first_bin = self.matrix.argmax(axis=1)
        last_bin = self.num_bins - 1 - self.matrix[:, ::-1].argmax(axis=1)
        edges_in_bins = np.stack((first_bin - 0.5, last_bin + 0.5), axis=1).clip(0, self.num_bins - 1)
        return edges_in_bins * (rate / self.n_fft)

    def gather(self, spectrum: ArrayLike) -> tuple[NDArray[Any], ...]:
        """Take the bins of each band out of a spectrum.

        Args:
            spectrum: Real or complex, of shape (..., bins).

        Returns:
            One new array of shape (..., width) per band, of the spectrum's dtype.

        Raises:
            TypeError: The values are not numbers.
            ValueError: The last axis does not have ``num_bins`` entries.
        """
        values = _numbers("A spectrum", spectrum)
        if values.ndim == 0 or values.shape[-1] != self.num_bins:
            raise ValueError(
                f"A spectrum for {self!r} has shape (..., {self.num_bins}), bins last, but this one has shape "
                f"{values.shape}. Use an STFT with n_fft={self.n_fft}, or move its bins to the last axis."
            )
        return tuple(values[..., bins] for bins in self._bins_of_bands)

    def scatter(self, bands: Sequence[ArrayLike]) -> NDArray[Any]:
        """Put values per band back in place, averaged where bands overlap: the inverse of :meth:`gather`.

        The average is a running mean, so that bands which agree give back their value bit for bit (for finite values).

        Args:
            bands: One array of shape (..., width) per band, with equal leading axes.

        Returns:
            Array of shape (..., bins), of the bands' common dtype (float64 for integers), averaged in float32 or finer.

        Raises:
            TypeError: The values are not numbers.
            ValueError: The number of bands, a width, or the leading axes do not fit.
        """
        values = [_numbers(f"Band {index}", band) for index, band in enumerate(bands)]
        if len(values) != self.num_bands:
            raise ValueError(
                f"{self!r} needs one array per band, {self.num_bands} in all, but {len(values)} were given."
            )
        leading = values[0].shape[:-1]
        for index, (band, width) in enumerate(zip(values, self.widths, strict=True)):
            if band.ndim == 0 or band.shape != (*leading, width):
                raise ValueError(
                    f"Band {index} must have shape {(*leading, width)}, the leading axes of band 0 and then its "
                    f"{width} bins, but it has shape {band.shape}."
                )
        common = np.result_type(*values)
        dtype = common if np.issubdtype(common, np.inexact) else np.dtype(np.float64)
        spectrum = np.zeros((*leading, self.num_bins), np.result_type(dtype, np.float32))
        seen = np.zeros(self.num_bins, np.float32)
        for band, bins in zip(values, self._bins_of_bands, strict=True):
            seen[bins] += 1
            spectrum[..., bins] += (band - spectrum[..., bins]) / seen[bins]
        return spectrum.astype(dtype, copy=False)

    def to_json(self) -> str:
        """The layout as one line of JSON: a format name and version, the bins, and each band's runs of bins."""
        return encode_layout(self.matrix)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote, checking it as the constructor does.

        Raises:
            TypeError: ``text`` is not a string.
            ValueError: It is not JSON, not a band layout, of an unknown version, or an invalid layout.
        """
        return cls(decode_layout(text))

    @cached_property
    def _bins_of_bands(self) -> tuple[NDArray[np.intp], ...]:
        return tuple(np.split(self.gather_indices, np.cumsum(self.widths)[:-1]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BandLayout):
            return NotImplemented
        return np.array_equal(self.matrix, other.matrix)

    def __hash__(self) -> int:
        return hash((self.matrix.shape, self.matrix.tobytes()))

    def __reduce__(self) -> tuple[type[Self], tuple[NDArray[np.bool_]]]:
        return type(self), (self.matrix,)

    def __repr__(self) -> str:
        kind = "partition" if self.is_partition else f"up to {self.bands_per_bin.max()} bands per bin"
        plural = "" if self.num_bands == 1 else "s"
        return f"{type(self).__name__}({self.num_bands} band{plural} × {self.num_bins} bins, {kind})"


def _read_only(array: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.frombuffer(array.tobytes(), dtype=np.intp)


def _numbers(what: str, values: ArrayLike) -> NDArray[Any]:
    array = regular_array(what, values)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{what} must hold real or complex numbers, but it is of dtype {array.dtype}.")
    return array
