"""The command ``hfbs``."""

import sys
from importlib.metadata import version
from typing import Any

import click

from ._command_convert import convert
from ._command_download import fetch
from ._command_evaluate import evaluate
from ._command_inspect import inspect
from ._command_models import models
from ._command_separate import separate
from ._command_view import view
from ._terminal import Terminal


class _OneLineGroup(click.Group):
    """A group whose errors are one line, ``hfbs: error: …``, with exit code 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs))
        except click.ClickException as error:
            Terminal().fail(error.format_message())
            sys.exit(2)
        except click.Abort:
            Terminal().fail("interrupted; the song in work left nothing behind")
            sys.exit(130)


@click.group(cls=_OneLineGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("hfbs-separate"), prog_name="hfbs", message="%(prog)s %(version)s")
def main() -> None:
    """Separate songs into their stems with BS-RoFormer and Mel-Band RoFormer checkpoints."""


main.add_command(separate)
main.add_command(evaluate)
main.add_command(inspect)
main.add_command(convert)
main.add_command(models)
main.add_command(fetch)
main.add_command(view)
