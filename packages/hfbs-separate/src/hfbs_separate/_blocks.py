"""From the frames of a decoder, whatever their sizes and sample types, to float32 blocks of one size."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from ._types import Audio

BLOCK_SIZE = 1 << 16  # samples

# numpy's types by the names of FFmpeg's, which have a "p" at their end where each channel has a plane of its own.
_TYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "s64": np.int64, "flt": np.float32, "dbl": np.float64}

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
                target[..., filled : filled + count] = to_float32(samples[..., at : at + count])
            at, filled = at + count, filled + count
            if filled == block_size:
                yield block
                block = None
    if block is not None:
        yield block[:, :filled]


def to_float32(samples: NDArray[np.generic]) -> Audio:
    """Samples with full scale 1, as a new array unless they are float32 already."""
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


def piece_of(frame: AudioFrame) -> Piece:
    """The samples of a frame as they are, channel by channel, without a copy."""
    kind = _TYPES[frame.format.name.removesuffix("p")]
    if frame.format.is_planar:
        return [np.frombuffer(plane, kind, frame.samples) for plane in frame.planes]
    channels = frame.layout.nb_channels
    return np.frombuffer(frame.planes[0], kind, frame.samples * channels).reshape(-1, channels).T
