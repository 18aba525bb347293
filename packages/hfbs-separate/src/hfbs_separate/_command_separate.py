"""The command ``hfbs separate``."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._decode import open_song
from ._errors import AudioFileError, OptionError, OutputError, SeparationError
from ._loading import loaded
from ._one_song import Busy, begin, finished, separate_song
from ._options import COMBINATIONS, EXTENSIONS, SAMPLE_FORMATS, SampleFormat
from ._places import DEFAULT_NAMES, Job, plan_jobs, refuse_existing
from ._record import Recipe, sha256
from ._separator_options import about_separator, needed_settings, separator_of, separator_options
from ._settings_option import FILE, settings_options
from ._songs import find_songs
from ._source import STANDARD_INPUT
from ._write import decibels
from .completion import files, folders
from .terminal import Bars, Speech, Terminal, clock

if TYPE_CHECKING:
    from hfbs_model import Checkpoint

    from ._ensemble import Ensemble
    from ._separator import Separator, SeparatorOptions


def _listed(_context: click.Context, _option: click.Parameter, text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _numbers(_context: click.Context, _option: click.Parameter, text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(word) for word in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not of the form NUMBER[,NUMBER...], such as 2,1") from error


def _residuals(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> dict[str, list[str]]:
    residuals: dict[str, list[str]] = {}
    for text in texts:
        name, sign, stems = text.partition("=")
        listed = [word.strip() for word in stems.split(",") if word.strip()]
        if not (sign and name.strip() and listed):
            raise click.BadParameter(f"{text!r} is not of the form NAME=STEM[,STEM...], such as backing=drums,bass")
        residuals[name.strip()] = listed
    return residuals


@click.command(no_args_is_help=False)
@click.argument("songs", metavar="SONG...", nargs=-1, required=True, shell_complete=files)
@click.option(
    "--checkpoint",
    required=True,
    type=FILE,
    help="The model's weights: .safetensors, or a PyTorch file (.ckpt, .pt, .pth, .th, .bin). hfbs inspect shows what "
    "they tell by themselves.",
)
@settings_options
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    shell_complete=folders,
    help="Stems go to FOLDER/<song's name>/<stem>.wav, or as --name and --format have it, each as long as its song.",
    metavar="FOLDER",
)
@click.option(
    "--name",
    "names",
    default=DEFAULT_NAMES,
    show_default=True,
    metavar="TEMPLATE",
    help="Place of each stem below the output folder, without its ending. Songs from folders keep their place among "
    "folders besides.",
)
@click.option(
    "--format",
    "sample_format",
    type=click.Choice(SAMPLE_FORMATS),
    default="float",
    show_default=True,
    help="What the stems' files hold. float, 24, 16: WAV with 32-bit floats or with integers. flac, flac16: FLAC with "
    "24 or 16 bits. mp3, opus, m4a: lossy, at high bit rates. Where all but float would clip, all stems of the song "
    "are turned down by the same gain, which is reported.",
)
@click.option(
    "--stems", callback=_listed, metavar="STEM[,STEM...]", help="Give these stems only; others are not computed."
)
@click.option("--instrumental", is_flag=True, help="Give the mixture less the vocals as well.")
@click.option(
    "--residual",
    "residuals",
    multiple=True,
    callback=_residuals,
    metavar="NAME=STEM[,STEM...]",
    help="Give the mixture less these stems as well, under this name. May be given many times.",
)
@click.option("--force", is_flag=True, help="Overwrite stems that are there. Without it, that is an error.")
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Leave songs alone whose stems are there, made with the same settings: go on where a run was ended.",
)
@separator_options
@click.option(
    "--with",
    "others",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="Put this model's stems together with those of --checkpoint: a file by hfbs convert, which needs no YAML. May "
    "be given many times. Only stems that all models have are given.",
)
@click.option(
    "--combine",
    type=click.Choice(COMBINATIONS),
    default=COMBINATIONS[0],
    show_default=True,
    help="How the stems of several models are put together: sample by sample, or -fft: each value of their short-time "
    "Fourier transforms by its magnitude.",
)
@click.option(
    "--weights",
    callback=_numbers,
    metavar="NUMBER[,NUMBER...]",
    help="How much each model counts in mean and mean-fft, --checkpoint first. Default: all the same.",
)
@click.option(
    "--crossover",
    callback=_numbers,
    metavar="HZ[,HZ...]",
    help="Instead of --combine: take the stems of --checkpoint below this frequency and those of --with above it; with "
    "more models, each between two ascending frequencies.",
)
@click.option("--quiet", "speech", flag_value="quiet", help="Say nothing but warnings, errors and the files written.")
@click.option("--json", "speech", flag_value="json", help="Say everything as JSON lines on stdout, progress included.")
@click.pass_context
def separate(
    context: click.Context,
    songs: tuple[str, ...],
    checkpoint: Path,
    config: Path | None,
    settings: Mapping[str, object],
    lora: Path | None,
    folder: Path,
    names: str,
    sample_format: SampleFormat,
    stems: list[str] | None,
    instrumental: bool,
    residuals: dict[str, list[str]],
    force: bool,
    skip_existing: bool,
    options: "SeparatorOptions",
    others: tuple[Path, ...],
    combine: str,
    weights: list[float] | None,
    crossover: list[float] | None,
    speech: Speech | None,
) -> None:
    """Separate each SONG into its stems: any audio or video file that FFmpeg decodes, a folder of them, a pattern such
    as '**/*.flac', or - for standard input.

    Options, places of stems, and songs that were named themselves are checked before the first song is separated. A
    song that fails after that is reported, the others are still separated, and the exit code is 2. Beside the stems, a
    JSON file says how they were made.
    """
    terminal = Terminal(speech or "lines")
    if not others and (weights is not None or combine != COMBINATIONS[0]):
        raise click.UsageError("--combine and --weights are of several models: name the others by --with")
    if not others and crossover is not None:
        raise click.UsageError("--crossover is between two models or more: name the others by --with")
    if crossover is not None and (weights is not None or combine != COMBINATIONS[0]):
        raise click.UsageError(
            "--crossover gives each model its own frequencies, --combine and --weights mix models at all frequencies: "
            "leave out one or the other"
        )
    if force and skip_existing:
        raise click.UsageError("--force overwrites stems, --skip-existing leaves them alone: give one of them")
    try:
        found = find_songs(songs, output=folder)
        # Whatever the stems' names turn out to be: before the model is loaded, which takes long.
        plan_jobs(found, ("stem",), folder, names=names, extension=EXTENSIONS[sample_format])
        for named in found:
            if named.song != STANDARD_INPUT and str(named.song) in songs:
                open_song(named.song)
    except (AudioFileError, OutputError) as error:
        raise click.ClickException(str(error)) from error

    with terminal.busy(f"loading {checkpoint.name}"):
        model = loaded(checkpoint, config, lora, needed_settings(settings, options))
        if instrumental:
            residuals = {"instrumental": [_vocals_of(model)], **residuals}
        options = {**options, "stems": stems, "residuals": residuals}
        separator = separator_of(model, options)
        about = [about_separator(checkpoint, separator)]
        if others:
            separators = [separator, *(separator_of(loaded(other, None, None, {}), options) for other in others)]
            about += [about_separator(other, one) for other, one in zip(others, separators[1:], strict=True)]
            separator = _ensemble(separators, combine, weights, crossover)
        recipe = _recipe(separator, checkpoint, config, lora, others, settings, residuals, sample_format)
    try:
        jobs = plan_jobs(found, separator.stems, folder, names=names, extension=EXTENSIONS[sample_format])
        if not force and not skip_existing:
            refuse_existing(jobs)
    except OutputError as error:
        raise click.ClickException(str(error)) from error

    for told in model.report.notes:
        terminal.warn(told)
    terminal.say(separator.computes_on)
    for line in about:
        terminal.say(line)
    try:
        failed = _separate_all(jobs, separator, recipe, sample_format, terminal, skip_existing=skip_existing)
    except KeyboardInterrupt:
        again = shlex.join(["hfbs", *sys.argv[1:], *([] if skip_existing or force else ["--skip-existing"])])
        terminal.fail(f"interrupted; the song in work left nothing behind. Go on with: {again}")
        context.exit(130)
    context.exit(2 if failed else 0)


def _ensemble(
    separators: "list[Separator]", combine: str, weights: list[float] | None, crossover: list[float] | None
) -> "Ensemble":
    from ._ensemble import Ensemble

    try:
        return Ensemble(separators, combine=combine, weights=weights, crossover=crossover)
    except OptionError as error:
        raise click.ClickException(str(error)) from error


def _vocals_of(checkpoint: "Checkpoint") -> str:
    """The stem that is no instrument: by its name, else the first one, as MSST has it."""
    named = (stem for stem in checkpoint.stems if stem.casefold() in ("vocals", "vocal", "voice"))
    return next(named, checkpoint.stems[0])


def _recipe(
    separator: "Separator | Ensemble",
    checkpoint: Path,
    config: Path | None,
    lora: Path | None,
    others: tuple[Path, ...],
    settings: Mapping[str, object],
    residuals: Mapping[str, list[str]],
    sample_format: SampleFormat,
) -> Recipe:
    files = {"weights": checkpoint, "config": config, "lora": lora}
    return Recipe(
        checkpoint={
            **{kind: {"file": file.name, "sha256": sha256(file)} for kind, file in files.items() if file is not None},
            "with": [{"file": file.name, "sha256": sha256(file)} for file in others],
            "settings": settings,
        },
        separation=separator.settings | {"residuals": residuals},
        sample_format=sample_format,
    )


def _separate_all(
    jobs: list[Job],
    separator: "Separator | Ensemble",
    recipe: Recipe,
    sample_format: SampleFormat,
    terminal: Terminal,
    *,
    skip_existing: bool,
) -> bool:
    """Whether a song failed."""
    failed = False
    skipped = 0
    with terminal.bars([job.song for job in jobs]) as bars:
        for number, job in enumerate(jobs, start=1):
            place = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
            seconds = None
            try:
                if skip_existing and finished(job, recipe):
                    skipped += 1
                else:
                    seconds = _separate_one(job, separator, recipe, sample_format, terminal, bars, place)
            except Busy as busy:
                terminal.warn(str(busy))
            except (AudioFileError, OutputError, SeparationError) as error:
                failed = True
                terminal.fail(str(error))
            bars.next_song(seconds)
    if skipped:
        terminal.say(f"{skipped} song{'s' if skipped > 1 else ''} left alone, whose stems are there")
    return failed


def _separate_one(
    job: Job,
    separator: "Separator | Ensemble",
    recipe: Recipe,
    sample_format: SampleFormat,
    terminal: Terminal,
    bars: Bars,
    place: str,
) -> float:
    """Seconds of audio."""
    song = begin(job)
    bars.begin_song(song.seconds)
    length = "" if song.seconds is None else f"{clock(song.seconds)}, "
    terminal.say(f"{place}{song.path.name}: {length}{song.sample_rate} Hz {'stereo' if song.channels == 2 else 'mono'}")
    done = separate_song(
        job,
        song,
        separator,
        recipe,
        sample_format,
        note=terminal.warn,
        bar=lambda work: bars.of(f"{place}{work}"),
    )
    for file in job.files.values():
        terminal.wrote(file)
    if done.gain < 1:
        terminal.say(f"all stems turned down by {decibels(done.gain)} dB, so that none clips")
    seconds = done.samples / song.sample_rate
    speed = f"{seconds / done.took:.3g} times as fast as real time"
    terminal.say(f"{clock(seconds)} of audio in {clock(done.took)}, {speed}")
    return seconds
