"""Batches of chunks among the devices that estimate them, or among the cores of a processor."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from queue import SimpleQueue
from threading import Barrier

import numpy as np
import torch

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
        estimators: several work in threads, each on one batch at a time and with its part of PyTorch's threads, and
            whichever is free takes the next. What one raises is raised in the place of its batch. The first takes a
            song of one batch by itself.
    """
    first = [] if len(estimators) == 1 else list(islice(batches, 2))
    batches = chain(first, batches)
    return _one_by_one(batches, estimators[0]) if len(first) < 2 else _side_by_side(batches, estimators)


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

    with _pool(len(estimators)) as pool:

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


@contextmanager
def _pool(workers: int) -> Generator[ThreadPoolExecutor]:
    """Threads among which PyTorch's are divided evenly; whoever asks for them keeps its own number."""
    own = torch.get_num_threads()
    all_there = Barrier(workers)  # so that each of them is told

    def begin() -> None:
        torch.get_num_threads()  # by which PyTorch gives a thread its first number, and else later than this
        torch.set_num_threads(max(1, own // workers))
        all_there.wait()

    with ThreadPoolExecutor(workers, "device") as pool:
        try:
            for begun in [pool.submit(begin) for _ in range(workers)]:
                begun.result()
        finally:
            all_there.abort()  # lets those go that wait for one that could not be started
            torch.set_num_threads(own)  # threads begun from now on take over what was set last
        yield pool
