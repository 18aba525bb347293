"""How much audio a run has separated, and how much is left, in seconds of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._remote import Place


@dataclass(slots=True)
class _Kind:
    """Songs whose names end alike, which take about as many bytes a second.

    Attributes:
        size: bytes of those whose lengths are known.
        seconds: of the same.
        waiting: bytes of those that are still to come.
    """

    size: int = 0
    seconds: float = 0.0
    waiting: int = 0


class Workload:
    """The songs of a run, in the order in which they are worked on.

    No header is read before its song's turn, so that ten thousand songs begin as fast as one. Until then a song's
    length is taken from its size, at the bytes per second of the songs so far: those whose names end as its does, else
    all. A song of unknown size counts as the mean of the others. Songs that are left alone or fail leave the sum.

    Attributes:
        songs: how many there are.
        ended: how many of them have ended, well or not.
    """

    def __init__(self, songs: Sequence[Place], clock: Callable[[], float] = time.monotonic) -> None:
        """Look at the sizes of files; ``clock`` gives seconds."""
        self.songs = len(songs)
        self.ended = 0
        self._clock = clock
        self._waiting = [(song.suffix.lower(), _size(song)) for song in reversed(songs)]
        self._unsized = sum(size is None for _, size in self._waiting)
        self._kinds: dict[str, _Kind] = {}
        for ending, size in self._waiting:
            self._kinds.setdefault(ending, _Kind()).waiting += size or 0
        self._lengths: list[float] = []
        self._done = 0.0
        self._worked = 0.0
        self._song: _AtWork | None = None

    def begin(self, seconds: float | None) -> None:
        """Work on the next song begins; its header says that it is so long, or does not say."""
        ending, size = self._next()
        self._song = _AtWork(ending, size, seconds, self._clock())
        if seconds is not None:
            self._learn(ending, size, seconds)

    def advance(self, fraction: float) -> None:
        """So much of the song in work is done, from 0 to 1; it never gets less."""
        if self._song is not None:
            self._song.fraction = max(self._song.fraction, min(fraction, 1.0))

    def end(self, seconds: float | None) -> None:
        """Work on a song has ended, or on the next one before it began.

        Args:
            seconds: of audio separated. None: the song was left alone, or failed.
        """
        self.ended += 1
        if self._song is None:
            self._next()
            return
        song, self._song = self._song, None
        self._worked += self._clock() - song.since
        self._done += song.fraction * (self._length(song) or 0.0) if seconds is None else seconds
        if song.seconds is None and seconds is not None:
            self._learn(song.ending, song.size, seconds)

    @property
    def seconds_done(self) -> float:
        """Seconds of audio separated so far, of the song in work as well."""
        return self._done + (0.0 if self._song is None else self._song.fraction * (self._length(self._song) or 0.0))

    @property
    def seconds(self) -> float | None:
        """Seconds of audio to be separated in all, as far as is known by now; None where nothing is known yet."""
        ahead = [self._expected(ending, kind.waiting) for ending, kind in self._kinds.items() if kind.waiting]
        if self._unsized:
            mean = self._mean()
            ahead.append(None if mean is None else self._unsized * mean)
        if self._song is not None:
            ahead.append(self._length(self._song))
        known = [seconds for seconds in ahead if seconds is not None]
        return None if len(known) < len(ahead) else self._done + sum(known)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the work will still take if it goes on as fast as so far; None where that cannot be told."""
        done, total = self.seconds_done, self.seconds
        if total is None or done <= 0:
            return None
        worked = self._worked + (0.0 if self._song is None else self._clock() - self._song.since)
        return worked * max(total - done, 0.0) / done

    def _next(self) -> tuple[str, int | None]:
        ending, size = self._waiting.pop()
        self._kinds[ending].waiting -= size or 0
        self._unsized -= size is None
        return ending, size

    def _learn(self, ending: str, size: int | None, seconds: float) -> None:
        self._lengths.append(seconds)
        self._kinds[ending].seconds += seconds if size else 0.0
        self._kinds[ending].size += size or 0

    def _length(self, song: "_AtWork") -> float | None:
        if song.seconds is not None:
            return song.seconds
        return self._mean() if song.size is None else self._expected(song.ending, song.size)

    def _expected(self, ending: str, size: int) -> float | None:
        """Length of so many bytes."""
        alike = self._kinds[ending]
        known = [alike] if alike.size else [kind for kind in self._kinds.values() if kind.size]
        if not known:
            return self._mean()
        return size * sum(kind.seconds for kind in known) / sum(kind.size for kind in known)

    def _mean(self) -> float | None:
        return sum(self._lengths) / len(self._lengths) if self._lengths else None


@dataclass(slots=True)
class _AtWork:
    ending: str
    size: int | None
    seconds: float | None
    since: float
    fraction: float = 0.0


def _size(song: Place) -> int | None:
    """Bytes; None for standard input, a URL, and where there is no such file, which its turn will tell."""
    if not isinstance(song, Path):
        return None
    try:
        return song.stat().st_size
    except OSError:
        return None
