"""The command ``hfbs export``."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from ._checkpoint_option import CHECKPOINT
from ._command_convert import check_place, provenance
from ._loading import EXPORTED, loaded_checkpoint
from ._settings_option import settings_options
from .terminal import Terminal


@click.command()
@click.argument("checkpoint", type=CHECKPOINT)
@click.argument("core", type=click.Path(dir_okay=False, path_type=Path))
@settings_options
@click.option(
    "--int8", is_flag=True, help="Store weights in 8 bits, which quarters the file. What it costs is in the guide."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there. Without it, that is an error.")
def export(
    checkpoint: Path,
    core: Path,
    config: Path | None,
    settings: Mapping[str, object],
    lora: Path | None,
    int8: bool,
    force: bool,
) -> None:
    """Export CHECKPOINT, a file or 'demo', to CORE.onnx, which runs without PyTorch.

    CORE.onnx is the model between the Fourier transforms: spectrum in, masks out. CORE.json beside it holds what a host
    has to know besides; CORE.onnx holds a copy. hfbs separate and hfbs evaluate take CORE.onnx as --checkpoint.
    """
    terminal = Terminal()
    if core.suffix != EXPORTED:
        raise click.ClickException(f"a core is exported as {EXPORTED}, got {core.name}: name it {core.stem}{EXPORTED}")
    files = [core, core.with_suffix(".json")]
    for file in files:
        check_place(file, [each for each in (checkpoint, config, lora) if each is not None], force, "export")
    with terminal.busy(f"reading {checkpoint.name}"):
        loaded = loaded_checkpoint(checkpoint, config, lora, settings)
    for note in loaded.report.notes:
        terminal.warn(note)
    from hfbs_model.export import export_onnx

    with terminal.busy(f"writing {core.name}"):
        loaded = replace(loaded, provenance=provenance(loaded, checkpoint, config, lora))
        try:
            export_onnx(loaded, core, int8=int8)
        except (ValueError, RuntimeError, ImportError) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{core} cannot be written: {error.strerror or error}") from error
    for file in files:
        terminal.wrote(file)
