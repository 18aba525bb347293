"""Estimates of chunks, added up to stems while the song is still being read."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .._types import Audio
from ._dealing import Estimate, dealt
from ._mode import Chunk, Mode
from ._signal import Signal


def separated(song: Signal, mode: Mode, estimators: Sequence[Estimate], batch_size: int) -> Iterator[Audio]:
    """Estimate a song chunk by chunk, and give what no later chunk can change.

    Args:
        song: (..., time).
        mode: where chunks lie, and how much their samples count.
        estimators: the model, for each of the devices, or of the parts of a processor, that share the work.
        batch_size: how many chunks it gets at once, at least 1.

    Returns:
        Stretches of the estimate, one after the other and as long as the song in all: float32, (..., time), with the
        axes before time as an estimator has them.
    """
    sums = _Sums()
    for batch, estimates, following in dealt(mode.batches(song, batch_size), estimators):
        for chunk, one in zip(batch, estimates, strict=True):
            sums.add(chunk, one)
        stretch = sums.take(min(end for end in (song.length, following) if end is not None))
        if stretch.shape[-1]:
            yield stretch


class _Sums:
    """Weighted estimates and weights of the samples that later chunks may still change."""

    def __init__(self) -> None:
        self._first = 0
        self._total: NDArray[np.floating] | None = None
        self._weight: NDArray[np.floating] = np.zeros(0)

    def add(self, chunk: Chunk, estimate: Audio) -> None:
        kept = len(chunk.weights)
        begin, end = max(chunk.start, 0), chunk.start + kept
        if self._total is None:
            self._total = np.zeros((*estimate.shape[:-1], 0), chunk.weights.dtype)
            self._weight = np.zeros(0, chunk.weights.dtype)
        longer = end - self._first - len(self._weight)
        if longer > 0:
            self._total = np.pad(self._total, [(0, 0)] * (self._total.ndim - 1) + [(0, longer)])
            self._weight = np.pad(self._weight, (0, longer))
        inside = slice(begin - chunk.start, kept)
        place = slice(begin - self._first, end - self._first)
        self._total[..., place] += estimate[..., inside] * chunk.weights[inside]
        self._weight[place] += chunk.weights[inside]

    def take(self, end: int) -> Audio:
        """The mean of what was added, up to this sample of the song. What has no weight is silent."""
        if self._total is None:
            raise ValueError("nothing was added")
        count = max(end - self._first, 0)
        missing = count - len(self._weight)
        if missing > 0:
            self._total = np.pad(self._total, [(0, 0)] * (self._total.ndim - 1) + [(0, missing)])
            self._weight = np.pad(self._weight, (0, missing))
        mean = self._total[..., :count] / np.maximum(self._weight[:count], 1e-10)
        self._total, self._weight = self._total[..., count:].copy(), self._weight[count:].copy()
        self._first += count
        return mean.astype(np.float32)
