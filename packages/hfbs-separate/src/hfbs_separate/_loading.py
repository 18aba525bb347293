"""A checkpoint for a command: whatever is wrong with it is one line."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hfbs_model import Checkpoint, Inspection
    from hfbs_model.export import ExportedCheckpoint

EXPORTED = ".onnx"
"""How the name of a core ends that was exported."""
_CHUNKS = ("chunk_size", "num_overlap")


def loaded(
    checkpoint: Path, config: Path | None, lora: Path | None, settings: Mapping[str, object]
) -> "Checkpoint | ExportedCheckpoint":
    """What separates: a checkpoint, or an exported core by its file's name. Only here is PyTorch loaded, which takes
    seconds.

    Raises:
        click.ClickException: It cannot be loaded.
    """
    if checkpoint.suffix == EXPORTED:
        return _exported(checkpoint, config, lora, settings)
    return loaded_checkpoint(checkpoint, config, lora, settings)


def loaded_checkpoint(
    checkpoint: Path, config: Path | None, lora: Path | None, settings: Mapping[str, object]
) -> "Checkpoint":
    """What :func:`hfbs_model.load_checkpoint` gives.

    Raises:
        click.ClickException: It cannot be loaded.
    """
    from hfbs_model import load_checkpoint

    return _in_one_line(load_checkpoint, checkpoint, config, lora, settings)


def _exported(
    core: Path, config: Path | None, lora: Path | None, settings: Mapping[str, object]
) -> "ExportedCheckpoint":
    """What :func:`hfbs_model.export.load_exported` gives, with other chunks where they are asked for."""
    for option, file in (("--config", config), ("--lora", lora)):
        if file is not None:
            raise click.ClickException(
                f"{option} is for weights, and {core.name} is a core that was exported with all its settings: "
                f"leave it out, or give it to hfbs export"
            )
    fixed = [name for name in settings if name not in _CHUNKS]
    if fixed:
        raise click.ClickException(
            f"--set: {fixed[0]} was settled when {core.name} was exported, of which {' and '.join(_CHUNKS)} alone may "
            "be set: leave it out, or give it to hfbs export"
        )
    from hfbs_model import CheckpointError
    from hfbs_model.export import load_exported

    try:
        return replace(load_exported(core), **{name: _count(name, value) for name, value in settings.items()})
    except (CheckpointError, ImportError) as error:
        raise click.ClickException(str(error)) from error


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise click.ClickException(f"--set: {name} is a whole number from 1 up, got {value!r}")
    return value


def inspected(checkpoint: Path, config: Path | None, lora: Path | None, settings: Mapping[str, object]) -> "Inspection":
    """What :func:`hfbs_model.inspect_checkpoint` gives.

    Raises:
        click.ClickException: It cannot be read.
    """
    from hfbs_model import inspect_checkpoint

    return _in_one_line(inspect_checkpoint, checkpoint, config, lora, settings)


def _in_one_line[T](
    read: Callable[..., T],
    checkpoint: Path,
    config: Path | None,
    lora: Path | None,
    settings: Mapping[str, object],
) -> T:
    from hfbs_model import CheckpointError, ConfigError

    if checkpoint.suffix == EXPORTED:
        raise click.ClickException(
            f"{checkpoint} is a core that was exported, and this reads weights: name the checkpoint that it was made "
            f"of; what the core is stands in {checkpoint.with_suffix('.json').name} beside it"
        )
    try:
        return read(checkpoint, config, lora=lora, **settings)
    except (CheckpointError, ConfigError) as error:
        raise click.ClickException(str(error)) from error
    except TypeError as error:
        if not settings:
            raise
        raise click.ClickException(f"--set: {error}") from error
