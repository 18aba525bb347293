"""Chunks: where they start, how much each of their samples counts, and how they are added up."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._errors import OptionError

type Audio = NDArray[np.float32]
type Progress = Callable[[int, int], None]

_WHOLE = 1 << 24  # float32 holds every multiple of 1/2**24 up to 1, so sums of such weights do not round


def partition_window(chunk_size: int, step: int) -> Audio:
    """Weight of each sample of a chunk where a chunk starts every ``step`` samples.

    A trapezoid that fades over a tenth of the chunk at either end, never down to zero, divided by the sum of what all
    chunks over a sample have. The weights are multiples of 2**-24, so that they sum to 1 without any rounding.

    Returns:
        float32, shape (chunk_size,): ``window[i::step]`` sums to exactly 1 for each i below ``step``.
    """
    rows = -(-chunk_size // step)
    position = np.arange(chunk_size)
    ramp = np.minimum(position + 1, chunk_size - position) / (chunk_size // 10 + 1)
    table = np.zeros(rows * step)
    table[:chunk_size] = np.minimum(ramp, 1.0)
    table = table.reshape(rows, step)
    weights = np.floor(table / table.sum(axis=0) * _WHOLE)
    weights[weights.argmax(axis=0), np.arange(step)] += _WHOLE - weights.sum(axis=0)
    return (weights / _WHOLE).astype(np.float32).ravel()[:chunk_size]


@dataclass(frozen=True, slots=True, eq=False)
class ChunkPlan:
    """The chunks of one song.

    Attributes:
        length: samples of the song, at least 1.
        starts: first sample of each chunk, in order. The first ones lie before the song and the last ones reach beyond
            it, so that the song's ends are covered as often as its middle.
        window: float32, shape (chunk_size,): weight of each sample, the same for every chunk. For each sample of the
            song, the weights of the chunks over it sum to exactly 1.
    """

    length: int
    starts: range
    window: Audio

    @property
    def chunk_size(self) -> int:
        """Samples per chunk."""
        return len(self.window)

    def cut(self, audio: Audio, start: int) -> Audio:
        """The chunk that starts at ``start``: (..., length) → (..., chunk_size). Outside the song it is mirrored."""
        stop = start + self.chunk_size
        if start >= 0 and stop <= self.length:
            return audio[..., start:stop]
        period = 2 * self.length - 2  # at least 2: a song of one sample is one chunk
        forth = np.arange(start, stop) % period
        return np.take(audio, np.minimum(forth, period - forth), axis=-1)

    def add(self, total: Audio, estimate: Audio, start: int) -> None:
        """Add the chunk at ``start``, weighted: ``estimate`` (..., chunk_size) to ``total`` (..., length), in place."""
        first, last = max(start, 0), min(start + self.chunk_size, self.length)
        inside = slice(first - start, last - start)
        total[..., first:last] += estimate[..., inside] * self.window[inside]


def plan_chunks(length: int, chunk_size: int, overlap: int) -> ChunkPlan:
    """Lay chunks over a song.

    A song no longer than one chunk is one chunk, of its own length. A longer one gets a chunk every
    ``chunk_size // overlap`` samples, the grid that the community's tools use.

    Args:
        length: samples of the song, at least 1.
        chunk_size: samples per chunk, at least 1.
        overlap: how many chunks cover each sample of a song longer than one chunk, 1 to ``chunk_size``. Where it does
            not divide ``chunk_size``, some samples are covered once more.
    """
    if overlap < 1 or overlap > chunk_size:
        raise OptionError(
            f"overlap, how many chunks cover each sample, is from 1 to chunk_size ({chunk_size}), got {overlap}"
        )
    if length <= chunk_size:
        return ChunkPlan(length, range(1), np.ones(length, np.float32))
    step = chunk_size // overlap
    return ChunkPlan(length, range(step - chunk_size, length, step), partition_window(chunk_size, step))


def overlap_add(
    audio: Audio, plan: ChunkPlan, estimate: Callable[[Audio], Audio], *, batch_size: int, progress: Progress | None
) -> Audio:
    """Estimate a song chunk by chunk and add the estimates up, in float32 and in the chunks' order.

    Args:
        audio: float32, shape (..., plan.length).
        plan: the song's chunks.
        estimate: from (batch, ..., chunk_size) to (batch, ..., chunk_size); the axes between may differ.
        batch_size: how many chunks ``estimate`` gets at once, at least 1.
        progress: called with (chunks done, chunks in all): once before the first, then after each batch.

    Returns:
        float32, shape (..., plan.length), with the axes between as ``estimate`` has them.
    """
    count = len(plan.starts)
    if progress is not None:
        progress(0, count)
    total: Audio | None = None
    for first in range(0, count, batch_size):
        starts = plan.starts[first : first + batch_size]
        estimates = estimate(np.stack([plan.cut(audio, start) for start in starts]))
        if total is None:
            total = np.zeros((*estimates.shape[1:-1], plan.length), np.float32)
        for start, one in zip(starts, estimates, strict=True):
            plan.add(total, one, start)
        if progress is not None:
            progress(min(first + batch_size, count), count)
    if total is None:
        raise ValueError("a plan without chunks has nothing to add up; plan_chunks() never makes one")
    return total


def samples_per_chunk(seconds: float, sample_rate: int) -> int:
    """Samples in a chunk of so many seconds, at least 1."""
    if not (math.isfinite(seconds) and round(seconds * sample_rate) >= 1):
        raise OptionError(f"chunk_seconds is the length of a chunk: a positive number of seconds, got {seconds}")
    return round(seconds * sample_rate)
