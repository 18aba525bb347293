"""The command ``hfbs separate``."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._decode import decode, open_song
from ._errors import AudioFileError, OptionError, OutputError, SeparationError
from ._loading import loaded
from ._options import DEVICES, PRECISIONS, SAMPLE_FORMATS, SampleFormat
from ._outputs import Job, check_folder, check_song_names, plan_jobs
from ._settings_option import FILE, settings_options
from ._terminal import Terminal, clock
from ._write import decibels, write_stems

if TYPE_CHECKING:
    from hfbs_model import Checkpoint

    from ._separator import Separator


@click.command(no_args_is_help=False)
@click.argument("songs", metavar="SONG...", nargs=-1, required=True, type=click.Path(path_type=Path))
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
    help="Stems go to FOLDER/<song's name>/<stem>.wav, each as long as its song and at its rate.",
    metavar="FOLDER",
)
@click.option(
    "--format",
    "sample_format",
    type=click.Choice(SAMPLE_FORMATS),
    default="float",
    show_default=True,
    help="Samples of the stems: 32-bit float, or 24-bit integers. Where 24 bits would clip, all stems of the song are "
    "turned down by the same gain, which is reported.",
)
@click.option("--force", is_flag=True, help="Overwrite stems that are there. Without it, that is an error.")
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="Where the model runs. auto: CUDA, else MPS, else the CPU.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="What attention and feed-forward layers compute in. auto: float32 on every device, the exact one; float16 is "
    "faster on most GPUs. Fourier transforms and sums are in float32 always.",
)
@click.option(
    "--overlap",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help="How many chunks cover each sample (a count, neither a fraction nor seconds): 4 takes twice as long as 2. "
    "Default: as the checkpoint has it.",
)
@click.option(
    "--chunk-seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Length of a chunk: what the model sees at once. Default: as the checkpoint has it.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="COUNT",
    help="How many chunks the model gets at once: more takes more memory and may be faster.",
)
@click.pass_context
def separate(
    context: click.Context,
    songs: tuple[Path, ...],
    checkpoint: Path,
    config: Path | None,
    settings: Mapping[str, object],
    lora: Path | None,
    folder: Path,
    sample_format: SampleFormat,
    force: bool,
    device: str,
    precision: str,
    overlap: int | None,
    chunk_seconds: float | None,
    batch_size: int,
) -> None:
    """Separate each SONG, any audio or video file that FFmpeg decodes, into its stems.

    All songs, options and places of stems are checked before the first song is separated. A song that fails after
    that is reported, the others are still separated, and the exit code is 2.
    """
    terminal = Terminal()
    try:
        check_song_names(songs, folder)
        check_folder(folder)
        for song in songs:
            open_song(song)
    except (AudioFileError, OutputError) as error:
        raise click.ClickException(str(error)) from error

    with terminal.busy(f"loading {checkpoint.name}"):
        if chunk_seconds is not None:  # overrules any chunk_size, which then need not be known
            settings = {"chunk_size": 1, **settings}
        model = loaded(checkpoint, config, lora, settings)
        separator = _separator(model, device, precision, overlap, chunk_seconds, batch_size)
    try:
        jobs = plan_jobs(songs, separator.stems, folder, overwrite=force)
    except OutputError as error:
        raise click.ClickException(str(error)) from error

    for note in model.report.notes:
        terminal.warn(note)
    terminal.say(separator.computes_on)
    terminal.say(_about(checkpoint, separator))
    failed = False
    for number, job in enumerate(jobs, start=1):
        try:
            place = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
            _separate_one(job, separator, sample_format, terminal, place)
        except (AudioFileError, OutputError) as error:
            failed = True
            terminal.fail(str(error))
        except SeparationError as error:
            failed = True
            terminal.fail(f"{job.song}: {error}")
    context.exit(2 if failed else 0)


def _separator(
    checkpoint: "Checkpoint",
    device: str,
    precision: str,
    overlap: int | None,
    chunk_seconds: float | None,
    batch_size: int,
) -> "Separator":
    from ._separator import Separator

    try:
        return Separator(
            checkpoint,
            device=device,
            precision=precision,
            overlap=overlap,
            chunk_seconds=chunk_seconds,
            batch_size=batch_size,
        )
    except OptionError as error:
        raise click.ClickException(str(error)) from error


def _about(checkpoint: Path, separator: "Separator") -> str:
    channels = "stereo" if separator.audio_channels == 2 else "mono"
    chunk = separator.chunk_size / separator.sample_rate
    cover = f"{separator.overlap} chunks cover" if separator.overlap > 1 else "1 chunk covers"
    return (
        f"{checkpoint.name}: {', '.join(separator.stems)}; {separator.sample_rate} Hz {channels}, "
        f"chunks of {chunk:.3g} s, {cover} each sample"
    )


def _separate_one(
    job: Job, separator: "Separator", sample_format: SampleFormat, terminal: Terminal, place: str
) -> None:
    began = time.monotonic()
    recording = decode(job.song)
    for warning in recording.warnings:
        terminal.warn(warning)
    channels, samples = recording.audio.shape
    seconds = samples / recording.sample_rate
    terminal.say(
        f"{place}{job.song.name}: {clock(seconds)}, {recording.sample_rate} Hz {'stereo' if channels == 2 else 'mono'}"
    )
    with terminal.bar(f"{place}separating") as progress:
        stems = separator.separate(recording.audio, recording.sample_rate, progress=progress)
    try:
        gain = write_stems(job.files, stems, recording.sample_rate, sample_format)
    except OSError as error:
        raise OutputError(f"{job.song}: its stems cannot be written: {error.strerror or error}") from error
    for file in job.files.values():
        terminal.wrote(file)
    if gain < 1:
        terminal.say(f"all stems turned down by {decibels(gain)} dB, so that 24 bits do not clip")
    took = time.monotonic() - began
    speed = f"{seconds / took:.3g} times as fast as real time"
    terminal.say(f"{clock(seconds)} of audio in {clock(took)}, {speed}")
