"""The command ``hfbs inspect``."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._checkpoint_option import CHECKPOINT
from ._errors import OptionError
from ._loading import inspected
from ._options import samples_per_chunk
from ._settings_option import settings_options
from .terminal import Terminal

if TYPE_CHECKING:
    from hfbs_model import Inspection

_USUAL = {"sample_rate": 44100, "chunk_size": 352800}


@click.command()
@click.argument("file", type=CHECKPOINT)
@settings_options
@click.option(
    "--chunk-seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Predict the memory for chunks of this length. Default: as the checkpoint has it.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="COUNT",
    help="Predict the memory for so many chunks at once.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all of it, for programs.")
@click.pass_context
def inspect(
    context: click.Context,
    file: Path,
    config: Path | None,
    settings: Mapping[str, object],
    lora: Path | None,
    chunk_seconds: float | None,
    batch_size: int,
    as_json: bool,
) -> None:
    """Show what the checkpoint FILE is: its architecture, bands, parameters, memory, and where each setting is from.

    FILE may be 'demo', the small model that comes with hfbs. Weights alone are enough; what they do not tell is listed
    with its usual values. No model is built and no code in the file run. The exit code is 1 where YAML or --set
    contradict the weights.
    """
    terminal = Terminal()
    with terminal.busy(f"reading {file.name}"):
        inspection = inspected(file, config, lora, settings)
        try:
            memory = memory_of(inspection, chunk_seconds, batch_size)
        except OptionError as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        from ._inspection_json import as_document

        sys.stdout.write(json.dumps(as_document(file, inspection, memory), indent=2, ensure_ascii=False) + "\n")
    else:
        from ._screen import show

        show(file, inspection, memory)
    context.exit(1 if inspection.report.differences else 0)


@dataclass(frozen=True)
class Memory:
    """A prediction of the memory for separation.

    Attributes:
        needed: Bytes; None where there is no prediction.
        why_not: The reason for that.
        samples: Length of a chunk.
        sample_rate: In Hz.
        batch_size: Chunks at once.
        supposed: Values that nobody tells, taken for this prediction alone.
    """

    needed: int | None
    why_not: str
    samples: int
    sample_rate: int
    batch_size: int
    supposed: Mapping[str, int]


def memory_of(inspection: "Inspection", chunk_seconds: float | None, batch_size: int) -> Memory:
    """Predict the memory, taking usual values for what nobody tells.

    Raises:
        OptionError: A length of chunks that is none.
    """
    from hfbs_model import inference_memory

    supposed: dict[str, int] = {}

    def known(keyword: str, usual: int) -> int:
        value = inspection.values.get(keyword)
        if isinstance(value, int):
            return value
        supposed[keyword] = usual
        return usual

    sample_rate = known("sample_rate", _USUAL["sample_rate"])
    if chunk_seconds is None:
        samples = known("chunk_size", _USUAL["chunk_size"])
    else:
        samples = samples_per_chunk(chunk_seconds, sample_rate)
    if inspection.variants:
        return Memory(None, "not predicted for research variants", samples, sample_rate, batch_size, supposed)
    if inspection.layout is None:
        return Memory(None, "not predicted without the bands", samples, sample_rate, batch_size, supposed)
    n_fft = known("stft_n_fft", inspection.layout.n_fft)
    keywords = inspection.keywords
    keywords["stft_win_length"] = inspection.values.get("stft_win_length", n_fft)
    keywords["stft_hop_length"] = known("stft_hop_length", 441 * n_fft // 2048)
    try:
        needed = inference_memory(keywords, samples=samples, batch_size=batch_size)
    except ValueError as error:
        return Memory(None, f"not predicted: {error}", samples, sample_rate, batch_size, supposed)
    return Memory(needed, "", samples, sample_rate, batch_size, supposed)
