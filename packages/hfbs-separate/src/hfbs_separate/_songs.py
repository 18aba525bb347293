"""The songs that the arguments of a command name: files, folders, patterns, URLs of these, and standard input."""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from ._errors import AudioFileError
from ._remote import Place, at_url, is_web, patiently, place_of, store_of
from ._source import STANDARD_INPUT, reason

if TYPE_CHECKING:
    from upath import UPath

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
        song: its path or URL; ``-`` for standard input.
        folder: relative to the folder that was named, or to the part of a pattern before its first wildcard; ``.`` for
            a song that was named itself.
    """

    song: Place
    folder: Path


def find_songs(arguments: Iterable[str], *, output: Place | None = None) -> list[FoundSong]:
    """The songs that arguments name, in their order, each once.

    - A file is taken whatever its name.
    - A folder is searched, and the folders in it, in sorted order, for files with one of ``ENDINGS``. What is hidden is
      left out. Links to folders are followed, but no folder is entered twice.
    - A pattern (``*``, ``?``, ``[…]``, and ``**`` for folders at any depth, without following links) that is not itself
      the name of a file is matched here, as a shell would: folders that it matches are searched, files are taken by
      their endings.
    - ``-`` is standard input; a file of that name is ``./-``.
    - A URL is what is there of these: a file, the files below a prefix, or a pattern. On the web (``https://``), where
      nothing can be listed, it is a file.

    A name that is nothing of these is taken as it is: opening it tells what is wrong with it.

    Args:
        arguments: what a person typed.
        output: a folder that is not entered unless it is named itself, or a pattern begins in it, because the audio in
            it is stems. None: none.

    Raises:
        AudioFileError: a folder or a pattern gives no song, or a folder may not be read; nothing is at a URL.
        OptionError: as :func:`~._remote.place_of`.
    """
    found: dict[object, FoundSong] = {}
    for argument in arguments:
        for song in _songs_of(argument, output):
            local = isinstance(song.song, Path) and song.song != STANDARD_INPUT
            found.setdefault(song.song.absolute() if local else str(song.song), song)
    return list(found.values())


def _songs_of(argument: str, output: Place | None) -> list[FoundSong]:
    path = place_of(argument)
    if not isinstance(path, Path):
        return _checked(argument, _remote_songs(argument, path, output))
    if argument == str(STANDARD_INPUT):
        return [FoundSong(STANDARD_INPUT, Path())]
    if path == STANDARD_INPUT:  # of "./-", a path keeps only "-"
        path = path.absolute()
    own = set[tuple[int, int]]()
    # These functions of os.path say no where Path's raise, as where a name is too long.
    if isinstance(output, Path) and os.path.isdir(output):  # noqa: PTH112
        own.add(_identity(output))
    if os.path.isdir(path):  # noqa: PTH112
        songs = list(_search(path, Path(), own - {_identity(path)}))
    elif _WILD & set(argument) and not os.path.lexists(path):
        songs = list(_match(path, own))
    else:
        return [FoundSong(path, Path())]
    return _checked(argument, songs)


def _checked(argument: str, songs: list[FoundSong]) -> list[FoundSong]:
    if not songs:
        raise AudioFileError(
            f"{argument}: no song found, which is a file that is not hidden and ends in .wav, .flac, .mp3, .m4a, .ogg, "
            ".opus, .mp4, .mkv or another ending of audio or video; a file with another ending must be named itself"
        )
    return songs


def _remote_songs(argument: str, place: "UPath", output: Place | None) -> list[FoundSong]:
    """The songs at a URL, with what is below the output's left out unless that is where the URL leads."""
    if is_web(place):
        return [FoundSong(place, Path())]
    store = store_of(place)
    fixed = place.path.rstrip("/")
    try:
        if patiently(lambda: store.isdir(place.path)):
            files = patiently(lambda: store.find(place.path))
        elif _WILD & set(place.path) and not patiently(lambda: store.exists(place.path)):
            fixed = re.split(r"[*?\[]", place.path)[0].rpartition("/")[0]
            files = list(_matches(store, place.path))
        elif patiently(lambda: store.exists(place.path)):
            return [FoundSong(place, Path())]
        else:
            raise AudioFileError(f"{argument}: there is no such file, nor any below it")
    except OSError as error:
        raise AudioFileError(f"{argument}: {reason(error)}") from error
    own = None if output is None or isinstance(output, Path) else str(output).rstrip("/") + "/"
    if own is not None and f"{str(place).rstrip('/')}/".startswith(own):
        own = None
    songs: list[FoundSong] = []
    for file in sorted(set(files)):
        below = PurePosixPath(file.removeprefix(fixed).lstrip("/"))
        if below.suffix.lower() in ENDINGS and not _is_hidden(Path(below)):
            song = at_url(store.unstrip_protocol(file))
            if own is None or not str(song).startswith(own):
                songs.append(FoundSong(song, Path(below.parent)))
    return songs


def _matches(store: Any, pattern: str) -> Iterator[str]:
    """The files that a pattern matches, and those below the prefixes that it matches."""
    matched: dict[str, dict[str, object]] = patiently(lambda: store.glob(pattern, detail=True))
    for path, told in matched.items():
        if told["type"] == "directory":
            yield from patiently(lambda path=path: store.find(path))
        else:
            yield path


def _match(pattern: Path, own: set[tuple[int, int]]) -> Iterator[FoundSong]:
    """The songs that a pattern matches, or that lie in folders that it matches, but for those in ``own`` folders."""
    parts = pattern.parts
    first = next(number for number, part in enumerate(parts) if _WILD & set(part))
    fixed, wild = Path(*parts[:first]), parts[first:]
    if not os.path.isdir(fixed):  # noqa: PTH112
        return
    own = own - {_identity(fixed)}
    entered = set(own)

    @cache
    def is_own(folder: Path) -> bool:
        return os.path.isdir(folder) and _identity(folder) in own  # noqa: PTH112

    # Within a name, "**" means "*", as in a shell; Python 3.12 refuses it there.
    glob = "/".join(part if part == "**" else re.sub(r"\*+", "*", part) for part in wild)
    for path in sorted(fixed.glob(glob)):
        below = path.relative_to(fixed)
        if _is_hidden(below) and not any(part.startswith(".") for part in wild):
            continue
        if own and any(map(is_own, (path, *path.parents)[: len(below.parts)])):
            continue
        if os.path.isdir(path):  # noqa: PTH112
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
