"""The command ``hfbs-train run``."""

from pathlib import Path

import click

from hfbs_separate import AudioFileError, DatasetError, SeparationError
from hfbs_separate.terminal import Terminal

from ._errors import ConfigurationError, RunError


@click.command()
@click.argument("configuration", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where checkpoints, figures and pictures go. A run that was ended goes on from what is there.",
)
@click.option("--json", "as_json", is_flag=True, help="Tell of the run as JSON lines on stdout.")
@click.pass_context
def run(context: click.Context, configuration: Path, folder: Path, as_json: bool) -> None:
    """Train a model as the YAML file CONFIGURATION says, or go on with a run that was ended."""
    from ._configuration import RunConfiguration
    from ._run import train

    terminal = Terminal("json" if as_json else "lines", program="hfbs-train")
    try:
        last = train(RunConfiguration.read(configuration), folder, terminal=terminal)
    except (ConfigurationError, RunError, DatasetError, AudioFileError, SeparationError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        terminal.fail("interrupted; the same command goes on from the last state that was saved")
        context.exit(130)
    terminal.wrote(last)
