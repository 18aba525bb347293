"""The command ``hfbs-train check``."""

import json
import sys
from pathlib import Path

import click

from hfbs_separate import DatasetError
from hfbs_separate.terminal import Terminal

from ._data._facts_cache import default_cache
from ._data._layouts import LAYOUTS, MISSING, Layout, Missing, find_training_songs
from ._errors import ConfigurationError


def _stems(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, tuple[str, ...]] | None:
    stems: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, sign, files = text.partition("=")
        parts = tuple(part.strip() for part in files.split("+")) if sign else (name.strip(),)
        if not name.strip() or not all(part.removeprefix("-") for part in parts):
            raise click.BadParameter(
                f"{text!r} is no stem: name one, or the files whose sum it is, as in "
                "--stem instrumental=drums+bass+other or --stem instrumental=mixture+-vocals"
            )
        if name.strip() in stems:
            raise click.BadParameter(f"{name.strip()} is given twice")
        stems[name.strip()] = parts
    return stems or None


@click.command()
@click.argument("places", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--stem",
    "stems",
    metavar="NAME[=FILE+FILE]",
    multiple=True,
    callback=_stems,
    help="A stem, and the files whose sum it is, if their names are others; may be given many times.  [default: all]",
)
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="What a FOLDER is: a folder per song, a folder per stem, or a CSV file with the columns instrum and path.",
)
@click.option(
    "--missing",
    type=click.Choice(MISSING),
    default="error",
    show_default=True,
    help="What it means that a song lacks a stem's file.",
)
@click.option("--rate", type=click.IntRange(1), metavar="HZ", help="The model's rate.  [default: the most usual]")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for what is known about files already.  [default: ~/.cache/hfbs-train/audio]",
)
@click.option("--no-cache", is_flag=True, help="Look at all files anew, and keep nothing.")
@click.option("--workers", type=click.IntRange(1), metavar="COUNT", help="Files at once.  [default: one per processor]")
@click.option("--all", "everything", is_flag=True, help="Show every problem, not only eight of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, for programs.")
def check(
    places: tuple[Path, ...],
    stems: dict[str, tuple[str, ...]] | None,
    layout: Layout,
    missing: Missing,
    rate: int | None,
    cache: Path | None,
    no_cache: bool,
    workers: int | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Look through songs and their stems before training.

    Reports stems that are missing, files that cannot be read, are silent, clipped or of another rate, and files that do
    not fit their song's mixture. The exit code is 2 where there is an error, with which training would not begin.
    """
    if no_cache and cache is not None:
        raise click.UsageError("--no-cache keeps nothing: leave out --cache")
    terminal = Terminal(program="hfbs-train")
    from ._data._check import check as check_songs
    from ._data._summary import as_json as json_of
    from ._data._summary import show

    try:
        songs = find_training_songs(places, stems, layout=layout, missing=missing)
        with terminal.bar("looking through the files") as progress:
            kept = None if no_cache else cache or default_cache()
            report = check_songs(songs, sample_rate=rate, cache=kept, workers=workers, progress=progress)
    except (ConfigurationError, DatasetError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        sys.stdout.write(json.dumps(json_of(report), indent=2) + "\n")
    else:
        show(report, everything=everything)
    if report.errors:
        count = len(report.errors)
        raise click.ClickException(
            f"{count} error{'s' if count > 1 else ''}, with which training does not begin: mend the files, or leave "
            "the songs out"
        )
