"""A song whose samples come block by block, and of which a stretch is held."""

from collections.abc import Iterable

import numpy as np

from .._types import Audio


class Signal:
    """Random access to a song near the place that is being worked on.

    Args:
        blocks: float32, shape (..., time), the same but for ``time``; read as far as what is asked for needs.
    """

    def __init__(self, blocks: Iterable[Audio]) -> None:
        self._coming = iter(blocks)
        self._first = 0  # of the samples held
        self._read = 0
        self._held: list[Audio] = []
        self._ended = False

    @property
    def length(self) -> int | None:
        """Samples of the whole song, or None as long as its end has not been seen."""
        return self._read if self._ended else None

    def reaches(self, count: int) -> bool:
        """Whether the song has at least so many samples. Reads on until that is sure."""
        while self._read < count and not self._ended:
            block = next(self._coming, None)
            if block is None:
                self._ended = True
            elif block.shape[-1]:
                self._held.append(block)
                self._read += block.shape[-1]
        return self._read >= count

    def forget(self, before: int) -> None:
        """Give up the samples before this one, as far as whole blocks lie there."""
        while self._held and self._first + self._held[0].shape[-1] <= before:
            self._first += self._held.pop(0).shape[-1]

    def cut(self, start: int, stop: int) -> Audio:
        """Samples ``start`` to ``stop``, (..., stop - start); outside the song it is mirrored at its ends."""
        inside = self.reaches(stop)
        if start >= 0 and inside:
            return self._inside(start, stop)
        length = self._read if self._ended else max(stop, 1 - start)
        self.reaches(length)
        length = min(length, self._read)
        if length == 1:
            return np.repeat(self._inside(0, 1), stop - start, axis=-1)
        period = 2 * length - 2
        forth = np.arange(start, stop) % period
        places = np.minimum(forth, period - forth)
        lowest = int(places.min())
        return np.take(self._inside(lowest, int(places.max()) + 1), places - lowest, axis=-1)

    def _inside(self, start: int, stop: int) -> Audio:
        if start < self._first:
            raise IndexError(f"sample {start} was given up; the first held is {self._first}")
        pieces: list[Audio] = []
        begin = self._first
        for block in self._held:
            end = begin + block.shape[-1]
            if begin < stop and end > start:
                pieces.append(block[..., max(start - begin, 0) : stop - begin])
            begin = end
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1)
