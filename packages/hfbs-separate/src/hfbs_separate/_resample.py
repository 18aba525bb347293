"""Change of sample rate, without delay, of a length that can be told beforehand."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from ._audio_source import in_blocks
from ._types import Audio


def resampled(blocks: Iterable[Audio], source_rate: int, target_rate: int) -> Iterator[Audio]:
    """Resample with soxr's VHQ filter (linear phase, so nothing moves in time).

    Args:
        blocks: float32, shape (..., time), one after the other. How they are cut changes no bit of the result.
        source_rate: rate of the blocks in Hz.
        target_rate: rate wanted, in Hz. Equal rates give the blocks as they are.

    Returns:
        Blocks of float32, (..., time), ceil(time · target_rate / source_rate) samples in all: long enough that the way
        back, cut to the original length, has a computed value for every sample.
    """
    return iter(blocks) if source_rate == target_rate else _filtered(in_blocks(blocks), source_rate, target_rate)


def _filtered(blocks: Iterator[Audio], source_rate: int, target_rate: int) -> Iterator[Audio]:
    streams: list[soxr.ResampleStream] = []
    lead: tuple[int, ...] = ()
    read = given = 0

    def through_filter(lanes: Audio, *, last: bool = False) -> Audio:
        outputs = [stream.resample_chunk(lane, last) for stream, lane in zip(streams, lanes, strict=True)]
        return np.stack(outputs).reshape(*lead, -1)

    for block in blocks:
        if not streams:
            lead = block.shape[:-1]
            streams = [soxr.ResampleStream(source_rate, target_rate, 1, "float32", "VHQ") for _ in np.ndindex(lead)]
        read += block.shape[-1]
        output = through_filter(np.ascontiguousarray(block.reshape(-1, block.shape[-1])))
        given += output.shape[-1]
        yield output
    if streams:
        # soxr rounds its output length down or up; silence after the end lets it always reach the length wanted.
        silence = np.zeros((len(streams), 2 + 2 * -(-source_rate // target_rate)), np.float32)
        yield through_filter(silence, last=True)[..., : -(-read * target_rate // source_rate) - given]
