"""The command ``hfbs``."""

from importlib.metadata import version

import click

from ._command_convert import convert
from ._command_demo import demo
from ._command_download import fetch
from ._command_evaluate import evaluate
from ._command_export import export
from ._command_inspect import inspect
from ._command_live import live
from ._command_models import models
from ._command_separate import separate
from ._command_view import view
from .completion import completion
from .terminal import OneLineGroup


@click.group("hfbs", cls=OneLineGroup)
@click.version_option(version("hfbs-separate"), prog_name="hfbs", message="%(prog)s %(version)s")
def main() -> None:
    """Separate songs into their stems with BS-RoFormer and Mel-Band RoFormer checkpoints."""


main.add_command(separate)
main.add_command(live)
main.add_command(evaluate)
main.add_command(inspect)
main.add_command(convert)
main.add_command(export)
main.add_command(models)
main.add_command(fetch)
main.add_command(view)
main.add_command(demo)
main.add_command(completion)
