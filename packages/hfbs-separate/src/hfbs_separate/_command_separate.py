"""The command ``hfbs separate``."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ._attempt import Work
from ._checkpoint_option import ABOUT_DEMO, CHECKPOINT, DEMO
from ._cluster import check_device, check_installed, checked_here, separate_on_cluster
from ._cluster_worker import Order
from ._decode import open_song
from ._errors import AudioFileError, ClusterError, OptionError, OutputError
from ._model import Model, ModelFiles
from ._options import COMBINATIONS, ENGINES, EXTENSIONS, SAMPLE_FORMATS, SampleFormat
from ._places import DEFAULT_NAMES, Job, plan_jobs, refuse_existing
from ._remote import Place, place_of
from ._separator_options import separator_options
from ._settings_option import settings_options
from ._songs import find_songs
from ._source import STANDARD_INPUT
from .completion import files, folders
from .demo import MODEL
from .terminal import Speech, Terminal

if TYPE_CHECKING:
    from ._separator import SeparatorOptions


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
        if name.strip() in residuals:
            raise click.BadParameter(f"{name.strip()} is given twice, as {text!r} the second time: give each one once")
        residuals[name.strip()] = listed
    return residuals


def _place(_context: click.Context, _option: click.Parameter, text: str) -> Place:
    try:
        return place_of(text)
    except OptionError as error:
        raise click.BadParameter(str(error)) from error


@click.command(no_args_is_help=False)
@click.argument("songs", metavar="SONG...", nargs=-1, required=True, shell_complete=files)
@click.option(
    "--checkpoint",
    type=CHECKPOINT,
    default=DEMO,
    show_default=True,
    help="The model's weights: .safetensors, or a PyTorch file (.ckpt, .pt, .pth, .th, .bin), of which hfbs inspect "
    "shows what they tell by themselves; or .onnx by hfbs export, which runs under onnxruntime. demo: the small model "
    "that comes with hfbs, for vocals and instrumental.",
)
@settings_options
@click.option(
    "-o",
    "--output",
    "folder",
    default="stems",
    show_default=True,
    callback=_place,
    shell_complete=folders,
    help="Stems go to FOLDER/<song's name>/<stem>.wav, or as --name and --format have it, each as long as its song. "
    "FOLDER may be a URL, such as s3://bucket/stems.",
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
    type=CHECKPOINT,
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
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="Where songs are separated. local: here, one after the other. ray: on the workers of a Ray cluster, each with "
    'the model; needs pip install "hfbs-separate[ray]".',
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help="With --engine ray, how many songs are separated at a time, each on one CPU, or GPU where there are such. "
    "Default: as many as there are.",
)
@click.option(
    "--ray-address",
    envvar="RAY_ADDRESS",
    metavar="ADDRESS",
    help="With --engine ray, the cluster: HOST:PORT, or auto for the one that this machine belongs to. Default: the "
    "environment variable RAY_ADDRESS, else one of this machine alone, for this run.",
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
    folder: Place,
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
    engine: str,
    workers: int | None,
    ray_address: str | None,
    speech: Speech | None,
) -> None:
    """Separate each SONG into its stems: any audio or video file that FFmpeg decodes, a folder of them, a pattern such
    as '**/*.flac', a URL of these such as s3://bucket/songs, or - for standard input.

    Options, places of stems, and songs that were named themselves are checked before the first song is separated. A
    song that fails after that is reported, the others are still separated, and the exit code is 2. Beside the stems, a
    JSON file says how they were made.
    """
    context.find_root().obj = terminal = Terminal(speech or "lines")
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
    on_cluster = engine == "ray"
    if not on_cluster:
        for name in ("workers", "ray_address"):
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name.replace('_', '-')} is of a Ray cluster: add --engine ray")
    try:
        if on_cluster:
            check_installed()
            check_device(options.get("device", "auto"))
        found = find_songs(songs, output=folder)
        if on_cluster and any(named.song == STANDARD_INPUT for named in found):
            raise OptionError("- is this machine's standard input, which no worker of a cluster has: name a file")
        # Whatever the stems' names turn out to be: before the model is loaded, which takes long.
        plan_jobs(found, ("stem",), folder, names=names, extension=EXTENSIONS[sample_format])
        for named in found:
            if isinstance(named.song, Path) and named.song != STANDARD_INPUT and str(named.song) in songs:
                open_song(named.song)
    except (AudioFileError, OptionError, OutputError) as error:
        raise click.ClickException(str(error)) from error

    model = Model(
        ModelFiles(checkpoint, config, lora, others),
        settings,
        {**options, "stems": stems},
        residuals,
        instrumental,
        combine,
        weights,
        crossover,
    )
    with terminal.busy(f"loading {checkpoint.name}"):
        # Of a cluster, the workers know what their devices can do.
        built = (replace(model, options=checked_here(model.options)) if on_cluster else model).build()
        digests = model.files.digests()
    try:
        jobs = plan_jobs(found, built.separator.stems, folder, names=names, extension=EXTENSIONS[sample_format])
        if not force and not skip_existing:
            refuse_existing(jobs, folder)
    except OutputError as error:
        raise click.ClickException(str(error)) from error

    for told in built.notes:
        terminal.warn(told)
    if not on_cluster:
        terminal.say(built.separator.computes_on)
    for line in built.about:
        terminal.say(line)
    if checkpoint == MODEL:
        terminal.say(ABOUT_DEMO)
    try:
        if on_cluster:
            order = Order(model, digests, sample_format, skip_existing)
            failed = separate_on_cluster(jobs, order, terminal, workers=workers, address=ray_address)
        else:
            recipe = built.recipe(digests, settings, sample_format)
            failed = _separate_here(jobs, Work(built.separator, recipe, sample_format, skip_existing), terminal)
    except KeyboardInterrupt:
        again = shlex.join(["hfbs", *sys.argv[1:], *([] if skip_existing or force else ["--skip-existing"])])
        typed = context.parent is context.find_root()  # and not one of the commands of hfbs demo
        terminal.fail(f"interrupted; the work at hand left nothing behind{f'. Go on with: {again}' if typed else ''}")
        context.exit(130)
    except ClusterError as error:
        raise click.ClickException(str(error)) from error
    context.exit(2 if failed else 0)


def _separate_here(jobs: list[Job], work: Work, terminal: Terminal) -> bool:
    """Whether a song failed."""
    failed = False
    skipped = 0
    with terminal.bars([job.song for job in jobs]) as bars:
        for number, job in enumerate(jobs, start=1):
            place = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""

            def begun(song: str, seconds: float | None, place: str = place) -> None:
                bars.begin_song(seconds)
                terminal.say(f"{place}{song}")

            outcome = work.attempt(
                job,
                begun=begun,
                note=terminal.warn,
                bar=lambda doing, place=place: bars.of(f"{place}{doing}"),
            )
            outcome.tell(job, terminal)
            failed |= outcome.kind == "failed"
            skipped += outcome.kind == "skipped"
            bars.next_song(outcome.seconds if outcome.kind == "done" else None)
    if skipped:
        terminal.say(f"{skipped} song{'s' if skipped > 1 else ''} left alone, whose stems are there")
    return failed
