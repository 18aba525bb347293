"""The summary as a table for people."""

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from ._names import ANCHORS, METRICS
from ._scores import Summary

_LONGEST = 24  # characters of an estimator's name; tables of usual names fit 80 columns


def show(summaries: Sequence[Summary], metrics: Sequence[str]) -> None:
    """Print means, and medians where there are several songs, on stdout."""
    console = Console(highlight=False, soft_wrap=True)
    if all(summary.songs <= 1 for summary in summaries):
        tables = {"": [summary.mean for summary in summaries]}
    else:
        tables = {
            "mean over songs": [summary.mean for summary in summaries],
            "median over songs": [summary.median for summary in summaries],
        }
    for number, (title, values) in enumerate(tables.items()):
        if number:
            console.print()
        for line in _lines(title, summaries, values, metrics):
            console.print(line)


def _lines(
    title: str, summaries: Sequence[Summary], values: Sequence[Mapping[str, float]], metrics: Sequence[str]
) -> Iterator[Text]:
    names = [_shortened(summary.estimator) for summary in summaries]
    first = max(len(title), *(len(name) + 2 for name in names))
    widths = {name: max(len(METRICS[name]), 6) for name in metrics}
    yield Text(title.ljust(first) + "".join(f" {METRICS[name]:>{widths[name]}}" for name in metrics), style="bold")
    stem = None
    for summary, name, numbers in zip(summaries, names, values, strict=True):
        if summary.stem != stem:
            stem = summary.stem
            yield Text.assemble((stem, "bold"), (f" · {_counted(summary)}", "dim"))
        if summary.songs == 0:
            continue
        cells = "".join(f" {_number(numbers.get(metric, math.nan)):>{widths[metric]}}" for metric in metrics)
        yield Text(f"  {name}".ljust(first) + cells, style="" if summary.estimator in ANCHORS else "bold cyan")


def _counted(summary: Summary) -> str:
    """How many songs count, and in how many the stem is silent."""
    songs = f"{summary.songs} song{'s' if summary.songs != 1 else ''}"
    return songs + (f", silent in {summary.silent}" if summary.silent else "")


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
