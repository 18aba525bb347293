"""The command ``hfbs models``."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .completion import known_models
from .terminal import Terminal

if TYPE_CHECKING:
    from hfbs_model import KnownCheckpoint

_FAMILIES = {"bs": "BS-RoFormer", "mel": "Mel-Band RoFormer"}
_WIDE = 120  # columns, where no terminal says how many there are
_ROOMY = 108  # columns, from which on stems have their place


@click.command()
@click.argument("words", metavar="[WORDS]...", nargs=-1, shell_complete=known_models)
@click.option("--long", is_flag=True, help="Show all that is known of each, addresses and settings included.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for programs.")
def models(words: tuple[str, ...], long: bool, as_json: bool) -> None:
    """List the community checkpoints that hfbs knows, or those that match all WORDS.

    A word is looked for in name, title, author, family and stems. hfbs brings no weights; they have licences of their
    own, and where none is stated here, none was found.
    """
    if long and as_json:
        raise click.UsageError("--json shows all there is already: leave out --long")
    terminal = Terminal()
    with terminal.busy("reading the registry"):
        from hfbs_model import known_checkpoints

        everything = known_checkpoints()
    found = [checkpoint for checkpoint in everything if _matches(checkpoint, words)]
    if as_json:
        print_json(found)
        return
    if not found:
        raise click.ClickException(
            f"none of the {len(everything)} checkpoints matches {' and '.join(map(repr, words))}: use fewer words"
        )
    console = _console()
    if long:
        console.print("\n\n".join(map(_page, found)), soft_wrap=True)
    else:
        console.print(_overview(found, narrow=console.width < _ROOMY))
    terminal.say(
        f"{len(found)} of {len(everything)} checkpoints; hfbs download NAME fetches one, --long shows all that is known"
    )


def print_json(checkpoints: Iterable["KnownCheckpoint"]) -> None:
    """Print the checkpoints, all their fields, as a JSON list."""
    rows = [
        {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
        | {"settings": dict(checkpoint.settings)}
        for checkpoint in checkpoints
    ]
    sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")


def _matches(checkpoint: "KnownCheckpoint", words: Sequence[str]) -> bool:
    family = f"{checkpoint.family} {_FAMILIES[checkpoint.family]}"
    text = " ".join((checkpoint.name, checkpoint.title, checkpoint.author, family, *checkpoint.stems)).casefold()
    return all(word.casefold() in text for word in words)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def _overview(checkpoints: Sequence["KnownCheckpoint"], *, narrow: bool) -> Table:
    """A row each, without the author, whom the name names."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True, style="cyan")
    table.add_column("what it gives")
    if not narrow:
        table.add_column("stems", max_width=24)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    for checkpoint in checkpoints:
        table.add_row(
            checkpoint.name,
            escape(checkpoint.title),
            *([] if narrow else [_stems(checkpoint)]),
            "?" if checkpoint.size is None else f"{checkpoint.size / 1e6:.0f}",
            checkpoint.licence or "[dim]not stated[/dim]",
        )
    return table


def _stems(checkpoint: "KnownCheckpoint") -> str:
    if len(checkpoint.stems) > 6:
        return f"{len(checkpoint.stems)} stems"
    return escape(", ".join(checkpoint.stems)) or "[dim]see its YAML[/dim]"


def _page(checkpoint: "KnownCheckpoint") -> str:
    """All that is known, a line each. Addresses stay unbroken, so that they can be copied."""
    rows: dict[str, Sequence[str]] = {
        "what it gives": [checkpoint.title],
        "by": [checkpoint.author],
        "family": [_FAMILIES[checkpoint.family]],
        "stems": [", ".join(checkpoint.stems) or "not stated in the sources; its YAML names them"],
        "needs": [f"{variant}, of hfbs-experimental" for variant in checkpoint.variants],
        "settings": [f"{key} = {_value(value)}" for key, value in checkpoint.settings.items() if key != "stems"],
        "licence": [checkpoint.licence or "not stated in the sources, which is no permission"],
        "weights": [checkpoint.url],
        "bytes": [] if checkpoint.size is None else [str(checkpoint.size)],
        "SHA-256": [checkpoint.sha256 or "none published"],
        "YAML": [checkpoint.config_url or "none published"],
        "its SHA-256": [checkpoint.config_sha256] if checkpoint.config_sha256 else [],
        "read from": checkpoint.sources,
    }
    lines = [f"[bold cyan]{checkpoint.name}[/bold cyan]"]
    for label, values in rows.items():
        labels = [label, *[""] * len(values)]
        lines += [f"  [bold]{label:13}[/bold] {escape(value)}" for label, value in zip(labels, values, strict=False)]
    return "\n".join(lines)


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
