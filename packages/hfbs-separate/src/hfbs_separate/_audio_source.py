"""Where samples come from: anything that gives them block by block, from the beginning as often as it is asked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ._types import Audio

BLOCK = 1 << 16
"""Samples that are taken through filters at once. Always so many, so that no result depends on how they came."""

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000
"""What a song's rate is at least and at most, in Hz."""


class AudioSource(Protocol):
    """A song that is read block by block."""

    @property
    def sample_rate(self) -> int:
        """Samples a second, from 1,000 to 1,000,000."""
        ...

    @property
    def channels(self) -> int:
        """1 or 2."""
        ...

    @property
    def samples(self) -> int | None:
        """Samples of the whole song as far as is known before it is read; only for telling the progress."""
        ...

    def blocks(self) -> Iterator[Audio]:
        """The song from its beginning: float32, (channel, time), finite, in blocks of any length."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """A song that is in memory.

    Attributes:
        audio: float32, shape (channel, time).
        sample_rate: in Hz.
    """

    audio: Audio
    sample_rate: int

    @property
    def channels(self) -> int:
        """As :attr:`AudioSource.channels`."""
        return self.audio.shape[0]

    @property
    def samples(self) -> int:
        """As :attr:`AudioSource.samples`."""
        return self.audio.shape[1]

    def blocks(self) -> Iterator[Audio]:
        """As :meth:`AudioSource.blocks`."""
        for start in range(0, self.samples, BLOCK):
            yield self.audio[:, start : start + BLOCK]


def in_blocks(blocks: Iterable[Audio]) -> Iterator[Audio]:
    """The same samples in blocks of :data:`BLOCK`, the last one shorter: (..., time)."""
    held: list[Audio] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += block.shape[-1]
        while count >= BLOCK:
            joined = held[0] if len(held) == 1 else np.concatenate(held, axis=-1)
            yield joined[..., :BLOCK]
            held, count = [joined[..., BLOCK:]], count - BLOCK
    if count:
        yield held[0] if len(held) == 1 else np.concatenate(held, axis=-1)
