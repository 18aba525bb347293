"""The command ``hfbs-train from-msst``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click
import yaml

from hfbs_separate.terminal import Terminal

from ._errors import ConfigurationError

_FOLDER = click.Path(path_type=Path)


@click.command("from-msst")
@click.argument("configuration", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--songs", multiple=True, required=True, type=_FOLDER, help="Songs to train on. May be given many times.")
@click.option("--validation", multiple=True, type=_FOLDER, help="Songs to measure with. May be given many times.")
def from_msst(configuration: Path, songs: tuple[Path, ...], validation: tuple[Path, ...]) -> None:
    """Write MSST's YAML file CONFIGURATION as one for hfbs-train run, on stdout; what does not carry over is listed."""
    from hfbs_model import ConfigError
    from hfbs_model.files import read_yaml

    from ._configuration import RunConfiguration
    from ._msst import translated

    try:
        translation = translated(read_yaml(configuration))
        document = translation.document
        document["data"] = {"songs": [str(place) for place in songs], **translation.data}
        if validation:
            document["validation"] = {"songs": [str(place) for place in validation]}
        RunConfiguration.of(document)
    except (ConfigError, ConfigurationError) as error:
        raise click.ClickException(f"{configuration}: {error}") from error
    terminal = Terminal(program="hfbs-train")
    for sentence in translation.left_out:
        terminal.warn(f"not carried over: {sentence}")
    yaml.safe_dump(_plain(document), sys.stdout, sort_keys=False, default_flow_style=None)


def _plain(value: Any) -> Any:
    """Lists for tuples, which YAML has no plain word for."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("Sequence[object]", value)]
    return value
