"""The options ``--config``, ``--set`` and ``--lora``, which say what weights do not tell."""

from collections.abc import Callable, Mapping
from pathlib import Path

import click
import yaml

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_OWN_OPTIONS = {"path": "it is the checkpoint itself", "config": "use --config", "lora": "use --lora"}


def settings_options[F: Callable[..., object]](command: F) -> F:
    """Give a command the parameters ``config``, ``settings`` and ``lora``, for :func:`hfbs_model.load_checkpoint`."""
    options = (
        click.option(
            "--config",
            type=FILE,
            help="The YAML file that came with the weights, in MSST's words. Not needed for files by hfbs convert, "
            "nor where --set says what weights do not tell.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            callback=_settings,
            metavar="NAME=VALUE",
            help="Say what neither weights nor YAML tell, or overrule the YAML: --set stft_hop_length=441 --set "
            "zero_dc=false --set 'stems=[vocals, other]'. VALUE is YAML. May be given many times.",
        ),
        click.option(
            "--lora",
            type=FILE,
            help="LoRA adapters for these weights, merged into them; needs lora_alpha from the YAML or --set.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def parse_setting(text: str) -> tuple[str, object]:
    """Name and value of ``NAME=VALUE``, the value read as YAML, of which nothing is constructed.

    Raises:
        click.BadParameter: No such pair, a name that is an option of its own, or no YAML.
    """
    name, sign, given = text.partition("=")
    name = name.strip()
    if not sign or not name.isidentifier() or not given.strip():
        raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE, such as stft_hop_length=441")
    if name in _OWN_OPTIONS:
        raise click.BadParameter(f"{name} is no setting: {_OWN_OPTIONS[name]}")
    try:
        return name, yaml.safe_load(given)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise click.BadParameter(
            f"the value of {text!r} is no plain YAML ({problem}); write true, 441, name, or [name, name] in quotes"
        ) from error


def _settings(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> Mapping[str, object]:
    settings: dict[str, object] = {}
    for name, value in map(parse_setting, texts):
        if name in settings:
            raise click.BadParameter(f"{name} is set twice, to {settings[name]!r} and to {value!r}; leave one out")
        settings[name] = value
    return settings
