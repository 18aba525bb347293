"""The options that say how a model runs, and the separator that they make."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._errors import OptionError
from ._options import DEVICES, PRECISIONS

if TYPE_CHECKING:
    from hfbs_model import Checkpoint

    from ._separator import Separator


def separator_options[F: Callable[..., object]](command: F) -> F:
    """Give a command the parameters ``device``, ``precision``, ``overlap``, ``chunk_seconds`` and ``batch_size``."""
    options = (
        click.option(
            "--device",
            type=click.Choice(DEVICES),
            default="auto",
            show_default=True,
            help="Where the model runs. auto: CUDA, else MPS, else the CPU.",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default="auto",
            show_default=True,
            help="What attention and feed-forward layers compute in. auto: float32 on every device, the exact one; "
            "float16 is faster on most GPUs. Fourier transforms and sums are in float32 always.",
        ),
        click.option(
            "--overlap",
            type=click.IntRange(min=1),
            metavar="COUNT",
            help="How many chunks cover each sample (a count, neither a fraction nor seconds): 4 takes twice as long "
            "as 2. Default: as the checkpoint has it.",
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
            default=1,
            show_default=True,
            metavar="COUNT",
            help="How many chunks the model gets at once: more takes more memory and may be faster.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def separator_of(
    checkpoint: "Checkpoint",
    device: str,
    precision: str,
    overlap: int | None,
    chunk_seconds: float | None,
    batch_size: int,
) -> "Separator":
    """The separator around a checkpoint.

    Raises:
        click.ClickException: An option cannot be honoured.
    """
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


def about_separator(checkpoint: Path, separator: "Separator") -> str:
    """What runs, in one line."""
    channels = "stereo" if separator.audio_channels == 2 else "mono"
    chunk = separator.chunk_size / separator.sample_rate
    cover = f"{separator.overlap} chunks cover" if separator.overlap > 1 else "1 chunk covers"
    return (
        f"{checkpoint.name}: {', '.join(separator.stems)}; {separator.sample_rate} Hz {channels}, "
        f"chunks of {chunk:.3g} s, {cover} each sample"
    )
