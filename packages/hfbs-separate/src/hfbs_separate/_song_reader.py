"""Any part of a song, without decoding what comes before it."""

from collections.abc import Iterator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ._blocks import Piece, even_blocks, piece_of, to_float32
from ._errors import AudioFileError
from ._seek_table import PCM_TYPES, SeekTable
from ._source import file_source, reason
from ._track import Track, decoded, open_track
from ._types import Audio, AudioPacket

# How many packets a decoder needs before it gives what it gives in mid-song. Lossless codecs need none. MP3 keeps bits
# of a frame in those before it, 511 bytes at most. Opus predicts each packet's energies from the last one's, and of a
# wrong start forgets half or more with each packet of 20 ms.
_LEAD: Final = {"flac": 0, "alac": 0, "wavpack": 0, "tta": 0, "vorbis": 2, "mp3float": 12, "mp3": 12, "opus": 50}
_USUAL_LEAD = 16
# Decoders that begin anew when they are emptied. Others, as AAC's, go on drawing noise where they were.
_FORGETFUL: Final = frozenset(_LEAD)
_MARGINS: Final = (0.0, 1.0, 8.0)  # in seconds, how much earlier to look for the first packet wanted


class SongReader:
    """A song of which any part is read. It holds its file open until it is closed, or nobody holds it any more.

    Attributes:
        path: the file.
        table: where its packets are.
    """

    def __init__(self, path: Path, table: SeekTable) -> None:
        """Open the file.

        Args:
            path: a file that has not changed since the table was made.
            table: from the :class:`SeekRecorder` with which it was decoded.

        Raises:
            AudioFileError: the file cannot be opened.
        """
        self.path = path
        self.table = table
        self._open = ExitStack()
        self._source = file_source(path)
        self._file: FileIO | None = None
        self._track: Track | None = None

    def close(self) -> None:
        """Let the file go. The next call of :meth:`read` would open it again."""
        self._open.close()
        self._file = self._track = None

    def __del__(self) -> None:
        self.close()

    def read(self, start: int, length: int) -> Audio:
        """A part of the song, to the bit what decoding from its beginning gives there.

        Not quite to the bit for Opus, whose decoder needs seconds to forget where it began (the difference is below
        float32's resolution of full scale), and not at all for the noise that AAC's decoder draws where an encoder left
        it to chance; both depend on nothing but the file and the part.

        Args:
            start: first sample, at least 0.
            length: samples, at least 1; ``start + length`` is at most the song's length.

        Returns:
            float32, shape (channel, length), finite.

        Raises:
            AudioFileError: the file cannot be read, or is not what it was when the table was made.
        """
        if start < 0 or length < 1 or start + length > self.table.samples:
            raise ValueError(f"{self.path} has samples 0 to {self.table.samples}, got {start} to {start + length}")
        audio = self._plain(start, length) if self.table.is_plain else self._decoded(start, length)
        if not np.isfinite(audio).all():
            raise AudioFileError(f"{self.path}: a sample after {start} is not finite; audio must be finite")
        return audio

    def _plain(self, start: int, length: int) -> Audio:
        kind = PCM_TYPES[self.table.codec]
        channels = self.table.channels
        frame_bytes = int(kind[-1]) * channels
        try:
            if self._file is None:
                self._file = self._open.enter_context(self._source.open())
            self._file.seek(int(self.table.places[0]) + start * frame_bytes)
            data = self._file.read(length * frame_bytes)
        except OSError as error:
            raise AudioFileError(f"{self.path}: {reason(error)}") from error
        if len(data) < length * frame_bytes:
            raise self._changed()
        return np.ascontiguousarray(to_float32(_numbers(data, kind)).reshape(length, channels).T)

    def _decoded(self, start: int, length: int) -> Audio:
        starts = self.table.starts
        first = int(np.searchsorted(starts, start, "right")) - 1
        wanted = max(0, first - _LEAD.get(self.table.codec, _USUAL_LEAD))
        begin = float(starts[wanted]) / self.table.sample_rate
        stop = start + length
        if self.table.codec not in _FORGETFUL:
            self.close()
        for seconds in (*(begin - margin for margin in _MARGINS if begin > margin), None):
            pieces = self._pieces(wanted, first, stop, seconds)
            block = next(even_blocks(pieces, stop - int(starts[first])), None)
            if block is not None and block.shape[1] == stop - starts[first]:
                return np.ascontiguousarray(block[:, start - int(starts[first]) :])
        raise self._changed()

    def _pieces(self, wanted: int, first: int, stop: int, seconds: float | None) -> Iterator[Piece]:
        """What packets decode to from number ``first`` on; it breaks off where that is not what the table says.

        Args:
            wanted: the packet with which decoding begins.
            first: the packet whose samples are wanted first.
            stop: the sample after the last one wanted.
            seconds: where to look for the first packet; None: at the file's beginning.
        """
        starts = self.table.starts
        for number, packet in self._packets(wanted, seconds):
            frames = decoded(packet) or []
            if number >= first:
                if sum(frame.samples for frame in frames) != starts[number + 1] - starts[number]:
                    return
                yield from map(piece_of, frames)
            if starts[number + 1] >= stop:
                return

    def _packets(self, wanted: int, seconds: float | None) -> Iterator[tuple[int, AudioPacket]]:
        """The packets from number ``wanted`` on, with their numbers; none where that is not found."""
        track = self._at_beginning() if seconds is None or self._track is None else self._track
        if seconds is not None:
            try:
                track.seek(seconds)
            except AudioFileError:
                return
        number = place = None
        for packet in track.packets():
            if number is not None:
                number += 1
            elif seconds is None:
                number = 0
            else:
                number = self.table.find(packet, first_at_place=place not in (None, packet.pos))
                place = packet.pos
                if number is None:
                    continue
                if number > wanted:
                    return
            if not self.table.has(number, packet):
                return
            if number >= wanted:
                yield number, packet

    def _at_beginning(self) -> Track:
        self.close()
        self._track = self._open.enter_context(open_track(self._source))
        return self._track

    def _changed(self) -> AudioFileError:
        return AudioFileError(
            f"{self.path}: the file is not what it was when it was looked through: look through it again, "
            "and leave files alone while they are being read"
        )


def _numbers(data: bytes, kind: str) -> NDArray[np.generic]:
    """Samples as numpy has them."""
    if kind.endswith("3"):
        # Every three bytes, with one beside them that is taken out of the four.
        padded = data + b"\0" if kind.startswith(">") else b"\0" + data
        words: NDArray[np.int32] = np.ndarray(len(data) // 3, f"{kind[:2]}4", padded, strides=(3,))
        return _native(words & np.int32(-256))
    return _native(np.frombuffer(data, kind))


def _native(samples: NDArray[np.generic]) -> NDArray[np.generic]:
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)
