"""The songs that the arguments of a command name: files, folders, patterns, and standard input."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ._errors import AudioFileError
from ._source import STANDARD_INPUT, reason

# What files in folders end in to be taken for songs: audio, then films.
ENDINGS = frozenset(
    """
    .aac .ac3 .aif .aifc .aiff .amr .ape .au .caf .dff .dsf .dts .eac3 .flac .m4a .m4b .mka .mp1 .mp2 .mp3 .mpa .mpc
    .oga .ogg .opus .ra .shn .snd .spx .tak .tta .voc .w64 .wav .wave .weba .wma .wv
    .3g2 .3gp .asf .avi .divx .f4v .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut .ogm .ogv .rm .rmvb .ts .vob
    .webm .wmv .wtv
    """.split()  # noqa: SIM905
)
_WILD = frozenset("*?[")


class FoundSong(NamedTuple):
    """A song, and where it lies below what was named.

    Attributes:
        song: its path; ``-`` for standard input.
        folder: relative to the folder that was named, or to the part of a pattern before its first wildcard; ``.`` for
            a song that was named itself.
    """

    song: Path
    folder: Path


def find_songs(arguments: Iterable[str], *, output: Path | None = None) -> list[FoundSong]:
    """The songs that arguments name, in their order, each once.

    - A file is taken whatever its name.
    - A folder is searched, and the folders in it, in sorted order, for files with one of ``ENDINGS``. What is hidden is
      left out. Links to folders are followed, but no folder is entered twice.
    - A pattern (``*``, ``?``, ``[…]``, and ``**`` for folders at any depth, without following links) that is not itself
      the name of a file is matched here, as a shell would: folders that it matches are searched, files are taken by
      their endings.
    - ``-`` is standard input; a file of that name is ``./-``.

    A name that is nothing of these is taken as it is: opening it tells what is wrong with it.

    Args:
        arguments: what a person typed.
        output: a folder that is not entered unless it is named itself, because the audio in it is stems. None: none.

    Raises:
        AudioFileError: a folder or a pattern gives no song, or a folder may not be read.
    """
    found: dict[Path, FoundSong] = {}
    for argument in arguments:
        for song in _songs_of(argument, output):
            key = song.song if song.song == STANDARD_INPUT else song.song.absolute()
            found.setdefault(key, song)
    return list(found.values())


def _songs_of(argument: str, output: Path | None) -> list[FoundSong]:
    path = Path(argument)
    if argument == str(STANDARD_INPUT):
        return [FoundSong(STANDARD_INPUT, Path())]
    if path == STANDARD_INPUT:  # of "./-", a path keeps only "-"
        path = path.absolute()
    entered = set[tuple[int, int]]()
    # These functions of os.path say no where Path's raise, as where a name is too long.
    if output is not None and os.path.isdir(output):  # noqa: PTH112
        entered.add(_identity(output))
    if os.path.isdir(path):  # noqa: PTH112
        songs = list(_search(path, Path(), entered - {_identity(path)}))
    elif _WILD & set(argument) and not os.path.lexists(path):
        songs = list(_match(path, entered))
    else:
        return [FoundSong(path, Path())]
    if not songs:
        raise AudioFileError(
            f"{argument}: no song found, which is a file that is not hidden and ends in .wav, .flac, .mp3, .m4a, .ogg, "
            ".opus, .mp4, .mkv or another ending of audio or video; a file with another ending must be named itself"
        )
    return songs


def _match(pattern: Path, entered: set[tuple[int, int]]) -> Iterator[FoundSong]:
    """The songs that a pattern matches, or that lie in folders that it matches."""
    parts = pattern.parts
    first = next(number for number, part in enumerate(parts) if _WILD & set(part))
    fixed, wild = Path(*parts[:first]), parts[first:]
    # Within a name, "**" means "*", as in a shell; Python 3.12 refuses it there.
    glob = "/".join(part if part == "**" else re.sub(r"\*+", "*", part) for part in wild)
    for path in sorted(fixed.glob(glob)):
        below = path.relative_to(fixed)
        if _is_hidden(below) and not any(part.startswith(".") for part in wild):
            continue
        if path.is_dir():
            yield from _search(path, below, entered)
        elif path.suffix.lower() in ENDINGS:
            yield FoundSong(path, below.parent)


def _search(top: Path, below: Path, entered: set[tuple[int, int]]) -> Iterator[FoundSong]:
    """The songs in a folder, then those in the folders in it, without the folders in ``entered``, which it adds to."""
    waiting = [(top, below)]
    while waiting:
        folder, below = waiting.pop()
        try:
            if (identity := _identity(folder)) in entered:
                continue
            entered.add(identity)
            paths = sorted(path for path in folder.iterdir() if not _is_hidden(Path(path.name)))
            folders = [path for path in paths if path.is_dir()]
        except OSError as error:
            raise AudioFileError(f"{folder}: {reason(error)}") from error
        for path in paths:
            if path.suffix.lower() in ENDINGS and path not in folders:
                yield FoundSong(path, below)
        waiting += [(path, below / path.name) for path in reversed(folders)]


def _identity(folder: Path) -> tuple[int, int]:
    """What is the same for all names of a folder."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
