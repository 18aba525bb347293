"""Change of sample rate, without delay, of a length that can be told beforehand."""

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
    # soxr rounds its output length down or up; silence after the end lets it always reach the length wanted.
    silence = 2 + 2 * -(-source_rate // target_rate)
    channels = np.pad(audio.reshape(-1, time), ((0, 0), (0, silence)))
    outputs = [cast(Audio, soxr.resample(channel, source_rate, target_rate, "VHQ")) for channel in channels]
    return np.stack([output[:wanted] for output in outputs]).reshape(*lead, wanted)
