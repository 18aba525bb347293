"""The audio of a page: each track encoded so that every browser decodes it to the same place in time."""

from collections.abc import Iterable
from typing import IO, Any, Final, Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from ._resample import resampled
from ._types import Audio

type AudioFormat = Literal["mp3", "flac"]

AUDIO_FORMATS: Final = ("mp3", "flac")
# What the samples may reach. A lossy codec overshoots what it was given: the usual decibel is left for that.
CEILINGS: Final = {"mp3": 10 ** (-1 / 20), "flac": 1 - 2.0**-23}

_MP3_RATES = (32000, 44100, 48000)  # of MPEG-1, which every decoder knows
_V0 = {"flags": "+qscale", "global_quality": "0"}
_FULL_SCALE = 2**23  # of 24 bits


def encoded_rate(sample_rate: int, audio_format: AudioFormat) -> int:
    """The rate in Hz at which a track of this rate is encoded: its own, where the format has it."""
    if audio_format == "flac" or sample_rate in _MP3_RATES:
        return sample_rate
    return 44100 if 44100 % sample_rate == 0 or sample_rate % 44100 == 0 else 48000


def encode(
    blocks: Iterable[Audio], file: IO[bytes], sample_rate: int, channels: int, gain: float, audio_format: AudioFormat
) -> None:
    """Encode a track, times the gain.

    MP3 because no browser lacks it, with variable bit rate of LAME's highest quality (V0), which spends little on a
    stem's silence; its header tells decoders the encoder's delay, which is the same for all tracks. FLAC of 24 bits
    because it is lossless. Opus would be smaller, but has not every rate, and older Safari does not decode it.

    Args:
        blocks: float32, shape (channel, time), times the gain within the format's ceiling.
        file: where to write; it is sought in.
        sample_rate: of the blocks, in Hz.
        channels: 1 or 2.
        gain: multiplies every sample.
        audio_format: ``"mp3"`` or ``"flac"``.
    """
    rate = encoded_rate(sample_rate, audio_format)
    layout = "stereo" if channels == 2 else "mono"
    codec, sample_format, options = ("libmp3lame", "fltp", _V0) if audio_format == "mp3" else ("flac", "s32", {})
    container: Any = av.open(file, "w", format=audio_format)  # the stubs leave types of encoding open
    with container:
        stream = container.add_stream(codec, rate=rate, options=options, layout=layout, format=sample_format)
        place = 0
        for block in resampled(blocks, sample_rate, rate):
            if not block.shape[1]:
                continue
            scaled = block * np.float32(gain)
            samples = np.ascontiguousarray(scaled) if audio_format == "mp3" else _interleaved_24_bits(scaled)
            frame = AudioFrame.from_ndarray(samples, format=sample_format, layout=layout)
            frame.sample_rate, frame.pts = rate, place
            place += block.shape[1]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _interleaved_24_bits(block: Audio) -> NDArray[np.int32]:
    """Shape (1, time · channel); FFmpeg takes 24 bits in the upper part of 32."""
    steps = np.rint(block * np.float64(_FULL_SCALE)).clip(-_FULL_SCALE, _FULL_SCALE - 1)
    return (steps.astype(np.int32) << 8).T.reshape(1, -1)
