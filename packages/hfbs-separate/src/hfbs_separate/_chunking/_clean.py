"""The default way of chunking: every chunk sees real neighbours, and weights sum to exactly 1."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .._errors import OptionError
from ._mode import Chunk, check_overlap, in_batches
from ._signal import Signal

_WHOLE = 1 << 24  # sums of a few multiples of 1/2**24 do not round


def fade(chunk_size: int) -> int:
    """Samples at either end of a chunk over which its weight rises and falls: a tenth of it."""
    return chunk_size // 10


def partition_window(chunk_size: int, step: int) -> NDArray[np.float64]:
    """Weight of each sample of a chunk where a chunk starts every ``step`` samples.

    A trapezoid that fades at either end, never down to zero, divided by the sum of what all chunks over a sample have.
    The weights are multiples of 2**-24, so that they sum to 1 without any rounding.

    Returns:
        Shape (chunk_size,): ``window[i::step]`` sums to exactly 1 for each i below ``step``.
    """
    rows = -(-chunk_size // step)
    position = np.arange(chunk_size)
    ramp = np.minimum(position + 1, chunk_size - position) / (fade(chunk_size) + 1)
    table = np.zeros(rows * step)
    table[:chunk_size] = np.minimum(ramp, 1.0)
    table = table.reshape(rows, step)
    weights = np.floor(table / table.sum(axis=0) * _WHOLE)
    weights[weights.argmax(axis=0), np.arange(step)] += _WHOLE - weights.sum(axis=0)
    return (weights / _WHOLE).ravel()[:chunk_size]


@dataclass(frozen=True, slots=True)
class Clean:
    """A chunk every ``step`` samples, from before the song's start to beyond its end, where it is mirrored.

    So the ends are covered as often as the middle. A song no longer than one chunk is one chunk, of its own length.

    Attributes:
        chunk_size: samples that the model sees at once.
        overlap: how many chunks cover each sample. Where steps do not divide the chunk, some are covered once more.
            With one, chunks still fade into each other, so that no seam is heard where they disagree: it takes a ninth
            longer than chunks side by side would.
        hop_length: distance of the model's frames in samples. Chunks start at multiples of it, so that all of them
            have their frames in the same places; steps are shortened for that, unless they are shorter than a hop.
        shifts: passes over the song, averaged, each with its chunks 1/shifts of a step later than the one before.
    """

    chunk_size: int
    overlap: int
    hop_length: int
    shifts: int = 1
    peak: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check_overlap(self.overlap, self.chunk_size)
        if not 1 <= self.shifts <= self.step:
            raise OptionError(
                f"shifts is a number of passes, from 1 to a step's samples ({self.step}), got {self.shifts}"
            )

    @property
    def step(self) -> int:
        """Samples from the start of one chunk to that of the next in the same pass."""
        step = min(self.chunk_size // self.overlap, self.chunk_size - fade(self.chunk_size))
        return step - step % self.hop_length or step

    def batches(self, song: Signal, batch_size: int) -> Iterator[list[Chunk]]:
        """As :meth:`Mode.batches`; weights are in float64."""
        if not song.reaches(self.chunk_size + 1):
            length = song.length or 0
            return iter([[Chunk(0, song.cut(0, length), np.ones(length))]] if length else [])
        return in_batches(self._chunks(song), batch_size)

    def _chunks(self, song: Signal) -> Iterator[Chunk]:
        window = partition_window(self.chunk_size, self.step) / self.shifts
        for index in count(self.chunk_size // -self.step * self.shifts):
            turn, shift = divmod(index, self.shifts)
            start = turn * self.step + shift * self.step // self.shifts
            if start <= -self.chunk_size:
                continue
            if not song.reaches(max(start, 0) + 1):
                return
            yield Chunk(start, song.cut(start, start + self.chunk_size), window)
            song.forget(start - self.chunk_size)
