"""The audio of a page: each track encoded so that every browser decodes it to the same place in time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, Final, Literal

import av
import numpy as np
from av.audio.frame import AudioFrame

from ._encode import CODINGS, encoder_samples, frame_format_of
from ._resample import resampled
from ._types import Audio

type AudioFormat = Literal["mp3", "flac"]

AUDIO_FORMATS: Final = ("mp3", "flac")


@dataclass(frozen=True, slots=True)
class Lead:
    """What an encoded track has before the song, in samples at the encoded rate.

    Attributes:
        click: where there is a single loud sample, in silence.
        song: where the song begins.
    """

    click: int
    song: int


# Not every browser takes an MP3 encoder's delay away (Chromium does, Firefox leaves 576 samples of it). From the click,
# the page finds out where the song begins, and never plays what is before. Silence on both sides keeps it clear of the
# frames of 1152 samples in which MP3 blurs: the decoders' delays are below 1200 samples.
LEADS: Final = {"mp3": Lead(click=2 * 1152, song=4 * 1152), "flac": Lead(click=0, song=0)}

_MP3_RATES = (32000, 44100, 48000)  # of MPEG-1, which every decoder knows
_V0 = {"flags": "+qscale", "global_quality": "0"}
_CLICK = 0.8


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
    stem's silence. FLAC of 24 bits because it is lossless. Opus would be smaller, but has not every rate, and older
    Safari does not decode it. The format's lead comes first.

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
    coding, options = CODINGS[audio_format], _V0 if audio_format == "mp3" else {}
    sample_format = frame_format_of(coding)
    container: Any = av.open(file, "w", format=audio_format)  # the stubs leave types of encoding open
    with container:
        stream = container.add_stream(coding.codec, rate=rate, options=options, layout=layout, format=sample_format)
        place = 0
        at_rate = (block for block in resampled(blocks, sample_rate, rate) if block.shape[1])
        scaled_blocks = (block * np.float32(gain) for block in at_rate)
        for scaled in chain(_lead(LEADS[audio_format], channels), scaled_blocks):
            samples = encoder_samples(coding, scaled, 1.0)
            frame = AudioFrame.from_ndarray(samples, format=sample_format, layout=layout)
            frame.sample_rate, frame.pts = rate, place
            place += scaled.shape[1]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _lead(lead: Lead, channels: int) -> Iterator[Audio]:
    if lead.song:
        samples = np.zeros((channels, lead.song), np.float32)
        samples[:, lead.click] = _CLICK
        yield samples
