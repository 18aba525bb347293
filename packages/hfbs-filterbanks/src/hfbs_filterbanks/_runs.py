"""Bands as runs of consecutive bins: the compact form behind static tables, builders, JSON, source and pictures."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

type Boundaries = Sequence[int]
"""One band as ``start, stop, start, stop, …``, strictly increasing, each stop excluded."""


def matrix_from_boundaries(bands: Sequence[Boundaries], num_bins: int) -> NDArray[np.bool_]:
    """Boolean matrix of shape (bands, bins) whose row b is true from each start up to its stop."""
    matrix = np.zeros((len(bands), num_bins), dtype=np.bool_)
    for row, boundaries in zip(matrix, bands, strict=True):
        for start, stop in pairs(boundaries):
            row[start:stop] = True
    return matrix


def boundaries_of(row: NDArray[np.bool_]) -> list[int]:
    """The inverse for one band: where its runs start and stop."""
    changes = np.diff(row.astype(np.int8), prepend=0, append=0)
    return [int(index) for index in np.flatnonzero(changes)]


def pairs(boundaries: Boundaries) -> Iterable[tuple[int, int]]:
    """``(start, stop)`` of each run."""
    return zip(boundaries[::2], boundaries[1::2], strict=True)
