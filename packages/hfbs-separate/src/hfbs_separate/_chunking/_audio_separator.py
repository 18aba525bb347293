"""audio-separator's way of chunking, so that stems are those of its path for RoFormer models."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import ClassVar

import numpy as np

from ._mode import Chunk, check_overlap, in_batches
from ._signal import Signal

SHORT_FRAMES = 256
"""Frames of a chunk of a song of less than ten seconds."""


@dataclass(frozen=True, slots=True)
class AudioSeparator:
    """``MDXCSeparator.demix`` of audio-separator 0.47.

    A song whose peak is above 0.9 is turned down to that, and its stems stay so. Nothing is mirrored; the last chunk is
    moved back so that it ends where the song does. Weights are a symmetric Hamming window. A song shorter than a chunk
    loses its samples after the last whole hop: they are silent.

    Attributes:
        chunk_size: samples that the model sees at once; there, ``hop_length · (dim_t − 1)``.
        usual_size: what that is where the memory holds it; chunks of short songs are shortened as others are.
        overlap: how many chunks cover each sample.
        hop_length: distance of the model's frames in samples.
        short: a song of fewer samples gets chunks of :data:`SHORT_FRAMES` frames.
    """

    chunk_size: int
    usual_size: int
    overlap: int
    hop_length: int
    short: int = 0
    peak: ClassVar[float | None] = 0.9

    def __post_init__(self) -> None:
        check_overlap(self.overlap, self.chunk_size)

    def batches(self, song: Signal, batch_size: int) -> Iterator[list[Chunk]]:
        """As :meth:`Mode.batches`; weights are in float32."""
        if self.short and not song.reaches(self.short):
            hops = max((SHORT_FRAMES - 1) * self.chunk_size // self.usual_size, 1)
            return replace(self, chunk_size=self.hop_length * hops, short=0).batches(song, batch_size)
        return in_batches(self._chunks(song), batch_size)

    def _chunks(self, song: Signal) -> Iterator[Chunk]:
        window = np.hamming(self.chunk_size).astype(np.float32)
        step = self.chunk_size // self.overlap
        last = -1
        for start in count(0, step):
            if song.reaches(start + self.chunk_size + 1):
                yield Chunk(start, song.cut(start, start + self.chunk_size), window)
                song.forget(start)
                last = start
                continue
            length = song.length or 0
            tail = max(length - self.chunk_size, 0)
            if length and tail != last:
                kept = min(length, self.chunk_size)
                yield Chunk(tail, song.cut(tail, length), window[: kept - kept % self.hop_length])
            return
