"""MSST's way of chunking, its quirks included, so that stems are those of its ``demix``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from .._types import Audio
from ._mode import Chunk, check_overlap
from ._signal import Signal


@dataclass(frozen=True, slots=True)
class Msst:
    """``demix`` of Music-Source-Separation-Training, for models that give as many samples as they get.

    A song of more than twice the border is mirrored by the border at both ends; what is missing from the last chunks is
    mirrored where more than half is there, else silence. All chunks of a batch share their weights: the first batch
    does not fade in if it is of one chunk, and the last one, if it is another, does not fade out. So stems depend on
    the batch size, and single samples are silent: with one chunk over each sample, those at the chunks' edges.

    Attributes:
        chunk_size: samples that the model sees at once.
        overlap: how many chunks cover each sample.
        hop_length: distance of the model's frames in samples; only for halving chunks.
    """

    chunk_size: int
    overlap: int
    hop_length: int
    peak: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check_overlap(self.overlap, self.chunk_size)

    def batches(self, song: Signal, batch_size: int) -> Iterator[list[Chunk]]:
        """As :meth:`Mode.batches`; weights are in float32, as MSST has them."""
        step = self.chunk_size // self.overlap
        border = self.chunk_size - step
        if not song.reaches(2 * border + 1):
            border = 0

        def goes_on(place: int) -> bool:
            """Whether the song, with its borders, is longer than this."""
            return song.reaches(max(place - 2 * border, 0) + 1)

        place = 0  # in the song with its borders
        pieces: list[tuple[int, Audio, int]] = []
        while goes_on(place):
            start = place - border
            stop = start + self.chunk_size
            if not song.reaches(stop - border) and song.length is not None:
                stop = min(stop, song.length + border)
            piece = song.cut(start, stop)
            pieces.append((start, self._filled(piece), stop - start))
            song.forget(start - 2 * self.chunk_size)  # the last ones may see the song's end mirrored
            place += step
            if len(pieces) == batch_size or not goes_on(place):
                weights = self._weights(first=place == step, last=not goes_on(place))
                yield [Chunk(start, audio, weights[:kept]) for start, audio, kept in pieces]
                pieces = []

    def _filled(self, piece: Audio) -> Audio:
        missing = self.chunk_size - piece.shape[-1]
        if missing == 0:
            return piece
        edges = [(0, 0)] * (piece.ndim - 1) + [(0, missing)]
        return np.pad(piece, edges, mode="reflect" if piece.shape[-1] > self.chunk_size // 2 else "constant")

    def _weights(self, *, first: bool, last: bool) -> Audio:
        fade = self.chunk_size // 10
        weights = np.ones(self.chunk_size, np.float32)
        if not first:
            weights[:fade] = torch.linspace(0, 1, fade).numpy()
        if first or not last:
            weights[self.chunk_size - fade :] = torch.linspace(1, 0, fade).numpy()
        return weights
