"""From the frames of a decoder, whatever their sizes and sample types, to float32 blocks of one size."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ._chunks import Audio

BLOCK_SIZE = 1 << 16  # samples


type Piece = NDArray[np.generic] | Sequence[NDArray[np.generic]]


def even_blocks(pieces: Iterable[Piece], block_size: int = BLOCK_SIZE) -> Iterator[Audio]:
    """Join pieces and cut them anew, so that nothing after this depends on how a file is cut into packets.

    Full scale of an integer type becomes 1: exactly, wherever float32 can hold the value. A double beyond float32
    becomes infinite.

    Args:
        pieces: an array of shape (time,) per channel, or one of shape (channel, time), of any length, all with as many
            channels; unsigned 8-bit, signed or floating.
        block_size: samples per block, at least 1.

    Returns:
        float32 blocks of shape (channel, block_size), each a new array, the last one shorter where need be; none where
        no piece holds a sample.
    """
    block: Audio | None = None
    filled = 0
    for piece in pieces:
        at, length = 0, len(piece[0])
        while at < length:
            if block is None:
                block, filled = np.empty((len(piece), block_size), np.float32), 0
            count = min(length - at, block_size - filled)
            parts = [(piece, block)] if isinstance(piece, np.ndarray) else zip(piece, block, strict=True)
            for samples, target in parts:
                target[..., filled : filled + count] = _to_float32(samples[..., at : at + count])
            at, filled = at + count, filled + count
            if filled == block_size:
                yield block
                block = None
    if block is not None:
        yield block[:, :filled]


def _to_float32(samples: NDArray[np.generic]) -> Audio:
    kind = samples.dtype
    if kind == np.float64:
        with np.errstate(over="ignore"):
            return samples.astype(np.float32)
    converted = samples.astype(np.float32, copy=False)
    if kind == np.uint8:
        converted -= np.float32(128)
        converted *= np.float32(2.0**-7)
    elif kind != np.float32:
        converted *= np.float32(2.0 ** (1 - 8 * kind.itemsize))
    return converted
