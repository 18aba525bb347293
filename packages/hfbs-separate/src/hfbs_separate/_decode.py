"""From a song to float32 samples, block by block."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame

from ._audio_source import HIGHEST_RATE, LOWEST_RATE
from ._blocks import Piece, even_blocks, piece_of
from ._errors import AudioFileError
from ._remote import Place
from ._seek_table import SeekRecorder
from ._source import STANDARD_INPUT, Source, file_source, reason, remote_source, standard_input_source
from ._stated_size import missing_bytes
from ._track import Track, open_track
from ._types import Audio

_FIRST_PACKETS = 100  # among which one must decode, or the header is believed


@dataclass(frozen=True, slots=True)
class SongFile:
    """A song whose header was read.

    Attributes:
        path: the file or its URL, or ``stdin`` for standard input.
        channels: 1 or 2.
        sample_rate: in Hz, from 1 kHz to 1 MHz.
        seconds: the length that the header states, for some formats an estimate; None where there is neither.
    """

    path: Place
    channels: int
    sample_rate: int
    seconds: float | None
    _source: Source = field(repr=False, compare=False)

    def blocks(
        self, warn: Callable[[str], None] | None = None, recorder: SeekRecorder | None = None
    ) -> Iterator[Audio]:
        """Decode from the beginning, in as little memory for hours as for seconds.

        Packets that cannot be decoded are left out, with a warning, as players do. What encoders add before and after
        a song is left out where the file says how much it is.

        Args:
            warn: gets what was odd about the file without making it useless, one sentence at a time, at the end. None:
                nobody is told.
            recorder: takes note of where packets are, for reading any part of the song later on.

        Yields:
            float32, shape (channel, 65536), the last block shorter, finite; integer formats are scaled to [-1, 1).

        Raises:
            AudioFileError: in the course of it, where the file changes its rate or channels, has a NaN or infinite
                sample, cannot be read on, ends before the length that its header states, or holds no sample.
        """
        samples = lost = 0

        def pieces(track: Track) -> Iterator[Piece]:
            nonlocal lost
            for packet, frames in track.frames():
                if frames is None:
                    lost += 1
                if recorder is not None:
                    recorder.add(track.decoder, packet, frames or [])
                for frame in frames or ():
                    self._check_format(frame)
                    yield piece_of(frame)

        with open_track(self._source) as track:
            for block in even_blocks(pieces(track)):
                self._check_finite(block, samples)
                samples += block.shape[1]
                yield block
            shortfall = track.check_length(samples / self.sample_rate)
        if samples == 0:
            raise AudioFileError(f"{self.path}: the audio track holds no sample that can be decoded")
        if warn is not None:
            if lost:
                packets = f"{lost} damaged packet{'s' if lost > 1 else ''}"
                warn(f"{self.path}: {packets} could not be decoded, left out")
            if shortfall is not None:
                warn(shortfall)

    def _check_format(self, frame: AudioFrame) -> None:
        channels, rate = frame.layout.nb_channels, frame.sample_rate
        if (channels, rate) != (self.channels, self.sample_rate):
            raise AudioFileError(
                f"{self.path}: changes in mid-file from {self.channels} channels at {self.sample_rate} Hz to "
                f"{channels} at {rate} Hz: convert it first, as with: "
                f"ffmpeg -i {self._source.hint} -vn -ac 2 -ar 44100 even.wav"
            )

    def _check_finite(self, block: Audio, start: int) -> None:
        finite = np.isfinite(block)
        if not finite.all():
            sample = int(finite.all(axis=0).argmin())
            channel = int(finite[:, sample].argmin())
            raise AudioFileError(
                f"{self.path}: sample {start + sample} of channel {channel + 1} is {block[channel, sample]}; "
                "audio must be finite"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A decoded song.

    Attributes:
        audio: float32, shape (channel, time), finite, at least one sample; integer formats are scaled to [-1, 1).
        sample_rate: in Hz.
        warnings: what was odd about the file without making it useless, one sentence each.
    """

    audio: Audio
    sample_rate: int
    warnings: tuple[str, ...]


def open_song(path: Place) -> SongFile:
    """Read a song's header and decode its first packets.

    Args:
        path: an audio or video file; of several audio tracks, the one that FFmpeg takes by default is read. ``-`` is
            standard input, which this call reads to its end, as it does what is at a URL.

    Raises:
        AudioFileError: the file is missing, is cut short, holds no audio that FFmpeg decodes, has more than two
            channels, or a rate outside 1 kHz to 1 MHz.
    """
    source = _source_of(path)
    _refuse_cut(source)
    with open_track(source) as track:
        channels, rate = track.channels, track.sample_rate
        # Where the two disagree, as in AAC whose header says mono, what is decoded is right.
        for _, frames in islice(track.frames(), _FIRST_PACKETS):
            if frames:
                channels, rate = frames[0].layout.nb_channels, frames[0].sample_rate
                break
        seconds = track.seconds
    if channels == 0 or rate == 0:
        raise AudioFileError(
            f"{source.path}: the audio track does not say its channels or its rate; the file may be damaged"
        )
    if channels > 2:
        raise AudioFileError(
            f"{source.path}: {channels} channels, but mono or stereo is needed: downmix first, "
            f"as with: ffmpeg -i {source.hint} -vn -ac 2 stereo.wav"
        )
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioFileError(
            f"{source.path}: {rate} Hz, but {LOWEST_RATE} to {HIGHEST_RATE} Hz is needed: resample first, "
            f"as with: ffmpeg -i {source.hint} -vn -ar 44100 resampled.wav"
        )
    return SongFile(source.path, channels, rate, seconds, source)


def _source_of(path: Place) -> Source:
    if not isinstance(path, Path):
        return remote_source(path)
    return standard_input_source() if path == STANDARD_INPUT else file_source(path)


def decode(path: Path) -> Recording:
    """Decode a whole song into memory.

    Raises:
        AudioFileError: as :func:`open_song` and :meth:`SongFile.blocks`.
    """
    warnings: list[str] = []
    song = open_song(path)
    audio = np.concatenate(list(song.blocks(warnings.append)), axis=1)
    return Recording(audio, song.sample_rate, tuple(warnings))


def _refuse_cut(source: Source) -> None:
    try:
        with source.open() as file:
            missing = missing_bytes(file, source.size)
    except OSError as error:
        raise AudioFileError(f"{source.path}: {reason(error)}") from error
    if missing is not None:
        held, stated = missing
        raise AudioFileError(
            f"{source.path}: the file is cut short: it holds {held} bytes of the {stated} bytes of audio that the "
            f"header states; {source.copy_first}"
        )
