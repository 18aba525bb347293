"""Batches of chunks among the devices that estimate them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np

from .._types import Audio
from ._mode import Chunk

type Estimate = Callable[[Audio], Audio]
"""From chunks, (batch, ..., time), to estimates of them, (batch, ..., time); the axes between may differ."""

type Estimated = tuple[list[Chunk], Audio, int | None]
"""A batch, its estimates, and where the next batch starts, None after the last."""

_PER_DEVICE = 2  # batches in work or waiting, so that none waits for the next


def dealt(batches: Iterator[list[Chunk]], estimators: Sequence[Estimate]) -> Iterator[Estimated]:
    """Estimate batches, and give them in their order.

    Args:
        batches: taken no further than keeps all estimators at work.
        estimators: one for each device; several work in threads, each on one batch at a time, and whichever is free
            takes the next. What one raises is raised in the place of its batch.
    """
    if len(estimators) == 1:
        return _one_by_one(batches, estimators[0])
    return _side_by_side(batches, estimators)


def _stacked(batch: list[Chunk]) -> Audio:
    return np.stack([chunk.audio for chunk in batch])


def _one_by_one(batches: Iterator[list[Chunk]], estimate: Estimate) -> Iterator[Estimated]:
    batch = next(batches, None)
    while batch is not None:
        estimates = estimate(_stacked(batch))
        following = next(batches, None)
        yield batch, estimates, None if following is None else following[0].start
        batch = following


def _side_by_side(batches: Iterator[list[Chunk]], estimators: Sequence[Estimate]) -> Iterator[Estimated]:
    free = SimpleQueue[Estimate]()
    for estimator in estimators:
        free.put(estimator)
    coming: deque[tuple[list[Chunk], Future[Audio]]] = deque()

    def work(chunks: Audio) -> Audio:
        estimator = free.get()
        try:
            return estimator(chunks)
        finally:
            free.put(estimator)

    with ThreadPoolExecutor(len(estimators), "device") as pool:

        def deal() -> None:
            while len(coming) < _PER_DEVICE * len(estimators) and (batch := next(batches, None)) is not None:
                coming.append((batch, pool.submit(work, _stacked(batch))))

        try:
            deal()
            while coming:
                batch, future = coming.popleft()
                estimates = future.result()
                deal()
                yield batch, estimates, coming[0][0][0].start if coming else None
        finally:
            for _, future in coming:
                future.cancel()
