"""The options that say how a model separates, for every command that runs one."""

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ._errors import OptionError
from ._options import CHUNKINGS, DEVICES, PRECISIONS, device_names

if TYPE_CHECKING:
    from hfbs_model import Checkpoint
    from hfbs_model.export import ExportedCheckpoint

    from ._separator import Separator, SeparatorOptions


def checked_devices(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """The text, if it names devices."""
    try:
        device_names(text)
    except OptionError as error:
        raise click.BadParameter(str(error)) from error
    return text


def known_devices(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Names of devices that begin so."""
    return [device for device in DEVICES if device.startswith(incomplete)]


PRECISION = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="What attention and feed-forward layers compute in. auto: float16 on CUDA, bfloat16 on processors with "
    "fast bfloat16 products, else float32. Fourier transforms and sums are in float32 always.",
)
COMPILE = click.option(
    "--compile", "compiled", is_flag=True, help="Compile the model first: half a minute that GPUs make good."
)
_OPTIONS = (
    click.option(
        "--device",
        callback=checked_devices,
        shell_complete=known_devices,
        default="auto",
        show_default=True,
        metavar="DEVICE[,DEVICE...]",
        help="Where the model runs: cpu, cuda, cuda:1, mps, or auto: CUDA, else MPS, else the CPU. Several GPUs, as "
        "cuda:0,cuda:1, share the chunks of each song, which changes no stem.",
    ),
    PRECISION,
    click.option(
        "--chunking",
        type=click.Choice(CHUNKINGS),
        default=CHUNKINGS[0],
        show_default=True,
        help="How a song is cut and put together. msst, audio-separator: exactly as those programs do it, in float32 "
        "unless --precision says otherwise.",
    ),
    click.option(
        "--overlap",
        type=click.IntRange(min=1),
        metavar="COUNT",
        help="How many chunks cover each sample (a count, neither a fraction nor seconds): 4 takes twice as long as 2; "
        "1 is the fastest. Default: as the checkpoint has it.",
    ),
    click.option(
        "--chunk-seconds",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Length of a chunk: what the model sees at once. Default: as the checkpoint has it.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        metavar="COUNT",
        help="How many chunks the model gets at once. Default: 1, on CUDA as many as fit, at most 8. A processor takes "
        "up to four such batches side by side. Where memory runs out, it is halved.",
    ),
    click.option(
        "--shifts",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="COUNT",
        help="Average so many passes whose chunks begin in other places; each takes as long as one.",
    ),
    click.option(
        "--tta",
        "test_time_augmentation",
        is_flag=True,
        help="Average over the song as it is, with channels swapped, and with its polarity reversed: three times as "
        "long.",
    ),
    click.option(
        "--lowpass",
        type=click.FloatRange(min=0, min_open=True),
        metavar="HZ",
        help="Take away what the model gives above this frequency, where it knows nothing of music. Residuals are of "
        "what is left.",
    ),
    COMPILE,
)
NAMES = (
    "device",
    "precision",
    "chunking",
    "overlap",
    "chunk_seconds",
    "batch_size",
    "shifts",
    "test_time_augmentation",
    "lowpass",
    "compiled",
)
"""The parameters that these options give."""


def separator_options[F: Callable[..., object]](command: F) -> F:
    """Give a command the parameter ``options``, of :class:`~._separator.SeparatorOptions`."""

    @wraps(command)
    def collecting(*arguments: Any, **parameters: Any) -> object:
        options = {name: parameters.pop(name) for name in NAMES}
        return command(*arguments, options=options, **parameters)

    decorated = cast("F", collecting)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def needed_settings(settings: Mapping[str, object], options: "SeparatorOptions") -> Mapping[str, object]:
    """What to say of a checkpoint: with a length of chunks given, its own need not be known."""
    return settings if options.get("chunk_seconds") is None else {"chunk_size": 1, **settings}


def separator_of(checkpoint: "Checkpoint | ExportedCheckpoint", options: "SeparatorOptions") -> "Separator":
    """The separator, or an error of the command."""
    from ._separator import Separator

    try:
        return Separator(checkpoint, **options)
    except OptionError as error:
        raise click.ClickException(str(error)) from error


def about_separator(checkpoint: Path, separator: "Separator") -> str:
    """One line for people on what separates."""
    channels = "stereo" if separator.audio_channels == 2 else "mono"
    chunk = separator.chunk_size / separator.sample_rate
    cover = f"{separator.overlap} chunks cover" if separator.overlap > 1 else "1 chunk covers"
    return (
        f"{checkpoint.name}: {', '.join(separator.stems)}; {separator.sample_rate} Hz {channels}, "
        f"chunks of {chunk:.3g} s, {cover} each sample"
    )
