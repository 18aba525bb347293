"""The command ``hfbs download``."""

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ._download import DownloadError, download
from ._errors import OutputError
from ._output_place import check_folder
from .completion import known_models
from .terminal import Terminal

if TYPE_CHECKING:
    from hfbs_model import KnownCheckpoint

_SUFFIXES = (".ckpt", ".safetensors", ".pt", ".pth", ".th")
_LARGEST_WEIGHTS = 8 << 30  # bytes, where no source tells the size
_LARGEST_YAML = 1 << 20


@click.command("download")
@click.argument("name", shell_complete=known_models)
@click.option(
    "-o",
    "--output",
    "folder",
    default=Path(),
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the files go, as NAME.ckpt and NAME.yaml. Default: the current folder.",
    metavar="FOLDER",
)
@click.pass_context
def fetch(context: click.Context, name: str, folder: Path) -> None:
    """Download the weights of a community checkpoint, and the YAML that belongs to them.

    An interrupted download goes on where it stopped. A file appears under its name once it is whole and its SHA-256 is
    the one that the registry holds. hfbs models lists the names.
    """
    terminal = Terminal()
    with terminal.busy("reading the registry"):
        from hfbs_model import known_checkpoints

        checkpoint = next((known for known in known_checkpoints() if known.name == name), None)
    if checkpoint is None:
        raise click.ClickException(f"no checkpoint is named {name!r}: hfbs models lists them")
    try:
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except (OutputError, OSError) as error:
        raise click.ClickException(str(error)) from error
    terminal.say(f"licence of the weights: {checkpoint.licence or 'not stated; look at the page that they come from'}")
    try:
        _weights(checkpoint, folder, terminal)
        _yaml(checkpoint, folder, terminal)
    except DownloadError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        terminal.fail("interrupted; the same command goes on from there")
        context.exit(130)


def _weights(checkpoint: "KnownCheckpoint", folder: Path, terminal: Terminal) -> None:
    suffix = PurePosixPath(urlsplit(checkpoint.url).path).suffix
    target = folder / f"{checkpoint.name}{suffix if suffix in _SUFFIXES else '.ckpt'}"
    _fetch(checkpoint.url, target, checkpoint.sha256, checkpoint.size or _LARGEST_WEIGHTS, terminal)


def _yaml(checkpoint: "KnownCheckpoint", folder: Path, terminal: Terminal) -> None:
    if checkpoint.config_url is None:
        terminal.say("no YAML is published for these weights")
        return
    target = folder / f"{checkpoint.name}.yaml"
    _fetch(checkpoint.config_url, target, checkpoint.config_sha256, _LARGEST_YAML, terminal)


def _fetch(url: str, target: Path, sha256: str | None, max_bytes: int, terminal: Terminal) -> None:
    with terminal.bar(f"{target.name} from {urlsplit(url).hostname}") as progress:
        digest = download(url, target, sha256=sha256, max_bytes=max_bytes, progress=progress)
    if sha256 is None:
        terminal.say(f"no digest of {target.name} is published, so it is unchecked; its SHA-256 is {digest}")
    terminal.wrote(target)
