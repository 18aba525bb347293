"""What a file holds, measured once from its beginning to its end."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from hfbs_separate import AudioFileError
from hfbs_separate.audio import Audio, SeekRecorder, SeekTable, open_song

SILENCE: Final = 10 ** (-60 / 10)
"""Mean square below which a stretch is silent: -60 dB of full scale."""

_FULL_SCALE = 0.99
_RUN = 3  # equal samples near full scale: no converter gives them, but clipping


@dataclass(frozen=True, slots=True)
class Version:
    """By what a changed file is told: its size in bytes, and when it was written, in nanoseconds."""

    size: int
    written: int


@dataclass(frozen=True, slots=True, eq=False)
class FileFacts:
    """What a file holds.

    Attributes:
        path: the file.
        version: which state of the file was measured; None where it could not be looked at.
        table: where its packets are; None where it cannot be read.
        energies: float32, shape (second,): the mean square of each second over time and channels.
        peak: the largest magnitude.
        clipped: how many times the signal stays at full scale for three samples or more.
        first_clipped: when it first does, in seconds.
        is_doubled_mono: whether both channels are the same.
        digest: a checksum of the samples, equal for equal audio.
        warnings: what is odd about the file without making it useless.
        error: why it is useless, or None.
    """

    path: Path
    version: Version | None
    table: SeekTable | None = None
    energies: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    peak: float = 0.0
    clipped: int = 0
    first_clipped: float = 0.0
    is_doubled_mono: bool = False
    digest: int = 0
    warnings: tuple[str, ...] = ()
    error: str | None = None

    @property
    def sample_rate(self) -> int:
        """In Hz; 0 for a file that cannot be read."""
        return 0 if self.table is None else self.table.sample_rate

    @property
    def samples(self) -> int:
        """The length, at the file's own rate; 0 for a file that cannot be read."""
        return 0 if self.table is None else self.table.samples

    @property
    def channels(self) -> int:
        """How many; 0 for a file that cannot be read."""
        return 0 if self.table is None else self.table.channels

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.samples / self.sample_rate if self.table else 0.0

    @property
    def is_silent(self) -> bool:
        """Whether no second is louder than -60 dB of full scale."""
        return bool((self.energies < SILENCE).all())


def version_of(path: Path) -> Version | None:
    """Which state of a file is there now; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return Version(status.st_size, status.st_mtime_ns)


def measure(path: Path) -> FileFacts:
    """Decode a file and measure it, in as little memory for hours as for seconds. Errors are part of the result."""
    version = version_of(path)
    recorder = SeekRecorder()
    warnings: list[str] = []
    try:
        song = open_song(path)
        measured = _Measurement(song.sample_rate, song.channels)
        for block in song.blocks(warnings.append, recorder):
            measured.add(block)
    except AudioFileError as error:
        return FileFacts(path, version, error=str(error))
    return FileFacts(
        path,
        version,
        recorder.table(),
        measured.energies(),
        measured.peak,
        measured.clipped,
        measured.first_clipped,
        measured.channels_agree and song.channels == 2,
        measured.digest,
        tuple(warnings),
    )


class _Measurement:
    """What is measured block by block."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.peak = 0.0
        self.clipped = 0
        self.first_clipped = 0.0
        self.channels_agree = True
        self.digest = 0
        self._rate = sample_rate
        self._samples = 0
        self._sums = [0.0]  # of squares, second by second
        self._before: Audio = np.full((channels, _RUN), np.nan, np.float32)

    def add(self, block: Audio) -> None:
        """The next samples, (channel, time)."""
        peak = float(np.abs(block).max())
        self.peak = max(self.peak, peak)
        self.digest = crc32(np.ascontiguousarray(block), self.digest)
        self.channels_agree = self.channels_agree and np.array_equal(block[0], block[-1])
        if peak >= _FULL_SCALE:
            self._count_clipped(block)
        self._before = np.concatenate([self._before, block[:, -_RUN:]], axis=1)[:, -_RUN:]
        squares = np.einsum("ct,ct->t", block, block)
        for part, ends in self._seconds(squares):
            self._sums[-1] += float(part.sum(dtype=np.float64)) / len(block)
            if ends:
                self._sums.append(0.0)
        self._samples += block.shape[1]

    def energies(self) -> NDArray[np.float32]:
        """The mean squares of all seconds, the last of which may be shorter."""
        rest = self._samples % self._rate
        sums = self._sums if rest else self._sums[:-1]
        lengths = np.full(len(sums), self._rate)
        if rest:
            lengths[-1] = rest
        return (np.array(sums) / lengths).astype(np.float32)

    def _seconds(self, squares: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], bool]]:
        """The parts that belong to one second each, and whether the second ends with them."""
        at = 0
        while at < len(squares):
            left = self._rate - (self._samples + at) % self._rate
            yield squares[at : at + left], at + left <= len(squares)
            at += left

    def _count_clipped(self, block: Audio) -> None:
        joined = np.concatenate([self._before, block], axis=1)
        held = (joined[:, 1:] == joined[:, :-1]) & (np.abs(joined[:, 1:]) >= _FULL_SCALE)
        full = held[:, 1:] & held[:, :-1]  # of three samples, the last
        starts = full[:, 1:] & ~full[:, :-1]
        count = int(starts.sum())
        if count and not self.clipped:
            self.first_clipped = (self._samples + int(starts.any(axis=0).argmax())) / self._rate
        self.clipped += count
