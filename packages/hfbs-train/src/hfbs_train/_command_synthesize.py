"""The command ``hfbs-train synthesize``."""

from pathlib import Path

import click

from hfbs_separate.terminal import Terminal

from ._errors import SynthesisError


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--songs", type=click.IntRange(1), required=True, metavar="N", help="How many songs there are to be.")
@click.option(
    "--first", type=click.IntRange(1), default=1, show_default=True, metavar="NUMBER", help="The first song's number."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What all draws depend on.")
@click.option(
    "--seconds",
    type=float,
    nargs=2,
    default=(45.0, 90.0),
    show_default=True,
    metavar="SHORTEST LONGEST",
    help="How long songs may be.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Songs rendered at a time.")
@click.pass_context
def synthesize(
    context: click.Context, folder: Path, songs: int, first: int, seed: int, seconds: tuple[float, float], workers: int
) -> None:
    """Render songs with their stems, as material to train with.

    Writes FOLDER/SONG/vocals.flac, drums.flac, bass.flac and other.flac, 44.1 kHz stereo, and synthesis.json, which
    says how they were made and whom to name. The stems add up to the mixture, which peaks below 0.95. Song n of a
    seed is the same whatever --songs and --workers are; songs that are there already are kept, so the same command
    goes on where it was stopped.

    Needs mma, fluidsynth, flite and a soundfont, which are packages of Debian, and the extra 'synthesize'.
    """
    from ._synthesize._requirements import find_tools
    from ._synthesize._work import make_all, open_requests, requests

    terminal = Terminal(program="hfbs-train")
    failed = 0
    try:
        wanted = requests(songs, first, seed, seconds)
        find_tools()
        left = open_requests(folder, wanted)
        if len(left) < songs:
            terminal.say(f"{songs - len(left)} of {songs} songs are there already")
        for request, outcome in make_all(folder, left, workers):
            if isinstance(outcome, SynthesisError):
                failed += 1
                terminal.fail(f"{request.name}: {outcome}")
            else:
                terminal.wrote(outcome)
    except (SynthesisError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    context.exit(2 if failed else 0)
