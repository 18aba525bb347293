"""The command ``hfbs evaluate``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ._checkpoint_option import CHECKPOINT
from ._errors import AudioFileError, DatasetError, OptionError, OutputError, SeparationError
from ._evaluation._extra import import_extra
from ._evaluation._files import Outputs
from ._evaluation._folders import (
    check_other,
    estimated_stems,
    find_estimates,
    find_songs,
    song_folders,
)
from ._evaluation._metrics import choose_metrics
from ._evaluation._names import ANCHORS, METRICS
from ._evaluation._songs import Estimate, Song, load_estimates
from ._loading import loaded
from ._separator_options import NAMES, about_separator, needed_settings, separator_of, separator_options
from ._settings_option import settings_options
from ._types import Audio, Progress
from .terminal import Terminal

if TYPE_CHECKING:
    from ._evaluation._scores import Score
    from ._separator import Separator, SeparatorOptions

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_OUTPUT = click.Path(path_type=Path)
_FOR_A_MODEL = ("config", "settings", "lora", *NAMES)


def _stems(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, tuple[str, ...]] | None:
    stems: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, sign, files = text.partition("=")
        parts = tuple(part.strip() for part in files.split("+")) if sign else (name.strip(),)
        if not name.strip() or not all(parts):
            raise click.BadParameter(f"{text!r} is neither NAME nor NAME=FILE+FILE, as instrumental=drums+bass+other")
        if len(set(parts)) < len(parts):
            raise click.BadParameter(f"{text!r} names a file twice; leave one out")
        if name.strip() in stems:
            raise click.BadParameter(f"{name.strip()} is given twice; leave one out")
        stems[name.strip()] = parts
    return stems or None


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option("--checkpoint", type=CHECKPOINT, help="Score this model: its weights, or 'demo', as for hfbs separate.")
@settings_options
@separator_options
@click.option(
    "--estimates",
    type=_FOLDER,
    metavar="FOLDER",
    help="Score stems that are there already, at FOLDER/SONG/STEM.wav, as hfbs separate writes them.",
)
@click.option(
    "--name", metavar="NAME", help="What tables and files call the estimates. Default: as the checkpoint or FOLDER is."
)
@click.option(
    "--stem",
    "stems",
    multiple=True,
    callback=_stems,
    metavar="NAME[=FILE+FILE]",
    help="Score this stem alone; may be given many times. --stem instrumental=drums+bass+other compares the estimate "
    "'instrumental' with the sum of these files. Default: all stems of the model, of the estimates or of the songs.",
)
@click.option(
    "--missing-is-silent", is_flag=True, help="Take a stem's file that a song lacks for silence. Else it is an error."
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(list(METRICS)),
    help="Compute this metric alone; may be given many times. Default: all. log_wmse needs the extra 'log-wmse'.",
)
@click.option("--csv", type=_OUTPUT, metavar="FILE", help="Write every song's scores, a line per stem and estimator.")
@click.option("--json", type=_OUTPUT, metavar="FILE", help="Write every song's scores and the summary.")
@click.option(
    "--plot",
    type=_OUTPUT,
    metavar="FILE",
    help="Draw the SDR of all songs, a box per stem and estimator: .png, .svg or .pdf. Needs the extra 'evaluate'.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there. Without it, that is an error.")
@click.pass_context
def evaluate(
    context: click.Context,
    folder: Path,
    checkpoint: Path | None,
    config: Path | None,
    settings: Mapping[str, object],
    lora: Path | None,
    options: "SeparatorOptions",
    estimates: Path | None,
    name: str | None,
    stems: dict[str, tuple[str, ...]] | None,
    missing_is_silent: bool,
    metrics: tuple[str, ...],
    csv: Path | None,
    json: Path | None,
    plot: Path | None,
    force: bool,
) -> None:
    """Score separated stems against the true ones of each song in FOLDER.

    FOLDER holds a folder per song, with a file per stem and mixture.wav, as MUSDB has it. Without a mixture, it is the
    sum of the stems. With --checkpoint, the model separates each mixture first; with --estimates, its stems are there
    already. Beside them, and alone without either, four anchors are scored that need no model: an ideal ratio mask, a
    static Wiener filter, the mixture itself, and silence.

    Songs, options and places of files are checked before the first song is scored. A song that fails after that is
    reported, the others are still scored, and the exit code is 2.
    """
    terminal = Terminal()
    outputs = Outputs(csv, json, plot)
    separator, estimate = None, None
    try:
        _check_options(context, checkpoint, estimates)
        name = _name(name, checkpoint, estimates)
        chosen = _chosen(metrics, plot)
        outputs.check(overwrite=force)
        there = song_folders(folder)
        given = None if estimates is None else estimated_stems(estimates)
        if checkpoint is not None:
            if stems is not None:  # what is missing is said before the model is loaded
                find_songs(folder, stems, missing_is_silent=missing_is_silent)
            with terminal.busy(f"loading {checkpoint.name}"):
                model = loaded(checkpoint, config, lora, needed_settings(settings, options))
                separator = separator_of(model, options)
            given = separator.stems
            for note in model.report.notes:
                terminal.warn(note)
            terminal.say(separator.computes_on)
            terminal.say(about_separator(checkpoint, separator))
        songs = find_songs(folder, _wanted(stems, given, there), missing_is_silent=missing_is_silent)
        if separator is not None:
            estimate = _by_model(separator)
        elif estimates is not None:
            estimate = _from_files(find_estimates(estimates, songs), terminal)
    except (DatasetError, OptionError, OutputError) as error:
        raise click.ClickException(str(error)) from error
    if "log_wmse" not in chosen and not metrics:
        terminal.say('log_wmse is left out; it needs: pip install "hfbs-separate[log-wmse]"')

    from ._evaluation._work import report, score_files

    scores: list[Score] = []
    failed: dict[str, str] = {}
    for number, files in enumerate(songs, start=1):
        place = f"[{number}/{len(songs)}] " if len(songs) > 1 else ""
        try:
            scores += score_files(files, estimate, name, chosen, terminal, place)
        except (AudioFileError, DatasetError, SeparationError) as error:
            failed[files.name] = str(error)
            terminal.fail(f"{files.name}: {error}" if isinstance(error, SeparationError) else str(error))
    if scores:
        about = {"folder": folder.absolute().name, "estimator": name if estimate else None}
        try:
            report(scores, chosen, failed, about, outputs, terminal)
        except OutputError as error:
            raise click.ClickException(str(error)) from error
    context.exit(2 if failed else 0)


def _check_options(context: click.Context, checkpoint: Path | None, estimates: Path | None) -> None:
    """Refuse options that would do nothing."""
    if checkpoint is not None and estimates is not None:
        raise OptionError("--checkpoint and --estimates exclude each other: a model is run, or its stems are there")
    if checkpoint is not None:
        return
    for parameter in context.command.params:
        if parameter.name in _FOR_A_MODEL and context.get_parameter_source(parameter.name) != ParameterSource.DEFAULT:
            raise OptionError(f"{parameter.opts[0]} is for a model: add --checkpoint, or leave it out")


def _name(name: str | None, checkpoint: Path | None, estimates: Path | None) -> str:
    """What to call the estimates; nothing where there are none."""
    if checkpoint is not None:
        name = name or checkpoint.stem
    elif estimates is not None:
        name = name or estimates.absolute().name
    elif name is not None:
        raise OptionError("--name names estimates: add --checkpoint or --estimates, or leave it out")
    if name in ANCHORS:
        raise OptionError(f"{name!r} is the name of an anchor, so estimates cannot bear it: give another with --name")
    return name or ""


def _chosen(metrics: tuple[str, ...], plot: Path | None) -> list[str]:
    try:
        chosen = choose_metrics(metrics or None)
        if plot is not None:
            import_extra("matplotlib", extra="evaluate", purpose="--plot")
    except ImportError as error:
        raise OptionError(str(error)) from error
    if plot is not None and "sdr" not in chosen:
        raise OptionError("--plot draws the SDR: add --metric sdr, or leave out --plot")
    return chosen


def _wanted(
    stems: Mapping[str, Sequence[str]] | None, given: Sequence[str] | None, there: Mapping[str, Mapping[str, Path]]
) -> Mapping[str, Sequence[str]] | None:
    """What to score: what is asked for, else what a model or estimates give, else (None) all that is there."""
    if stems is None:
        if given is None:
            return None
        check_other(given, there)
        return {stem: (stem,) for stem in given}
    unknown = [stem for stem in stems if given is not None and stem not in given]
    if unknown:
        raise OptionError(f"--stem {unknown[0]}: the estimates' stems are {', '.join(given or ())}; name one of them")
    return stems


def _by_model(separator: "Separator") -> Estimate:
    return lambda song, progress: separator.separate(song.mixture, song.sample_rate, progress=progress)


def _from_files(files: Mapping[str, Mapping[str, Path]], terminal: Terminal) -> Estimate:
    def estimate(song: Song, _progress: Progress | None) -> Mapping[str, Audio]:
        stems, odd = load_estimates(files[song.name], song)
        for warning in odd:
            terminal.warn(warning)
        return stems

    return estimate
