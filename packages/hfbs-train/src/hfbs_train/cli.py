"""The command ``hfbs-train``."""

from importlib.metadata import version

import click

from hfbs_separate.completion import completion
from hfbs_separate.terminal import OneLineGroup

from ._command_check import check
from ._command_from_msst import from_msst
from ._command_run import run
from ._command_synthesize import synthesize


@click.group("hfbs-train", cls=OneLineGroup)
@click.version_option(version("hfbs-train"), prog_name="hfbs-train", message="%(prog)s %(version)s")
def main() -> None:
    """Train band-split rotary transformers that separate music into stems."""


main.add_command(run)
main.add_command(check)
main.add_command(from_msst)
main.add_command(synthesize)
main.add_command(completion)
