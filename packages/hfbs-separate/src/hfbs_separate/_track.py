"""The audio track of a song, frame by frame as FFmpeg decodes it."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.stream import Discard

from ._errors import AudioFileError
from ._remote import named
from ._source import MeasuredFile, Source, reason
from ._types import AudioPacket

_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
# Containers whose header states the length to the sample. Elsewhere FFmpeg's duration may be an estimate.
_STATES_LENGTH = frozenset({"wav", "w64", "flac", "aiff", "au", "caf", "wv", "tta", _MP4})
_SHORT_BY_SECONDS = 0.1
# Files that begin with no mark of what they are: FFmpeg guesses from their first frames, and of a short one it guesses
# wrong. Then their names count.
_WITHOUT_MAGIC = {".mp3": "mp3", ".mp2": "mp3", ".aac": "aac", ".ac3": "ac3", ".eac3": "eac3"}

# More than any encoder puts in: the largest are frames of Monkey's Audio, 1.2 million samples.
_PACKET_BYTES = 1 << 24
_MAX_SAMPLES = {"max_samples": str(1 << 21)}


class Track:
    """The audio track of an open song: of several, the one that FFmpeg takes by default.

    Attributes:
        seconds: the length that the header states or that FFmpeg estimates; None where there is neither.
    """

    def __init__(self, source: Source, file: MeasuredFile, container: InputContainer) -> None:
        """Raises AudioFileError where the file has no audio track, or FFmpeg no decoder for it."""
        self._source, self._file, self._container = source, file, container
        stream = container.streams.best("audio")
        if stream is None:
            raise AudioFileError(f"{source.path}: the file has no audio track")
        decoder = cast(AudioCodecContext | None, stream.codec_context)
        if decoder is None:
            raise AudioFileError(f"{source.path}: FFmpeg has no decoder for the audio track")
        if container.format.name == _MP4:
            for other in container.streams:
                if other is not stream:
                    other.discard = Discard.all  # a film's pictures are then not even read from disk
        decoder.thread_count = 1
        decoder.options = dict(_MAX_SAMPLES)
        with _explained(f"{source.path}: FFmpeg cannot decode the audio track ({decoder.name})", file):
            decoder.open()
        self._stream, self._decoder = cast(AudioStream, stream), decoder
        self._begins = 0
        self.seconds = self._seconds()

    @property
    def channels(self) -> int:
        """As the header has it; 0 where it does not say."""
        return self._decoder.channels

    @property
    def sample_rate(self) -> int:
        """As the header has it, in Hz; 0 where it does not say."""
        return self._decoder.sample_rate

    @property
    def decoder(self) -> str:
        """FFmpeg's name of the decoder, such as ``pcm_s16le`` or ``mp3float``."""
        return self._decoder.name

    def packets(self) -> Iterator[AudioPacket]:
        """The packets of the track from where the file is, and at its end an empty one that empties the decoder."""
        # All tracks, so that each packet of a film is a step forward in a file whose audio ends early.
        packets = self._container.demux()
        while True:
            with _explained(f"{self._source.path}: FFmpeg stopped reading in mid-file", self._file):
                packet = next(packets, None)
            if packet is None:
                return
            if packet.stream is not self._stream:
                continue
            if packet.size > _PACKET_BYTES:
                raise AudioFileError(
                    f"{self._source.path}: a packet of {packet.size >> 20} MB, more than any encoder makes; "
                    "the file may be damaged"
                )
            self._begins = self._begins or packet.pos or 0
            yield packet

    def frames(self) -> Iterator[tuple[AudioPacket, list[AudioFrame] | None]]:
        """Each packet with its frames; with None where it cannot be decoded."""
        for packet in self.packets():
            yield packet, decoded(packet)

    def seek(self, seconds: float) -> None:
        """Go on somewhere near this time, most often before it, with an empty decoder.

        Raises:
            AudioFileError: the file cannot be sought in.
        """
        if not self._stream.time_base:
            raise AudioFileError(f"{self._source.path}: the audio track has no times to seek")
        with _explained(f"{self._source.path}: FFmpeg cannot seek in this file", self._file):
            place = (self._stream.start_time or 0) + int(max(0.0, seconds) / self._stream.time_base)
            self._container.seek(place, stream=self._stream)

    def check_length(self, seconds: float) -> str | None:
        """Compare what was decoded to the end with what the header states; what is odd about it, or None.

        Raises:
            AudioFileError: the header states the length to the sample, and the end is missing.
        """
        if self.seconds is None or seconds >= self.seconds - _SHORT_BY_SECONDS:
            return None
        found = f"{seconds:.1f} s could be decoded of the {self.seconds:.1f} s that the header states"
        if self._container.format.name in _STATES_LENGTH:
            raise AudioFileError(f"{self._source.path}: the file is cut short: {found}; {self._source.copy_first}")
        if seconds >= 0.99 * self.seconds - 1 or self._is_estimate(self.seconds):
            return None
        return f"{self._source.path}: {found}; the file may be cut short, and the stems hold what is there"

    def _seconds(self) -> float | None:
        if self._stream.duration is not None and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return None if self._container.duration is None else self._container.duration / av.time_base

    def _is_estimate(self, seconds: float) -> bool:
        """Whether the length is that of another track, or what the file's size gives at the bit rate of its start."""
        if self._stream.duration is None:
            return len(self._container.streams) > 1
        by_size = 8 * (self._source.size - self._begins) / (self._decoder.bit_rate or 1)
        return abs(by_size - seconds) < 1e-3 * seconds


def decoded(packet: AudioPacket) -> list[AudioFrame] | None:
    """What the decoder gives for one more packet; None where it cannot be decoded."""
    try:
        return cast(list[AudioFrame], packet.decode())
    except FFmpegError:
        return None


@contextmanager
def open_track(source: Source) -> Generator[Track]:
    """Open a song.

    Raises:
        AudioFileError: it is no audio, or none that FFmpeg can decode.
    """
    try:
        opened = source.open()
    except OSError as error:
        raise AudioFileError(f"{source.path}: {reason(error)}") from error
    with opened as bytes_of_song:
        file = MeasuredFile(bytes_of_song)
        with _explained(f"{source.path}: FFmpeg cannot read this file", file):
            container = _opened(file, named(source.path).suffix.lower())
        with container:
            yield Track(source, file, container)


def _opened(file: MeasuredFile, suffix: str) -> InputContainer:
    try:
        return _opened_as(file, None)
    except InvalidDataError:
        if suffix not in _WITHOUT_MAGIC:
            raise
        file.seek(0)
        return _opened_as(file, _WITHOUT_MAGIC[suffix])


def _opened_as(file: MeasuredFile, container: str | None) -> InputContainer:
    # FFmpeg gets bytes, not a name: a playlist can open no other file, and a name such as "a:b" is no protocol.
    return av.open(file, "r", format=container, options=_MAX_SAMPLES, container_options={"protocol_whitelist": ""})


@contextmanager
def _explained(start: str, file: MeasuredFile) -> Generator[None]:
    """Turn a failure of FFmpeg or of the disk into an error whose line begins so."""
    try:
        try:
            yield
        finally:
            file.check()  # what stopped FFmpeg, before what FFmpeg makes of it
    except (FFmpegError, OSError) as error:
        raise AudioFileError(f"{start}: {reason(error)}") from error
