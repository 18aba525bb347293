"""Whether songs are fit for training, before the first step."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hfbs_separate import AudioFileError, DatasetError
from hfbs_separate.audio import Progress
from hfbs_separate.terminal import clock

from ._alignment import fit_of
from ._facts import FileFacts
from ._facts_cache import FactsCache
from ._looking import look_through
from ._readers import Readers
from ._songs import TrainingSong, files_of

type Kind = Literal[
    "missing", "unreadable", "length", "misaligned", "sum", "rate", "silent", "clipped", "mono", "twice", "odd"
]

ERRORS: Final = frozenset({"missing", "unreadable", "misaligned"})
"""The kinds of problems with which training does not begin; the others are warnings."""

_SAME_LENGTH = 0.1  # in seconds, by which the files of a song may differ
_CLIPPED = 10  # times, from which on it is told


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a song or a file.

    Attributes:
        kind: what is wrong.
        song: the name of the song, of the first one for a file of several.
        path: the file; None where it is about the whole song.
        message: one sentence that names the song or file.
    """

    kind: Kind
    song: str
    path: Path | None
    message: str

    @property
    def is_error(self) -> bool:
        """Whether training does not begin with it."""
        return self.kind in ERRORS


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What there is of songs, and what is wrong with them.

    Attributes:
        songs: as they were given.
        files: the facts about each of their files.
        sample_rate: in Hz, to which files of other rates are resampled.
        problems: errors first.
    """

    songs: tuple[TrainingSong, ...]
    files: Mapping[Path, FileFacts]
    sample_rate: int
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems with which training does not begin."""
        return tuple(problem for problem in self.problems if problem.is_error)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """All other problems."""
        return tuple(problem for problem in self.problems if not problem.is_error)

    def require_usable(self) -> None:
        """Refuse songs with errors.

        Raises:
            DatasetError: there is one; the message is that of the first, and says how many more there are.
        """
        for problem in self.errors:
            others = len(self.errors) - 1
            raise DatasetError(
                problem.message + (f" (and {others} more: hfbs-train check shows them all)" if others else "")
            )


def check(
    songs: Sequence[TrainingSong],
    *,
    sample_rate: int | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Look through all files of songs, and compare those of each song with each other.

    Every file is decoded once, in constant memory; with a cache, not again until it changes.

    Args:
        songs: from :func:`~hfbs_train.data.find_training_songs`.
        sample_rate: that of the model, in Hz. None: the one that most files have.
        cache: a folder where facts about files are kept. None: nowhere.
        workers: threads. None: one per processor.
        progress: called with (files done, files in all).

    Returns:
        What was found. Nothing about the songs is an exception here; see :meth:`Report.require_usable`.

    Raises:
        ConfigurationError: the cache cannot be written to.
        DatasetError: there is no song.
    """
    if not songs:
        raise DatasetError("there is no song to train with: name a folder that holds some")
    threads = workers or os.cpu_count() or 1
    kept = None if cache is None else FactsCache(cache)
    files = look_through(files_of(songs), cache=kept, workers=threads, progress=progress)
    rate = sample_rate or _usual([facts.sample_rate for facts in files.values() if facts.table], 44100)
    song_of: dict[Path, str] = {}
    for song in songs:
        song_of |= {path: song.name for path in song.files if path not in song_of}
    problems = [problem for song in songs for problem in _of_the_song(song, files)]
    problems += [problem for path, name in song_of.items() for problem in _of_the_file(name, files[path], rate)]
    problems += _twice(song_of, files)

    def compare(song: TrainingSong) -> list[Problem]:
        return list(_of_the_mixture(song, files, rate))

    with ThreadPoolExecutor(threads, "comparing") as pool:
        problems += [problem for found in pool.map(compare, songs) for problem in found]
    order = {song.name: number for number, song in reversed(list(enumerate(songs)))}
    problems.sort(key=lambda problem: (not problem.is_error, problem.kind, order[problem.song]))
    return Report(tuple(songs), files, rate, tuple(problems))


def _of_the_song(song: TrainingSong, files: Mapping[Path, FileFacts]) -> Iterator[Problem]:
    if song.missing:
        where = _folder_of(song)
        yield Problem(
            "missing",
            song.name,
            None,
            f"{where} has no file {' and no '.join(song.missing)}: add it, or say by missing what that means, "
            "silent or unlabelled",
        )
    lengths = {path: files[path].seconds for path in song.files if files[path].table}
    if len(lengths) > 1:
        usual = _usual([round(seconds, 1) for seconds in lengths.values()], 0)
        for path, seconds in lengths.items():
            if abs(seconds - usual) > _SAME_LENGTH:
                difference = f"{clock(abs(seconds - usual))} {'longer' if seconds > usual else 'shorter'}"
                yield Problem(
                    "length",
                    song.name,
                    path,
                    f"{path} is {difference} than the song's other files; silence is put after the shorter ones",
                )


def _of_the_file(song: str, facts: FileFacts, sample_rate: int) -> Iterator[Problem]:
    path = facts.path

    def problem(kind: Kind, message: str) -> Problem:
        return Problem(kind, song, path, message)

    if facts.error is not None:
        yield problem("unreadable", facts.error)
        return
    yield from (problem("odd", warning) for warning in facts.warnings)
    if facts.sample_rate != sample_rate:
        less = "; it holds nothing above half its rate" if facts.sample_rate < sample_rate else ""
        yield problem(
            "rate", f"{path} has {facts.sample_rate} Hz, resampled to {sample_rate} Hz while it is read{less}"
        )
    if facts.is_silent:
        yield problem("silent", f"{path} is silent throughout (below -60 dB)")
        return
    if facts.clipped >= _CLIPPED:
        yield problem(
            "clipped",
            f"{path} stays at full scale {facts.clipped} times, first at {clock(facts.first_clipped)}: it is clipped",
        )
    if facts.is_doubled_mono:
        yield problem("mono", f"{path} is mono: both channels are the same")


def _twice(song_of: Mapping[Path, str], files: Mapping[Path, FileFacts]) -> Iterator[Problem]:
    """The same audio in several files."""
    alike: dict[tuple[int, int], list[Path]] = defaultdict(list)
    for path in song_of:
        facts = files[path]
        if facts.table and not facts.is_silent:
            alike[facts.samples, facts.digest].append(path)
    for first, *others in alike.values():
        for path in others:
            yield Problem("twice", song_of[path], path, f"{path} holds the same audio as {first}")


def _of_the_mixture(song: TrainingSong, files: Mapping[Path, FileFacts], sample_rate: int) -> Iterator[Problem]:
    if any(files[path].table is None for path in song.files):
        return
    readers = Readers(files, sample_rate, 2)
    try:
        fit = fit_of(song, readers)
    except AudioFileError as error:
        yield Problem("unreadable", song.name, song.mixture, str(error))
        return
    finally:
        readers.close()
    if fit is None:
        return
    for shift in fit.shifts:
        yield Problem(
            "misaligned",
            song.name,
            shift.path,
            f"{shift.path} is {abs(1000 * shift.seconds):.4g} ms {'late' if shift.seconds > 0 else 'early'} against "
            f"{song.mixture and song.mixture.name}: shift it, or leave the song out",
        )
    if not fit.adds_up and not fit.shifts:
        yield Problem(
            "sum",
            song.name,
            song.mixture,
            f"{song.mixture}: the song's other files do not add up to it, {fit.rest:.1f} dB of its energy are left",
        )


def _usual[T](values: Sequence[T], otherwise: T) -> T:
    """The value that most have."""
    return max(values, key=Counter(values).__getitem__, default=otherwise)


def _folder_of(song: TrainingSong) -> str:
    """The song's folder where it is known, else its name."""
    return str(song.files[0].parent) if song.files else song.name
