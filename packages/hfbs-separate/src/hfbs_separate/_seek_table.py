"""Where the packets of a song are, in its file and in what they decode to: noted once, for reading any part of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from ._types import AudioPacket

# The sample types of plain PCM as numpy names them, by FFmpeg's names. 24 bits have none, and take three bytes each.
PCM_TYPES: Final = {
    "pcm_u8": "u1",
    "pcm_s16le": "<i2",
    "pcm_s16be": ">i2",
    "pcm_s24le": "<i3",
    "pcm_s24be": ">i3",
    "pcm_s32le": "<i4",
    "pcm_s32be": ">i4",
    "pcm_f32le": "<f4",
    "pcm_f32be": ">f4",
    "pcm_f64le": "<f8",
    "pcm_f64be": ">f8",
}


@dataclass(frozen=True, slots=True, eq=False)
class SeekTable:
    """Where the packets of a song are. Of plain PCM, whose samples lie side by side, one packet holds the whole song.

    Attributes:
        codec: FFmpeg's name of the decoder.
        channels: 1 or 2.
        sample_rate: in Hz.
        places: int64, shape (packet,), in bytes; -1 where the container does not say. Several packets may share one.
        checks: uint32, shape (packet,), a checksum of each packet.
        starts: int64, shape (packet + 1,): the first sample that each packet decodes to, and the song's length.
    """

    codec: str
    channels: int
    sample_rate: int
    places: NDArray[np.int64]
    checks: NDArray[np.uint32]
    starts: NDArray[np.int64]

    @property
    def samples(self) -> int:
        """The song's length, exactly as it decodes from beginning to end."""
        return int(self.starts[-1])

    @property
    def is_plain(self) -> bool:
        """Whether the samples lie side by side in the file, as they are."""
        return self.codec in PCM_TYPES and len(self.places) == 1 and self.checks[0] == 0

    def has(self, number: int, packet: AudioPacket) -> bool:
        """Whether this is the packet of that number."""
        return number < len(self.places) and packet_key(packet) == (self.places[number], self.checks[number])

    def find(self, packet: AudioPacket, *, first_at_place: bool) -> int | None:
        """The number of a packet, or None where it could be several, or is none of these.

        Args:
            packet: as read from the file.
            first_at_place: whether the packet read before it has another place.
        """
        place, check = packet_key(packet)
        found = np.flatnonzero((self.places == place) & (self.checks == check))
        if len(found) == 1:
            return int(found[0])
        # Packets of silence are alike, and in Ogg they share their page's place.
        if first_at_place and len(found) and place >= 0:
            first = int(np.flatnonzero(self.places == place)[0])
            return first if first == found[0] else None
        return None


class SeekRecorder:
    """Takes note of a song's packets while it is decoded from its beginning to its end."""

    def __init__(self) -> None:
        self._codec = ""
        self._places: list[int] = []
        self._checks: list[int] = []
        self._starts = [0]
        self._sizes: list[int] = []
        self._channels = self._sample_rate = 0

    def add(self, codec: str, packet: AudioPacket, frames: Sequence[AudioFrame]) -> None:
        """One more packet, and what it was decoded to."""
        place, check = packet_key(packet)
        self._codec = codec
        self._places.append(place)
        self._checks.append(check)
        self._sizes.append(packet.size)
        self._starts.append(self._starts[-1] + sum(frame.samples for frame in frames))
        if frames:
            self._channels, self._sample_rate = frames[0].layout.nb_channels, frames[0].sample_rate

    def table(self) -> SeekTable:
        """What was noted, after the song's end."""
        places, checks = np.array(self._places, np.int64), np.array(self._checks, np.uint32)
        starts = np.array(self._starts, np.int64)
        if self._is_plain(places, starts):
            places, checks, starts = places[:1], np.zeros(1, np.uint32), starts[[0, -1]]
        return SeekTable(self._codec, self._channels, self._sample_rate, places, checks, starts)

    def _is_plain(self, places: NDArray[np.int64], starts: NDArray[np.int64]) -> bool:
        if self._codec not in PCM_TYPES or len(places) == 0 or places[0] < 0:
            return False
        sizes = np.array(self._sizes, np.int64)
        frame_bytes = int(PCM_TYPES[self._codec][-1]) * self._channels
        full = sizes > 0  # not the one at the end
        side_by_side = places[0] + np.cumsum(sizes) - sizes
        return np.array_equal(np.diff(starts) * frame_bytes, sizes) and np.array_equal(places[full], side_by_side[full])


def packet_key(packet: AudioPacket) -> tuple[int, int]:
    """By what a packet is known again: its place in the file, -1 where there is none, and a checksum."""
    return -1 if packet.pos is None else packet.pos, crc32(packet)
