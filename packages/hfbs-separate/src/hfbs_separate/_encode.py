"""From float32 samples to an encoded file, through FFmpeg."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError
from numpy.typing import NDArray

from ._errors import OutputError
from ._options import SampleFormat
from ._types import Audio

_BLOCK = 1 << 16  # samples that are converted at once
# Decoders overshoot what was encoded: measured on music, by up to 0.5 dB, and 2 dB where it had been clipped hard.
_HEADROOM = 10 ** (-1 / 20)


@dataclass(frozen=True, slots=True)
class Floats:
    """Samples as they are."""

    container: str
    codec: str


@dataclass(frozen=True, slots=True)
class Integers:
    """Samples rounded to so many bits, without dither: what came from as many bits goes back to the same."""

    container: str
    codec: str
    bits: Literal[16, 24]


@dataclass(frozen=True, slots=True)
class Lossy:
    """Samples near enough for the ear.

    Attributes:
        bit_rate: in bits a second, per channel.
        frame_format: FFmpeg's name of what the encoder takes.
        rates: in Hz, that the codec has, in ascending order.
    """

    container: str
    codec: str
    bit_rate: int
    frame_format: Literal["flt", "fltp"]
    rates: tuple[int, ...]


type Coding = Floats | Integers | Lossy

_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

# No Vorbis: PyAV's FFmpeg has an experimental encoder of it only.
CODINGS: Final[Mapping[SampleFormat, Coding]] = {
    "float": Floats("wav", "pcm_f32le"),
    "24": Integers("wav", "pcm_s24le", 24),
    "16": Integers("wav", "pcm_s16le", 16),
    "flac": Integers("flac", "flac", 24),
    "flac16": Integers("flac", "flac", 16),
    "mp3": Lossy("mp3", "libmp3lame", 160_000, "fltp", _MPEG_RATES),
    "opus": Lossy("opus", "libopus", 128_000, "flt", (48000,)),  # what it decodes to, whatever it was given
    "m4a": Lossy("ipod", "aac", 128_000, "fltp", (*_MPEG_RATES, 64000, 88200, 96000)),
}


def check_encoder(coding: Coding) -> None:
    """Raise OutputError where the FFmpeg inside PyAV cannot encode this; PyAV's own wheels can encode all."""
    try:
        av.Codec(coding.codec, "w")
    except UnknownCodecError as error:
        raise OutputError(
            f"PyAV has no encoder {coding.codec} here: choose another format, or install PyAV from its wheel"
        ) from error


def encoded_rate(coding: Coding, sample_rate: int) -> int:
    """Rate of a file: the audio's where the coding has it, else the coding's next higher, else its highest."""
    if not isinstance(coding, Lossy):
        return sample_rate
    return next((rate for rate in coding.rates if rate >= sample_rate), coding.rates[-1])


def full_scale_gain(coding: Coding, lowest: float, highest: float) -> float:
    """The largest factor, at most 1, that brings samples between these two into what the coding holds unclipped.

    That is anything for floats, -1 to 1 less a step for integers, and 1 dB below full scale for lossy codings.
    """
    match coding:
        case Floats():
            return 1.0
        case Integers(bits=bits):
            return 1.0 / max(1.0, -lowest, highest / (1.0 - 2.0 ** (1 - bits)))
        case Lossy():
            return 1.0 / max(1.0, -lowest / _HEADROOM, highest / _HEADROOM)


class Encoder:
    """One file while it is written. A WAV file that grows beyond the 4 GB that its header can state becomes RF64."""

    def __init__(self, path: Path, coding: Coding, sample_rate: int, channels: int, gain: float = 1.0) -> None:
        """Write the header, over what the file holds.

        Args:
            path: of the file, whatever it is called.
            coding: how to encode.
            sample_rate: in Hz; one that the coding has.
            channels: 1 or 2.
            gain: every sample is multiplied by it.

        Raises:
            OSError: the file cannot be written, here and in each method; the reason is the system's.
        """
        self._coding = coding
        self._rate = sample_rate
        self._layout = "stereo" if channels == 2 else "mono"
        self._gain = gain
        self._position = 0
        # By its own choice, FFmpeg before 9 states an MP4's length in milliseconds.
        special = {"wav": {"rf64": "auto"}, "ipod": {"movie_timescale": str(sample_rate)}}.get(coding.container, {})
        muxing = {"fflags": "+bitexact", **special}
        options = {"b": str(coding.bit_rate * channels)} if isinstance(coding, Lossy) else {}
        # By its path, as a Ctrl-C that came while FFmpeg called a Python file's methods would be lost; with "file:", as
        # no name is taken for another protocol then.
        # The stubs leave types of encoding open.
        self._container: Any = av.open(
            f"file:{path.absolute()}", "w", format=coding.container, container_options=muxing
        )
        self._stream: Any = self._container.add_stream(
            coding.codec, rate=sample_rate, options=options, layout=self._layout, format=frame_format_of(coding)
        )
        self._container.start_encoding()

    def write(self, block: Audio) -> None:
        """Append samples: float32, shape (channel, time)."""
        for first in range(0, block.shape[1], _BLOCK):
            piece = block[:, first : first + _BLOCK]
            samples = encoder_samples(self._coding, piece, self._gain)
            frame = AudioFrame.from_ndarray(samples, format=frame_format_of(self._coding), layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._position, Fraction(1, self._rate)
            self._position += piece.shape[1]
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is still held back, and complete the header."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Let the file go as it is. Never raises; does nothing after :meth:`close`."""
        with suppress(FFmpegError):
            self._container.close()


def frame_format_of(coding: Coding) -> str:
    """FFmpeg's name of the samples that the coding's encoder takes."""
    match coding:
        case Floats():
            return "flt"
        case Integers(bits=bits):
            return "s16" if bits == 16 else "s32"
        case Lossy(frame_format=frame_format):
            return frame_format


def encoder_samples(
    coding: Coding, block: Audio, gain: float
) -> NDArray[np.float32] | NDArray[np.int16] | NDArray[np.int32]:
    """What the coding's encoder takes: shape (1, time · channel), or (channel, time) where it is planar."""
    match coding:
        case Integers(bits=bits):
            # By a whole power of two, so that a stem that came from integers goes back to the same ones.
            scale = 2.0 ** (bits - 1)
            steps = np.clip(np.rint(block.T.astype(np.float64) * (gain * scale)), -scale, scale - 1).reshape(1, -1)
            return steps.astype(np.int16) if bits == 16 else steps.astype(np.int32) << 8
        case Lossy(frame_format="fltp"):
            return np.ascontiguousarray(block) * np.float32(gain)
        case _:
            return block.T.reshape(1, -1) * np.float32(gain)
