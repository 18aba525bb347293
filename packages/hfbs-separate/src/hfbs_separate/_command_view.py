"""The command ``hfbs view``."""

from pathlib import Path

import click

from ._errors import AudioFileError, OutputError
from ._settings_option import FILE
from ._view_audio import AUDIO_FORMATS, AudioFormat
from .terminal import Terminal, clock
from .view import write_page


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--mixture",
    type=FILE,
    help="The song that the stems were made from, to compare them with. Default: a file in FOLDER named mixture.",
)
@click.option(
    "-o",
    "--output",
    "page",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Where the page goes. Default: into FOLDER, by the folder's name.",
)
@click.option(
    "--format",
    "audio_format",
    type=click.Choice(AUDIO_FORMATS),
    default="mp3",
    show_default=True,
    help="Audio in the page: MP3 of the highest variable bit rate, which every browser plays, or FLAC of 24 bits, "
    "which loses nothing and makes the page several times as large.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Write the spectrograms as a picture, too, one above the other in the page's order.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there. Without it, that is an error.")
def view(
    folder: Path, mixture: Path | None, page: Path | None, audio_format: AudioFormat, picture: Path | None, force: bool
) -> None:
    """Write one HTML page that plays the stems in FOLDER in sync, with solo, mute and volume for each, beside their
    spectrograms.

    FOLDER holds one song's stems, as hfbs separate writes them, in whatever format FFmpeg reads. The page needs no
    network and nothing beside it, so that it can be mailed as it is.
    """
    terminal = Terminal()
    try:
        with terminal.bar("drawing and encoding") as progress:
            written = write_page(
                folder,
                page,
                mixture=mixture,
                picture_file=picture,
                audio_format=audio_format,
                overwrite=force,
                progress=progress,
            )
    except (AudioFileError, OutputError) as error:
        raise click.ClickException(str(error)) from error
    for warning in written.warnings:
        terminal.warn(warning)
    terminal.wrote(written.path)
    if picture is not None:
        terminal.wrote(picture)
    terminal.say(f"{', '.join(written.tracks)}; {clock(written.seconds)}, {written.size / 1e6:.1f} MB")
