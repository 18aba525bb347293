"""From any array-like to a checked, immutable band-membership matrix."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import listing, regular_array


def membership_matrix(matrix: ArrayLike) -> NDArray[np.bool_]:
    """Check a band-membership matrix and copy it into memory that nobody can write to.

    Args:
        matrix: Anything that numpy turns into an array of shape (bands, bins): nested sequences, arrays, CPU tensors.
            Booleans, or numbers that are exactly 0 or 1.

    Returns:
        Boolean array of shape (bands, bins) over immutable bytes: its ``writeable`` flag cannot be set.

    Raises:
        TypeError: The values are not Booleans or numbers.
        ValueError: The shape is not (bands >= 1, bins >= 2), a value is neither 0 nor 1, a band is empty, or a bin is
            in no band.
    """
    values = regular_array("A band-membership matrix", matrix)
    _check_shape(values)
    boolean = _as_boolean(values)

    empty_bands = np.flatnonzero(~boolean.any(axis=1))
    if len(empty_bands):
        raise ValueError(
            f"Every band must hold at least one bin, but {listing('band', empty_bands)} of {len(boolean)} "
            f"{'is' if len(empty_bands) == 1 else 'are'} empty. Give every band a bin, or leave the row out."
        )
    uncovered_bins = np.flatnonzero(~boolean.any(axis=0))
    if len(uncovered_bins):
        raise ValueError(
            f"Every bin must be in at least one band, but {listing('bin', uncovered_bins)} of {boolean.shape[1]} "
            f"{'is' if len(uncovered_bins) == 1 else 'are'} in none. Add every bin to a band."
        )
    return np.frombuffer(boolean.tobytes(), dtype=np.bool_).reshape(boolean.shape)


def _check_shape(values: NDArray[np.generic]) -> None:
    if values.ndim != 2:
        raise ValueError(
            f"A band-membership matrix has rank 2, (bands, bins), but this one has rank {values.ndim} and shape "
            f"{values.shape}. Give one row per band and one column per bin."
        )
    num_bands, num_bins = values.shape
    if num_bands < 1 or num_bins < 2:
        raise ValueError(
            "A band-membership matrix has at least 1 band and 2 bins (0 Hz and the Nyquist frequency), but this one "
            f"has shape {values.shape}. Give one row per band and n_fft // 2 + 1 columns."
        )


def _as_boolean(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    if values.dtype.kind not in "biuf":
        raise TypeError(
            "A band-membership matrix holds Booleans, or numbers that are exactly 0 or 1, but this one is of dtype "
            f"{values.dtype}. Compare first, for example `weights > 0`."
        )
    foreign = np.argwhere((values != 0) & (values != 1))
    if len(foreign):
        band, bin_ = (int(index) for index in foreign[0])
        value = values[band, bin_].item()
        raise ValueError(
            f"A band-membership matrix holds Booleans, or numbers that are exactly 0 or 1, but band {band}, bin {bin_} "
            f"is {'NaN' if value != value else value} ({len(foreign)} such values in all). "
            "Compare first, for example `weights > 0`."
        )
    return values.astype(np.bool_)
