"""The command ``hfbs-train``."""

from importlib.metadata import version

import click

from hfbs_separate.completion import completion
from hfbs_separate.terminal import OneLineGroup

from ._command_check import check


@click.group(
    "hfbs-train", cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(version("hfbs-train"), prog_name="hfbs-train", message="%(prog)s %(version)s")
def main() -> None:
    """Train band-split rotary transformers that separate music into stems."""


main.add_command(check)
main.add_command(completion)
