"""What the command does: score one song, then show and write what all scores come to."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .._errors import OutputError
from .._parts import write_atomically
from .._types import Audio
from ..terminal import Terminal, clock
from ._files import Outputs
from ._folders import SongFiles
from ._plot import draw
from ._report import as_csv, as_json
from ._scores import Score, score_song, summarize
from ._songs import Estimate, load_song
from ._table import show


def score_files(
    files: SongFiles,
    estimate: Estimate | None,
    name: str,
    metrics: Sequence[str],
    terminal: Terminal,
    place: str,
) -> list[Score]:
    """Score one song, and say how far that is.

    Raises:
        AudioFileError: A file of the song cannot be read as audio.
        DatasetError: The song's files do not fit each other, or its estimates do not fit it.
        SeparationError: The model gave no usable stems.
    """
    began = time.monotonic()
    song = load_song(files)
    for warning in song.warnings:
        terminal.warn(warning)
    channels, samples = song.mixture.shape
    terminal.say(
        f"{place}{song.name}: {clock(samples / song.sample_rate)}, {song.sample_rate} Hz "
        f"{'stereo' if channels == 2 else 'mono'}"
    )
    estimates: dict[str, Mapping[str, Audio]] = {}
    if estimate is not None:
        with terminal.bar(f"{place}estimates") as progress:
            estimates[name] = estimate(song, progress)
    with terminal.bar(f"{place}scores") as progress:
        scores = score_song(song, estimates, metrics, progress=progress)
    own = [score for score in scores if score.estimator == name and "sdr" in score.values]
    if own:
        terminal.say("SDR: " + ", ".join(f"{score.stem} {score.values['sdr']:.2f} dB" for score in own))
    terminal.say(f"scored in {clock(time.monotonic() - began)}")
    return scores


def report(
    scores: Sequence[Score],
    metrics: Sequence[str],
    failed: Mapping[str, str],
    about: Mapping[str, object],
    outputs: Outputs,
    terminal: Terminal,
) -> None:
    """Write the files asked for, and show the summary.

    Raises:
        OutputError: One cannot be written.
    """
    summaries = summarize(scores)

    def write(path: Path, content: bytes) -> None:
        try:
            write_atomically(path, [content])
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
        terminal.say(f"wrote {path}")

    if outputs.csv is not None:
        write(outputs.csv, as_csv(scores, metrics))
    if outputs.json is not None:
        write(outputs.json, as_json(scores, summaries, metrics, failed, about))
    if outputs.plot is not None:
        write(outputs.plot, draw(scores, outputs.plot.suffix.lower().removeprefix(".")))
    show(summaries, metrics)
