"""Many songs: named, kept where they are whole already, made beside each other by several processes."""

import fcntl
import json
import multiprocessing
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, cast

from hfbs_separate.encoding import write_audio

from .._errors import SynthesisError
from ._audio import RATE
from ._requirements import Tools, find_tools
from ._score import STEMS
from ._song import Rendered, render

RECORD: Final = "synthesis.json"
_SHORTEST, _LONGEST = 15.0, 600.0  # four bars at 60 beats a minute take 16 seconds
_LIBRARIES = ("hfbs-train", "hfbs-separate", "numpy", "mido", "pyworld", "pysinsy")
_SINSY = (
    "Singing voice: HTS voice NIT SONG070 F001, copyright 2004-2015 Nagoya Institute of Technology, Department of "
    "Computer Science, CC BY 3.0; changed: pitch, timing and timbre"
)
_FLITE = "Spoken words: flite's voices, copyright Carnegie Mellon University"
_FONTS = {
    "fluidr3mono-gm-soundfont": "Instruments: Fluid (R3) Mono GM by Frank Wen and Michael Cowgill, MIT licence",
    "musescore-general-soundfont-small": "Instruments: MuseScore General by S. Christian Collins, MIT licence",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a song depends on, besides the versions of all that renders it.

    Attributes:
        seed: of all songs.
        number: of this one, from 1.
        seconds: the shortest and the longest that it may last.
    """

    seed: int
    number: int
    seconds: tuple[float, float]

    @property
    def name(self) -> str:
        """Of the song's folder."""
        return f"seed{self.seed}-{self.number:05d}"


def requests(songs: int, first: int, seed: int, seconds: tuple[float, float]) -> list[Request]:
    """So many songs of a seed, from number ``first`` on.

    Raises:
        ValueError: an argument is out of its range.
    """
    if songs < 1:
        raise ValueError(f"songs must be at least 1, got {songs}")
    if first < 1:
        raise ValueError(f"the first song's number must be at least 1, got {first}")
    if seed < 0:
        raise ValueError(f"the seed must be at least 0, got {seed}")
    shortest, longest = seconds
    if not shortest >= _SHORTEST or not longest <= _LONGEST or not longest >= 1.3 * shortest:
        raise ValueError(
            f"a song lasts {_SHORTEST:g} to {_LONGEST:g} seconds, and the longest must be at least 1.3 times the "
            f"shortest, as songs end with a bar; got {shortest:g} to {longest:g}"
        )
    return [Request(seed, number, (float(shortest), float(longest))) for number in range(first, first + songs)]


def open_requests(folder: Path, wanted: list[Request]) -> list[Request]:
    """Those that are not there yet.

    Raises:
        SynthesisError: a song of the name is there, but was asked for otherwise, or nobody knows how.
    """
    left: list[Request] = []
    for request in wanted:
        place = folder / request.name
        if not place.exists():
            left.append(request)
            continue
        try:
            record = cast("dict[str, object]", json.loads((place / RECORD).read_bytes()))
            same = record.get("request") == json.loads(json.dumps(asdict(request)))
        except (OSError, ValueError, AttributeError):
            same = False
        if not same:
            raise SynthesisError(
                f"{place} is there, but not as a song of seed {request.seed} that lasts {request.seconds[0]:g} to "
                f"{request.seconds[1]:g} seconds: name another folder, or remove it"
            )
    return left


def make(folder: Path, request: Request, tools: Tools) -> Path:
    """Render one song into its folder, which appears whole or not at all.

    Raises:
        SynthesisError: a program failed.
        OSError: the folder cannot be written.
    """
    place = folder / request.name
    building = folder / f".{request.name}-{secrets.token_hex(4)}.part"
    building.mkdir()
    try:
        with _locked(building):
            work = building / "work"
            work.mkdir()
            rendered = render(request.seed, request.number, request.seconds, tools, work)
            shutil.rmtree(work)
            for stem in STEMS:
                write_audio(building / f"{stem}.flac", rendered.stems[stem], RATE, "flac16")
            text = json.dumps(record(request, rendered, tools), indent=1, ensure_ascii=False)
            (building / RECORD).write_text(text + "\n", encoding="utf-8")
            building.rename(place)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return place


def make_all(folder: Path, left: list[Request], workers: int) -> Iterator[tuple[Request, Path | SynthesisError]]:
    """Render songs, each as soon as a worker is free.

    Yields:
        Each song that was asked for, and its folder or why it could not be rendered.

    Raises:
        SynthesisError: a program, a soundfont or a library is missing, or a worker was killed.
        OSError: the folder cannot be written.
    """
    tools = find_tools()
    folder.mkdir(parents=True, exist_ok=True)
    clear_leftovers(folder)
    if workers == 1:
        for request in left:
            yield request, _tried(folder, request, tools)
        return
    # Fresh processes: a copy of one with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, max(1, len(left))), mp_context=context) as pool:
        running: dict[Future[Path | SynthesisError], Request] = {
            pool.submit(_tried, folder, request, tools): request for request in left
        }
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BrokenProcessPool as error:
            raise SynthesisError(
                "a process that renders songs was ended from outside, as where memory runs out: take fewer --workers; "
                "the same command goes on"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def clear_leftovers(folder: Path) -> None:
    """Remove the half songs that killed processes left; those that living ones make are locked."""
    for path in folder.iterdir():
        if re.fullmatch(r"\.seed\d+-\d{5,}-.+\.part", path.name):
            with suppress(OSError), _locked(path):
                shutil.rmtree(path, ignore_errors=True)


def record(request: Request, rendered: Rendered, tools: Tools) -> dict[str, object]:
    """How a song was made."""
    song = rendered.song
    fonts = sorted({font for _, font in rendered.parts if font})
    return {
        "request": asdict(request),
        "key": song.key.name,
        "tempo": song.tempo,
        "beats_per_bar": song.beats_per_bar,
        "swing": round(song.swing, 4),
        "grooves": song.library,
        "sections": [
            {
                "kind": section.kind,
                "first_bar": section.first_bar,
                "chords": [" ".join(chord.named(song.key) for chord in bar) for bar in section.bars],
                "groove": section.groove,
                "silent": sorted(section.silent),
            }
            for section in song.sections
        ],
        "parts": [
            {"name": part.name, "stem": part.stem, "program": part.program, "soundfont": font, "notes": len(part.notes)}
            for part, font in rendered.parts
        ],
        "singer": asdict(rendered.singer),
        "lines": [
            {
                "start": round(line.start, 3),
                "words": line.words,
                "notes": [[round(note.start, 3), round(note.end, 3), note.pitch] for note in line.notes],
            }
            for line in rendered.lines
        ],
        "levels": {stem: round(level, 2) for stem, level in rendered.levels.items()},
        "versions": versions(tools),
        "attributions": [_SINSY if rendered.singer.source == "sinsy" else _FLITE, *(_FONTS[font] for font in fonts)],
    }


def versions(tools: Tools) -> dict[str, str]:
    """Of the libraries and the programs."""
    found: dict[str, str] = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    for name, command in (("mma", [tools.mma, "-v"]), ("fluidsynth", [tools.fluidsynth, "--version"])):
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        match = re.search(r"\d+\.\d+(?:\.\d+)?", run.stdout + run.stderr)
        found[name] = match[0] if match else "unknown"
    run = subprocess.run([tools.flite, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version: (\S+)", run.stdout + run.stderr)
    return {**found, "flite": match[1] if match else "unknown"}


def _tried(folder: Path, request: Request, tools: Tools) -> Path | SynthesisError:
    try:
        return make(folder, request, tools)
    except SynthesisError as error:
        return error


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold a folder for this process; a lock dies with its process.

    Raises:
        BlockingIOError: another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
