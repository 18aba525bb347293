"""Where each stem of each song goes, checked before the first song is separated."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ._errors import OutputError


@dataclass(frozen=True, slots=True)
class Job:
    """One song and the file of each of its stems."""

    song: Path
    files: dict[str, Path]


def plan_jobs(
    songs: Sequence[Path], stems: Sequence[str], folder: Path, *, extension: str, overwrite: bool
) -> list[Job]:
    """Give every stem the place ``folder/<song's name>/<stem><extension>``.

    Raises:
        OutputError: two songs or two stems would get the same file, a stem's name is no file name, a file is there
            already (unless ``overwrite``) or is itself a song, or the folder cannot hold files.
    """
    _check_stem_names(stems)
    check_song_names(songs, folder)
    check_folder(folder)
    jobs = [Job(song, {stem: folder / song_name(song) / f"{stem}{extension}" for stem in stems}) for song in songs]
    for job in jobs:
        for file in job.files.values():
            _check_file(file, songs, overwrite=overwrite)
    return jobs


def song_name(song: Path) -> str:
    """The song's file name without its last suffix; the whole file name where nothing usable would be left."""
    return song.name if song.stem.strip(". ") == "" else song.stem


def check_song_names(songs: Sequence[Path], folder: Path) -> None:
    """Raise OutputError where two songs would share a folder, also on disks that do not tell "A" from "a"."""
    seen: dict[str, Path] = {}
    for song in songs:
        other = seen.setdefault(song_name(song).casefold(), song)
        if other is not song:
            raise OutputError(
                f"{other} and {song} would both write their stems to {folder / song_name(song)}: "
                "separate them in two calls with different output folders"
            )


def check_folder(folder: Path) -> None:
    """Raise OutputError where nothing can be created in the folder, or it cannot be made."""
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise OutputError(f"{nearest} is a file, so {folder} cannot be the output folder: name another with -o")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{nearest} may not be written to: name another output folder with -o")


def _check_stem_names(stems: Sequence[str]) -> None:
    for stem in stems:
        if not stem or stem.startswith(".") or any(sign in stem for sign in '/\\:*?"<>|') or not stem.isprintable():
            raise OutputError(f"the configuration names a stem {stem!r}, which is no file name: rename it there")
    if len({stem.casefold() for stem in stems}) < len(stems):
        raise OutputError(f"the configuration names two stems alike: {', '.join(stems)}; rename one there")


def _check_file(file: Path, songs: Sequence[Path], *, overwrite: bool) -> None:
    if file.parent.exists() and not file.parent.is_dir():
        raise OutputError(f"{file.parent} is a file, so no stem can be written into it: name another folder with -o")
    if not file.exists():
        return
    if file.is_dir():
        raise OutputError(f"{file} is a folder, so the stem cannot be written there: name another folder with -o")
    if any(song.exists() and file.samefile(song) for song in songs):
        raise OutputError(f"{file} is a song to be separated and would be overwritten: name another folder with -o")
    if not overwrite:
        raise OutputError(f"{file} exists: add --force to overwrite it, or name another folder with -o")
