"""What a way of chunking says: chunks, and how much each of their samples counts."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from .._errors import OptionError
from .._types import Audio
from ._signal import Signal


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A stretch that the model sees.

    Attributes:
        start: place of its first sample in the song; may be negative.
        audio: float32, shape (..., time).
        weights: shape (kept,), in the precision in which estimates are added up: how much each of the estimate's first
            samples counts; those after them do not count.
    """

    start: int
    audio: Audio
    weights: NDArray[np.floating]


class Mode(Protocol):
    """A way of chunking, with its settings."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    peak: ClassVar[float | None]
    """The level to which a louder song is turned down before the model sees it; None where it is left alone."""

    @property
    def chunk_size(self) -> int:
        """Samples that the model sees at once."""
        ...

    @property
    def overlap(self) -> int:
        """How many chunks cover each sample of a song longer than one chunk."""
        ...

    @property
    def hop_length(self) -> int:
        """Distance of the model's frames in samples."""
        ...

    def batches(self, song: Signal, batch_size: int) -> Iterator[list[Chunk]]:
        """The chunks, in batches of equally long ones, in the order in which estimates are added up.

        No chunk starts before the first one of an earlier batch.
        """
        ...


def in_batches(chunks: Iterator[Chunk], batch_size: int) -> Iterator[list[Chunk]]:
    """Chunks of one length, ``batch_size`` at once."""
    batch: list[Chunk] = []
    for chunk in chunks:
        batch.append(chunk)
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def halved[M: Mode](mode: M) -> M | None:
    """The same with chunks half as long, of whole hops; None where they are too short for that."""
    smaller = mode.chunk_size // (2 * mode.hop_length) * mode.hop_length
    return replace(mode, chunk_size=smaller) if smaller >= mode.overlap else None


def check_overlap(overlap: int, chunk_size: int) -> None:
    """Raise OptionError where chunks of this size cannot cover each sample so often."""
    if overlap < 1 or overlap > chunk_size:
        raise OptionError(
            f"overlap, how many chunks cover each sample, is from 1 to chunk_size ({chunk_size}), got {overlap}"
        )
