"""What a report says, in numbers, for programs and for people."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hfbs_separate.terminal import clock, one_line, printable

from ._check import Problem, Report
from ._facts import SILENCE, FileFacts
from ._pools import energies_of, seconds_of
from ._songs import StemFile, TrainingSong

_SHOWN = 8  # problems of each kind
_NARROW = 80  # columns, where no terminal says how many there are


@dataclass(frozen=True, slots=True)
class StemSummary:
    """What there is of a stem.

    Attributes:
        songs: how many have it.
        seconds: how long they are together.
        active_seconds: of them, those that are louder than -60 dB.
        level: the mean level of those in dB of full scale; None where there are none.
    """

    songs: int
    seconds: float
    active_seconds: float
    level: float | None


def summary_of(report: Report) -> dict[str, StemSummary]:
    """What there is of each stem, in the order in which songs have them."""
    names = dict.fromkeys(name for song in report.songs for name in song.stems)
    return {name: _summary(name, report) for name in names}


def as_json(report: Report) -> dict[str, Any]:
    """All that the report says, as plain values."""
    return {
        "sample_rate": report.sample_rate,
        "songs": [_song(song, report) for song in report.songs],
        "stems": {name: asdict(stem) for name, stem in summary_of(report).items()},
        "files": [_file(path, facts) for path, facts in report.files.items()],
        "problems": [_problem(problem) for problem in report.problems],
    }


def show(report: Report, *, everything: bool = False) -> None:
    """Print a table, and a line for each problem, of which there are at most eight of a kind unless all are wanted."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _NARROW
    songs = sum(song.is_whole for song in report.songs)
    single = len(report.songs) - songs
    seconds = sum(_seconds(song, report.files) for song in report.songs)
    counted = [
        f"{count} {what}{'s' if count > 1 else ''}"
        for count, what in ((songs, "song"), (single, "single stem"))
        if count
    ]
    console.print(f"[bold]{' and '.join(counted)}[/bold], {clock(seconds)}, {_rates(report)}\n")
    console.print(_table(report))
    if report.problems:
        console.print()
    for line in _lines(report.problems, everything=everything):
        console.print(line, soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stem", style="cyan")
    for heading in ("songs", "length", "active", "", "level"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, stem in summary_of(report).items():
        share = f"{100 * stem.active_seconds / stem.seconds:.0f} %" if stem.seconds else "–"
        level = "–" if stem.level is None else f"{stem.level:.1f} dB"
        active = clock(stem.active_seconds)
        table.add_row(escape(printable(name)), str(stem.songs), clock(stem.seconds), active, share, level)
    return table


def _lines(problems: tuple[Problem, ...], *, everything: bool) -> Iterator[Text]:
    of_kind = Counter(problem.kind for problem in problems)
    shown: Counter[str] = Counter()
    for problem in problems:
        kind = problem.kind
        shown[kind] += 1
        if not everything and shown[kind] > _SHOWN:
            if shown[kind] == of_kind[kind]:
                yield Text(f"         … and {of_kind[kind] - _SHOWN} more of this kind; --all shows them", "dim")
            continue
        label = ("error  ", "red") if problem.is_error else ("warning", "yellow")
        yield Text.assemble(label, "  ", one_line(problem.message))


def _rates(report: Report) -> str:
    rates = Counter(facts.sample_rate for facts in report.files.values() if facts.table)
    if not rates:
        return "no file can be read"
    others = [
        f"{count} file{'s' if count > 1 else ''} at {rate} Hz"
        for rate, count in rates.most_common()
        if rate != report.sample_rate
    ]
    return f"{report.sample_rate} Hz" + (f" but {', '.join(others)}" if others else "")


def _summary(name: str, report: Report) -> StemSummary:
    songs = [song for song in report.songs if name in song.stems]
    lengths = [_seconds(song, report.files) for song in songs]
    stems = zip(songs, lengths, strict=True)
    energies = np.concatenate([energies_of(song.stems[name], length, report.files) for song, length in stems])
    seconds = np.concatenate([seconds_of(length) for length in lengths])
    active = energies >= SILENCE
    level = 10 * float(np.log10(np.average(energies[active], weights=seconds[active]))) if active.any() else None
    return StemSummary(len(songs), sum(lengths), float(seconds[active].sum()), level)


def _seconds(song: TrainingSong, files: Mapping[Path, FileFacts]) -> float:
    return max((files[path].seconds for path in song.files), default=0.0)


def _song(song: TrainingSong, report: Report) -> dict[str, Any]:
    def listed(parts: tuple[StemFile, ...]) -> list[dict[str, Any]]:
        return [{"path": str(part.path), "gain": part.gain} for part in parts]

    return {
        "name": song.name,
        "seconds": _seconds(song, report.files),
        "stems": {name: listed(parts) for name, parts in song.stems.items()},
        "rest": listed(song.rest),
        "mixture": None if song.mixture is None else str(song.mixture),
        "missing": list(song.missing),
        "is_whole": song.is_whole,
    }


def _file(path: Path, facts: FileFacts) -> dict[str, Any]:
    names = (
        "channels",
        "sample_rate",
        "samples",
        "seconds",
        "peak",
        "clipped",
        "is_silent",
        "is_doubled_mono",
        "error",
    )
    about: dict[str, Any] = {name: getattr(facts, name) for name in names}
    return {"path": str(path), **about}


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "severity": "error" if problem.is_error else "warning",
        "kind": problem.kind,
        "song": problem.song,
        "path": None if problem.path is None else str(problem.path),
        "message": problem.message,
    }
