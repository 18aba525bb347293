"""From an audio or video file to float32 samples, through FFmpeg."""

import os
import stat
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from numpy.typing import NDArray

from ._errors import AudioFileError
from ._types import Audio

# Containers whose header states the length to the sample. Elsewhere FFmpeg's duration may be an estimate.
_STATES_LENGTH = frozenset({"wav", "flac", "aiff", "au", "caf", "wv", "mov,mp4,m4a,3gp,3g2,mj2"})
_SHORT_BY_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class SongInfo:
    """What a song's header says.

    Attributes:
        channels: 1 or 2.
        sample_rate: in Hz.
        seconds: length, or None where the header does not state it.
    """

    channels: int
    sample_rate: int
    seconds: float | None


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


def probe(path: Path) -> SongInfo:
    """Read a song's header.

    Raises:
        AudioFileError: the file is missing, is no audio, or has more than two channels.
    """
    with _opened(path) as (_, stream):
        return _info(path, stream)


def decode(path: Path) -> Recording:
    """Decode the audio of a file: of several audio tracks, the one that FFmpeg takes by default.

    Packets that cannot be decoded are left out, with a warning, as players do.

    Raises:
        AudioFileError: as :func:`probe`; or the file ends before the length that its header states, holds no sample,
            changes its rate or channels on the way, or has a NaN or infinite sample.
    """
    with _opened(path) as (container, stream):
        info = _info(path, stream)
        blocks: list[Audio] = []
        lost = 0
        for frames in _packets(path, container, stream):
            if frames is None:
                lost += 1
            else:
                blocks.extend(_checked_block(path, frame, info) for frame in frames)
        audio = np.concatenate([np.empty((info.channels, 0), np.float32), *blocks], axis=1)
        warnings = _shortfall(path, container, info, audio.shape[1])
    if audio.shape[1] == 0:
        raise AudioFileError(f"{path}: the audio track holds no sample that can be decoded")
    finite = np.isfinite(audio)
    if not finite.all():
        channel, sample = (int(index[0]) for index in np.nonzero(~finite))
        raise AudioFileError(
            f"{path}: sample {sample} of channel {channel + 1} is {audio[channel, sample]}; audio must be finite"
        )
    if lost:
        warnings = (f"{path}: {lost} damaged packet{'s' if lost > 1 else ''} could not be decoded, left out", *warnings)
    return Recording(audio, info.sample_rate, warnings)


@contextmanager
def _opened(path: Path) -> Generator[tuple[InputContainer, AudioStream]]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise AudioFileError(f"{path}: a folder or a device, not a file; name the song itself")
        if status.st_size == 0:
            raise AudioFileError(f"{path}: the file is empty (0 bytes)")
        _refuse_cut_wav(path)
    except OSError as error:
        raise AudioFileError(f"{path}: {_reason(error)}") from error
    try:
        # An absolute path cannot be taken for a protocol ("a:b.wav"), and a playlist cannot reach the network.
        container = av.open(str(path.absolute()), options={"protocol_whitelist": "file"})
    except (FFmpegError, OSError) as error:
        raise AudioFileError(f"{path}: FFmpeg cannot read this file: {_reason(error)}") from error
    with container:
        stream = container.streams.best("audio")
        if stream is None:
            raise AudioFileError(f"{path}: the file has no audio track")
        yield container, cast(AudioStream, stream)


def _reason(error: OSError | FFmpegError) -> str:
    return (error.strerror or str(error)).lower()


def _info(path: Path, stream: AudioStream) -> SongInfo:
    channels, rate = stream.codec_context.channels, stream.codec_context.sample_rate
    if channels == 0 or rate == 0:
        raise AudioFileError(f"{path}: the audio track does not say its channels or its rate; the file may be damaged")
    if channels > 2:
        raise AudioFileError(
            f"{path}: {channels} channels, but mono or stereo is needed: downmix first, "
            f"as with: ffmpeg -i {path.name} -vn -ac 2 stereo.wav"
        )
    seconds = None if stream.duration is None else float(stream.duration * stream.time_base)
    return SongInfo(channels, rate, seconds)


def _packets(path: Path, container: InputContainer, stream: AudioStream) -> Iterator[list[AudioFrame] | None]:
    """The frames of each packet; None for a packet that cannot be decoded."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (FFmpegError, OSError) as error:
            raise AudioFileError(f"{path}: FFmpeg stopped reading in mid-file: {_reason(error)}") from error
        if packet is None:
            return
        try:
            yield packet.decode()
        except InvalidDataError:
            yield None


def _checked_block(path: Path, frame: AudioFrame, info: SongInfo) -> Audio:
    channels = len(frame.layout.channels)
    if (channels, frame.sample_rate) != (info.channels, info.sample_rate):
        raise AudioFileError(
            f"{path}: changes in mid-file from {info.channels} channels at {info.sample_rate} Hz to {channels} "
            f"at {frame.sample_rate} Hz: convert it first, as with: ffmpeg -i {path.name} -vn -ac 2 -ar 44100 even.wav"
        )
    samples = cast(NDArray[np.generic], frame.to_ndarray())
    if not frame.format.is_planar:
        samples = samples.reshape(-1, channels).T
    return _to_float32(samples)


def _to_float32(samples: NDArray[np.generic]) -> Audio:
    """Full scale of an integer type becomes 1; exact wherever float32 can hold the value."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - np.float32(128)) / np.float32(128)
    if np.issubdtype(samples.dtype, np.signedinteger):
        return samples.astype(np.float32) * np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, which decode() reports
        return samples.astype(np.float32)


def _shortfall(path: Path, container: InputContainer, info: SongInfo, samples: int) -> tuple[str, ...]:
    """Compare what was decoded with what the header states: an error, a warning, or nothing."""
    got = samples / info.sample_rate
    if info.seconds is None or got >= info.seconds - _SHORT_BY_SECONDS:
        return ()
    found = f"{got:.1f} s could be decoded of the {info.seconds:.1f} s that the header states"
    if container.format.name in _STATES_LENGTH:
        raise AudioFileError(
            f"{path}: the file is cut short: {found}; to separate what is there, copy it first, "
            f"as with: ffmpeg -i {path.name} -vn rest.wav"
        )
    if got >= 0.99 * info.seconds - 1:
        return ()
    return (f"{path}: {found}; the file may be cut short, and the stems hold what is there",)


def _refuse_cut_wav(path: Path) -> None:
    """FFmpeg silently trims a WAV file's stated length to what the file holds, so read that length here."""
    with path.open("rb") as file:
        header = file.read(12)
        if header[:4] != b"RIFF" or header[8:] != b"WAVE":
            return
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            if name == b"data":
                held = path.stat().st_size - file.tell()
                # A writer that could not seek leaves 0 or nearly 2**32 here, meaning "up to the end".
                if held < size < 0xFFFFF000:
                    raise AudioFileError(
                        f"{path}: the file is cut short: it holds {held} bytes of the {size} bytes of audio that the "
                        f"header states; to separate what is there, copy it first, "
                        f"as with: ffmpeg -i {path.name} rest.wav"
                    )
                return
            file.seek(size + size % 2, os.SEEK_CUR)
