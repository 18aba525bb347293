"""Change of sample rate, without delay, of a length that can be told beforehand."""

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import soxr

from ._chunks import Audio


def resample(audio: Audio, source_rate: int, target_rate: int) -> Audio:
    """Resample with soxr's VHQ filter (linear phase, so nothing moves in time).

    Args:
        audio: float32, shape (..., time).
        source_rate: rate of ``audio`` in Hz.
        target_rate: rate wanted, in Hz. Equal rates give ``audio`` itself.

    Returns:
        float32, shape (..., ceil(time · target_rate / source_rate)): long enough that the way back, cut to the
        original length, has a computed value for every sample.
    """
    if source_rate == target_rate:
        return audio
    *lead, time = audio.shape
    wanted = -(-time * target_rate // source_rate)
    channels = np.pad(audio.reshape(-1, time), ((0, 0), (0, _silence(source_rate, target_rate))))
    outputs = [cast(Audio, soxr.resample(channel, source_rate, target_rate, "VHQ")) for channel in channels]
    return np.stack([output[:wanted] for output in outputs]).reshape(*lead, wanted)


def resampled(blocks: Iterable[Audio], source_rate: int, target_rate: int) -> Iterator[Audio]:
    """Resample block by block, to the samples that :func:`resample` gives for the whole.

    Args:
        blocks: float32, shape (channel, time) with any times.
        source_rate: rate of ``blocks`` in Hz.
        target_rate: rate wanted, in Hz. Equal rates give ``blocks`` themselves.
    """
    if source_rate == target_rate:
        yield from blocks
        return
    stream: soxr.ResampleStream | None = None
    channels = taken = given = 0
    for block in blocks:
        if stream is None:
            channels = len(block)
            stream = soxr.ResampleStream(source_rate, target_rate, channels, dtype="float32", quality="VHQ")
        output = cast(Audio, stream.resample_chunk(np.ascontiguousarray(block.T))).T
        taken, given = taken + block.shape[1], given + output.shape[1]
        yield output
    if stream is not None:
        silence = np.zeros((_silence(source_rate, target_rate), channels), np.float32)
        rest = cast(Audio, stream.resample_chunk(silence, last=True)).T
        yield rest[:, : -(-taken * target_rate // source_rate) - given]


def _silence(source_rate: int, target_rate: int) -> int:
    """Samples of silence after the end, by which soxr, which rounds lengths, always reaches the length wanted."""
    return 2 + 2 * -(-source_rate // target_rate)
