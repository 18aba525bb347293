"""A checkpoint for a command: whatever is wrong with it is one line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hfbs_model import Checkpoint, Inspection


def loaded(checkpoint: Path, config: Path | None, lora: Path | None, settings: Mapping[str, object]) -> "Checkpoint":
    """What :func:`hfbs_model.load_checkpoint` gives. Only here is PyTorch loaded, which takes seconds.

    Raises:
        click.ClickException: It cannot be loaded.
    """
    from hfbs_model import load_checkpoint

    return _in_one_line(load_checkpoint, checkpoint, config, lora, settings)


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

    try:
        return read(checkpoint, config, lora=lora, **settings)
    except (CheckpointError, ConfigError) as error:
        raise click.ClickException(str(error)) from error
    except TypeError as error:
        if not settings:
            raise
        raise click.ClickException(f"--set: {error}") from error
