"""Where each stem of each song goes, checked before the first song is separated."""

import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ._errors import OutputError
from ._output_place import ANOTHER_FOLDER, check_folder, is_folder, is_there
from ._remote import Place, exists, in_bucket, is_web, named, patiently, store_of
from ._songs import FoundSong
from ._source import STANDARD_INPUT, reason

if TYPE_CHECKING:
    from upath import UPath

DEFAULT_NAMES = "{song}/{stem}"
_FIELDS = ("song", "stem")
_RECORD = "separation"


@dataclass(frozen=True, slots=True)
class Job:
    """One song and where what is made of it goes.

    Attributes:
        song: path or URL of the song, ``-`` for standard input.
        files: the file of each stem; all at URLs, or none.
        record: the file that says how the stems were made.
    """

    song: Place
    files: Mapping[str, Place]
    record: Place

    @property
    def on_disk(self) -> list[Path]:
        """The stems' files and the record; none where these are at URLs."""
        return [place for place in (*self.files.values(), self.record) if isinstance(place, Path)]

    @property
    def missing(self) -> list[Place]:
        """The stems that are not there."""
        return [file for file in self.files.values() if not exists(file)]


def plan_jobs(
    songs: Sequence[FoundSong], stems: Sequence[str], folder: Place, *, names: str, extension: str
) -> list[Job]:
    """Give every stem of every song its place.

    Args:
        songs: what was found.
        stems: names of the stems.
        folder: the output folder, or a URL.
        names: the place of a stem below the output folder and the song's own, with ``{song}`` and ``{stem}``.
        extension: what is put after that, such as ``.wav``.

    Raises:
        OutputError: ``names`` leaves no place for each stem, two songs or two stems would get the same file, a stem's
            name is no file name, a place is taken by a folder, is itself a song or has too long a name, or the folder
            cannot hold files.
    """
    _check_names(names)
    _check_stem_names(stems)
    if isinstance(folder, Path):
        check_folder(folder)
    else:
        _check_store(folder)
    owners: dict[str, Place] = {}
    real_songs = {_real(found.song) for found in songs}
    jobs: list[Job] = []
    for found in songs:
        place = folder.joinpath(*found.folder.parts)
        files = {stem: _below(place, names, found.song, stem, extension) for stem in stems}
        record = _below(place, names, found.song, _RECORD, ".json")
        for file in files.values():
            other = owners.setdefault(str(file).casefold(), found.song)
            if other != found.song:
                raise OutputError(
                    f"{other} and {found.song} would both write {file}: "
                    "separate them in two calls with different output folders"
                )
            _check_file(file, real_songs)
        jobs.append(Job(found.song, files, record))
    return jobs


def _real(place: Place) -> str:
    return os.path.realpath(place) if isinstance(place, Path) else str(place)


def song_name(song: Place) -> str:
    """The song's file name without its last suffix; the whole file name where nothing usable would be left."""
    if song == STANDARD_INPUT:
        return "stdin"
    file = named(song)
    return file.name if file.stem.strip(". ") == "" else file.stem


def _check_names(names: str) -> None:
    """Raise OutputError where a template would not give each stem of each song a place of its own below a folder."""
    rule = "names are a path below the output folder with {stem} in it, and {song}, such as {song}_{stem}"
    try:
        parsed = list(string.Formatter().parse(names))
    except ValueError as error:
        raise OutputError(f"{rule}, got {names!r}: {error}") from error
    for _, field, shape, conversion in parsed:
        # A shape or a conversion may make two names one.
        if field is not None and (field not in _FIELDS or shape or conversion):
            whole = field + (f"!{conversion}" if conversion else "") + (f":{shape}" if shape else "")
            raise OutputError(f"{rule}, got {{{whole}}} in {names!r}")
    if "stem" not in [field for _, field, _, _ in parsed]:
        raise OutputError(f"{rule}, got {names!r} without {{stem}}")
    path = PurePosixPath(names)
    if path.is_absolute() or ".." in path.parts or names.endswith("/"):
        raise OutputError(f"{rule}, got {names!r}")


def _check_store(folder: "UPath") -> None:
    """Raise OutputError where the output folder is on the web, or its store does not answer or lacks the bucket."""
    if is_web(folder):
        raise OutputError(
            f"{folder}: nothing can be written to an address on the web: name a folder with -o, or a URL such as "
            "s3://bucket/stems"
        )
    bucket = in_bucket(folder)
    try:
        there = patiently(lambda: store_of(folder).exists(folder.path if bucket is None else bucket))
    except OSError as error:
        raise OutputError(f"{folder}: the store does not answer: {reason(error)}") from error
    if bucket is not None and not there:
        raise OutputError(f"{folder}: there is no bucket {bucket!r}, or it may not be seen: create it, or name another")


def refuse_existing(jobs: Sequence[Job], folder: Place) -> None:
    """Raise OutputError where a stem is there already, or nobody can tell."""
    if isinstance(folder, Path):
        there = (
            file
            for job in jobs
            for file in job.files.values()
            if isinstance(file, Path) and is_there(file, ANOTHER_FOLDER)
        )
    else:
        # One listing, not a question for each file.
        try:
            listed = set(patiently(lambda: store_of(folder).find(folder.path)))
        except OSError as error:
            raise OutputError(f"{folder}: cannot be listed: {reason(error)}") from error
        there = (
            file for job in jobs for file in job.files.values() if not isinstance(file, Path) and file.path in listed
        )
    for file in there:
        raise OutputError(
            f"{file} exists: add --skip-existing to leave finished songs alone, --force to overwrite, "
            "or name another folder with -o"
        )


def _below(place: Place, names: str, song: Place, stem: str, extension: str) -> Place:
    # By parts, because a dot is one of its own in a URL.
    return place.joinpath(*PurePosixPath(names.format(song=song_name(song), stem=stem) + extension).parts)


def _check_stem_names(stems: Sequence[str]) -> None:
    for stem in stems:
        if not stem or stem.startswith(".") or any(sign in stem for sign in '/\\:*?"<>|') or not stem.isprintable():
            raise OutputError(f"a stem is named {stem!r}, which is no file name: rename it with --set stems=[…]")
    if len({stem.casefold() for stem in stems}) < len(stems):
        raise OutputError(f"two stems are named alike: {', '.join(stems)}; rename one with --set stems=[…]")


def _check_file(file: Place, real_songs: set[str]) -> None:
    if not isinstance(file, Path):
        if str(file) in real_songs:
            raise OutputError(f"{file} is a song to be separated and would be overwritten: name another place with -o")
        return
    if is_there(file.parent, ANOTHER_FOLDER) and not is_folder(file.parent, ANOTHER_FOLDER):
        raise OutputError(f"{file.parent} is a file, so no stem can be written into it: name another folder with -o")
    if is_folder(file, ANOTHER_FOLDER):
        raise OutputError(f"{file} is a folder, so the stem cannot be written there: name another folder with -o")
    if is_there(file, ANOTHER_FOLDER) and os.path.realpath(file) in real_songs:
        raise OutputError(f"{file} is a song to be separated and would be overwritten: name another folder with -o")
