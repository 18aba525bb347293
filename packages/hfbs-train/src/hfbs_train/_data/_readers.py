"""Any part of many files, at one rate and with one number of channels."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path

import numpy as np
import soxr

from hfbs_separate import AudioFileError
from hfbs_separate.audio import Audio, SongReader

from ._facts import FileFacts, version_of
from ._songs import StemFile

_OPEN = 64  # files that one process keeps open
_REACH = 2048  # samples at the lower rate that soxr's filter reaches to each side, with some to spare


@dataclass(slots=True)
class Readers:
    """Reads files, of which it keeps some open; a copy in another process begins with none.

    Attributes:
        files: the facts about each file that may be asked for.
        sample_rate: of what is read, in Hz; files of other rates are resampled.
        channels: of what is read, 1 or 2. A mono file fills both; of a stereo file for one, it is their mean.
    """

    files: Mapping[Path, FileFacts]
    sample_rate: int
    channels: int
    _open: OrderedDict[Path, SongReader] = field(default_factory=OrderedDict[Path, SongReader], init=False, repr=False)

    def __getstate__(self) -> tuple[Mapping[Path, FileFacts], int, int]:
        return self.files, self.sample_rate, self.channels

    def __setstate__(self, state: tuple[Mapping[Path, FileFacts], int, int]) -> None:
        self.files, self.sample_rate, self.channels = state
        self._open = OrderedDict()

    def close(self) -> None:
        """Let all files go."""
        for reader in self._open.values():
            reader.close()
        self._open.clear()

    def samples(self, path: Path) -> int:
        """How long a file is at the common rate."""
        facts = self.files[path]
        return -(-facts.samples * self.sample_rate // facts.sample_rate)

    def total(self, parts: Sequence[StemFile], start: int, length: int) -> Audio:
        """The sum of parts of files: float32, (channel, length); silence where there are none."""
        total = np.zeros((self.channels, length), np.float32)
        for part in parts:
            total += self.part(part, start, length)
        return total

    def part(self, part: StemFile, start: int, length: int) -> Audio:
        """One part of such a sum, as often as it counts: float32, (channel, length)."""
        audio = self.read(part.path, start, length)
        return audio if part.gain == 1 else np.float32(part.gain) * audio

    def read(self, path: Path, start: int, length: int) -> Audio:
        """A part of a file, with silence before its beginning and after its end.

        Args:
            path: one of ``files``.
            start: first sample at the common rate; may be negative.
            length: samples at the common rate.

        Returns:
            float32, (channel, length).

        Raises:
            AudioFileError: the file cannot be read, or is not what it was when it was measured.
        """
        rate = self.files[path].sample_rate
        if rate == self.sample_rate:
            return self._with_channels(self._own_rate(path, start, length))
        divisor = gcd(rate, self.sample_rate)
        there, here = rate // divisor, self.sample_rate // divisor  # so many samples take equally long
        # From a place that is a sample at both rates, so that any part is the same as in the whole.
        reach = _REACH * max(1, -(-there // here))
        block = (start - reach * here // there) // here - 1
        first, stop = block * there, -(-(start + length) * there // here) + reach
        audio = self._own_rate(path, first, stop - first)
        changed: Audio = soxr.resample(audio.T, rate, self.sample_rate, quality="HQ")
        offset = start - block * here
        audio = np.ascontiguousarray(changed[offset : offset + length].T)
        audio[:, : max(0, -start)] = 0.0  # the filter rings before and after the file
        audio[:, max(0, self.samples(path) - start) :] = 0.0
        return self._with_channels(audio)

    def _own_rate(self, path: Path, start: int, length: int) -> Audio:
        """As :meth:`read`, with the file's own rate and channels."""
        reader = self._reader(path)
        first, stop = max(0, start), min(start + length, reader.table.samples)
        if (first, stop) == (start, start + length):
            return reader.read(start, length)
        audio = np.zeros((reader.table.channels, length), np.float32)
        if first < stop:
            audio[:, first - start : stop - start] = reader.read(first, stop - first)
        return audio

    def _with_channels(self, audio: Audio) -> Audio:
        if len(audio) == self.channels:
            return audio
        if self.channels == 1:
            return audio.mean(axis=0, keepdims=True)
        return np.repeat(audio, self.channels, axis=0)

    def _reader(self, path: Path) -> SongReader:
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        facts = self.files[path]
        if facts.table is None:
            raise AudioFileError(facts.error or f"{path}: the file cannot be read")
        reader = SongReader(path, facts.table)  # says what is wrong, if it is gone
        if version_of(path) != facts.version:
            raise AudioFileError(f"{path}: the file has changed since it was checked; start again, and leave it alone")
        self._open[path] = reader
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()
        return reader
