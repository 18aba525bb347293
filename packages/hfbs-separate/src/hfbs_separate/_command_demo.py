"""The command ``hfbs demo``."""

import shlex
from pathlib import Path

import click

from ._command_separate import separate
from ._command_view import view
from ._errors import OutputError
from ._output_place import check_new_file
from ._parts import write_atomically
from .completion import folders
from .demo import SONG
from .terminal import Terminal


@click.command()
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="hfbs-demo",
    show_default=True,
    metavar="FOLDER",
    shell_complete=folders,
    help="Everything goes below it.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there. Without it, that is an error.")
@click.pass_context
def demo(context: click.Context, folder: Path, force: bool) -> None:
    """Separate the song that comes with hfbs by the model that does: stems, a page that plays them, and a picture.

    The commands that do it are shown, to be tried on other songs.
    """
    terminal = Terminal()
    song = folder / SONG.name
    stems = folder / SONG.stem
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_new_file(song, "name another place with -o", overwrite=force)
        write_atomically(song, [SONG.read_bytes()])
    except OutputError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{song} cannot be written: {(error.strerror or str(error)).lower()}") from error
    terminal.wrote(song)
    forced = ["--force"] if force else []
    picture = stems / f"{SONG.stem}.png"
    for command, words in (
        (separate, [song, "-o", folder, *forced]),
        (view, [stems, "--mixture", song, "--picture", picture, *forced]),
    ):
        written = [str(word) for word in words]
        terminal.say(f"$ {shlex.join([context.find_root().info_name or 'hfbs', command.name or '', *written])}")
        code = command.main(written, standalone_mode=False, parent=context, prog_name=command.name)
        if code == 130:
            terminal.say(f"begin anew with: {shlex.join(['hfbs', 'demo', '-o', str(folder), '--force'])}")
        if code:
            context.exit(code)
