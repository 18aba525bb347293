"""The command ``hfbs convert``."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._checkpoint_option import CHECKPOINT
from ._errors import OutputError
from ._loading import loaded_checkpoint
from ._output_place import check_new_file, is_there
from ._settings_option import settings_options
from .terminal import Terminal

if TYPE_CHECKING:
    from hfbs_model import Checkpoint

_OURS = ".safetensors"


@click.command()
@click.argument("old", type=CHECKPOINT)
@click.argument("new", type=click.Path(dir_okay=False, path_type=Path))
@settings_options
@click.option("--half", is_flag=True, help="Store weights in float16, which halves the file. For .safetensors only.")
@click.option("--force", is_flag=True, help="Overwrite files that are there. Without it, that is an error.")
def convert(
    old: Path,
    new: Path,
    config: Path | None,
    settings: Mapping[str, object],
    lora: Path | None,
    half: bool,
    force: bool,
) -> None:
    """Convert the checkpoint OLD, a file or 'demo', to NEW.

    NEW.safetensors is one file that needs no YAML: it holds all settings, and whence it is. NEW.ckpt is MSST's layout,
    with NEW.yaml beside it.
    """
    terminal = Terminal()
    files = [new] if new.suffix == _OURS else [new, new.with_suffix(".yaml")]
    if half and new.suffix != _OURS:
        raise click.ClickException(f"--half is for {_OURS}, got {new.name}: leave it out, or name {new.stem}{_OURS}")
    for file in files:
        check_place(file, [each for each in (old, config, lora) if each is not None], force)
    with terminal.busy(f"reading {old.name}"):
        checkpoint = loaded_checkpoint(old, config, lora, settings)
    for note in checkpoint.report.notes:
        terminal.warn(note)
    with terminal.busy(f"writing {new.name}"):
        if new.suffix == _OURS:
            checkpoint = replace(checkpoint, provenance=provenance(checkpoint, old, config, lora))
        try:
            _save(checkpoint, new, half)
        except ValueError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{new} cannot be written: {error.strerror or error}") from error
    for file in files:
        terminal.wrote(file)


def check_place(file: Path, sources: list[Path], force: bool, work: str = "conversion") -> None:
    """Refuse a place for a new file.

    Args:
        file: where it is to go.
        sources: files that it is made of.
        force: whether it may replace another.
        work: what is done, in a word.

    Raises:
        click.ClickException: it is one of these files, or as :func:`~._output_place.check_new_file`.
    """
    another = "name another place"
    try:
        if is_there(file, another) and any(file.samefile(source) for source in sources):
            raise OutputError(f"{file} is read for this {work}, and would be overwritten: {another}")
        check_new_file(file, another, overwrite=force)
    except OutputError as error:
        raise click.ClickException(str(error)) from error


def _save(checkpoint: "Checkpoint", new: Path, half: bool) -> None:
    import torch

    from hfbs_model import save_checkpoint, save_msst_checkpoint

    if new.suffix == _OURS:
        save_checkpoint(checkpoint, new, dtype=torch.float16 if half else None)
    else:
        save_msst_checkpoint(checkpoint, new)


def provenance(checkpoint: "Checkpoint", old: Path, config: Path | None, lora: Path | None) -> dict[str, str]:
    """Names and digests of what the new file is made of; what the old file says of itself is kept beside it."""
    provenance = {"file": old.name, "sha256": _sha256(old), "hfbs-model": version("hfbs-model")}
    if config is not None:
        provenance["config"] = config.name
    if lora is not None:
        provenance |= {"lora": lora.name, "lora_sha256": _sha256(lora)}
    earlier = {key: value for key, value in checkpoint.provenance.items() if key.startswith("origin.")}
    return provenance | (earlier or {f"origin.{key}": value for key, value in checkpoint.provenance.items()})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
