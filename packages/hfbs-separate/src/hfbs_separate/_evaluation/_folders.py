"""Which files hold the true stems of which songs: a folder per song, as MUSDB has it."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._errors import DatasetError
from .._source import reason
from ._names import MIXTURE

# By their names alone, so that a damaged file is reported and not overlooked, and a picture or a note is none.
_AUDIO = re.compile(
    r"\.(wav|w64|flac|aiff?|aifc|caf|au|wv|ape|alac|tta|tak|mp[23]|og[ga]|opus|m4a|aac|ac3|wma|mka|mp4|webm)", re.I
)
_NAMED = 3  # songs that a message names


@dataclass(frozen=True, slots=True)
class SongFiles:
    """Where a song's mixture and true stems are.

    Attributes:
        name: The folder's name.
        mixture: The files whose sum is the mixture: one, or all stems of the folder.
        stems: For each stem to be scored, the files whose sum it is; none where it is silent in this song.
        adds_up: Whether the mixture is a file of its own that the stems, each file once, should add up to.
    """

    name: str
    mixture: tuple[Path, ...]
    stems: Mapping[str, tuple[Path, ...]]
    adds_up: bool


def is_audio_file(path: Path) -> bool:
    """Whether this is a file, not hidden, whose name ends as audio files' do."""
    return bool(_AUDIO.fullmatch(path.suffix)) and not path.name.startswith(".") and os.path.isfile(path)  # noqa: PTH113


def audio_files(folder: Path) -> dict[str, Path]:
    """The audio files of a folder by their names without suffix, sorted. Hidden files are none.

    Raises:
        DatasetError: Two of them differ in the suffix alone, or the folder cannot be read.
    """
    found: dict[str, Path] = {}
    for path in _content(folder):
        if is_audio_file(path):
            other = found.setdefault(path.stem, path)
            if other is not path:
                raise DatasetError(f"{other} and {path.name} could both be {path.stem}: remove one of them")
    return found


def song_folders(folder: Path) -> dict[str, dict[str, Path]]:
    """The audio files of each song by its name, sorted: of each folder in ``folder`` that has any.

    Raises:
        DatasetError: There is no such folder, or no song in it, or a folder cannot be read.
    """
    if not os.path.isdir(folder):  # noqa: PTH112
        raise DatasetError(f"{folder} is no folder: name one that holds a folder per song")
    inner = _folders(folder)
    songs = {path.name: files for path in inner if (files := audio_files(path))}
    if songs:
        return songs
    hint = ""
    if audio_files(folder):
        hint = (
            f"; it holds audio files itself, so if it is one song, name the folder above it, {folder.absolute().parent}"
        )
    elif deeper := [path.name for path in inner if any(map(audio_files, _folders(path)))]:
        hint = f"; one level deeper there are songs: name {' or '.join(str(folder / name) for name in deeper[:_NAMED])}"
    raise DatasetError(f"{folder} holds no song, which is a folder with an audio file per stem{hint}")


def _folders(folder: Path) -> list[Path]:
    return [path for path in _content(folder) if os.path.isdir(path) and not path.name.startswith(".")]  # noqa: PTH112


def _content(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(f"{folder}: {reason(error)}") from error


def find_songs(
    folder: str | Path,
    stems: Mapping[str, Sequence[str]] | None = None,
    *,
    missing_is_silent: bool = False,
) -> list[SongFiles]:
    """Find the songs of a folder in MUSDB's layout: a folder per song, and in it a file per stem and ``mixture``.

    Files may be of any usual audio format. Without a file named ``mixture``, the mixture is the sum of all other audio
    files of the song.

    Args:
        folder: That of all songs.
        stems: What to score: for each stem, the names of the files whose sum it is, without suffix, such as
            ``{"vocals": ["vocals"], "instrumental": ["drums", "bass", "other"]}``. None: every file but the mixture,
            of whichever song.
        missing_is_silent: Take a file that a song lacks for silence; else it is an error.

    Returns:
        The songs, sorted by name.

    Raises:
        DatasetError: There is no song; a song lacks a stem's file, or no song has it; or two files of a song differ
            in the suffix alone.
    """
    songs = song_folders(Path(folder))
    every = sorted({name for files in songs.values() for name in files} - {MIXTURE})
    wanted = {name: (name,) for name in every} if stems is None else {name: tuple(of) for name, of in stems.items()}
    if not wanted:
        raise DatasetError(f"{folder} holds nothing but mixtures: a file per true stem is needed beside each")
    parts = [part for of in wanted.values() for part in of]
    nowhere = [part for part in parts if part not in every]
    if nowhere:
        raise DatasetError(
            f"no song of {folder} has a file {nowhere[0]}, but {', '.join(every)}: rename the files, "
            f"or say what it is with --stem NAME=FILE+FILE, as in --stem instrumental=drums+bass+other"
        )
    missing = {
        song: absent for song, files in songs.items() if (absent := [part for part in parts if part not in files])
    }
    if missing and not missing_is_silent:
        some = ", ".join(f"{song} has no {' and no '.join(absent)}" for song, absent in list(missing.items())[:_NAMED])
        more = f", and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise DatasetError(
            f"{folder}: {some}{more}: add or rename the file, or add --missing-is-silent if the song has no such stem"
        )
    return [_song(name, files, wanted) for name, files in songs.items()]


def _song(name: str, files: Mapping[str, Path], wanted: Mapping[str, Sequence[str]]) -> SongFiles:
    others = [path for stem, path in files.items() if stem != MIXTURE]
    stems = {stem: tuple(files[part] for part in of if part in files) for stem, of in wanted.items()}
    used = sorted(path for paths in stems.values() for path in paths)
    mixture = (files[MIXTURE],) if MIXTURE in files else tuple(others)
    return SongFiles(name, mixture, stems, adds_up=MIXTURE in files and used == sorted(others))


def find_estimates(folder: Path, songs: Sequence[SongFiles]) -> dict[str, dict[str, Path]]:
    """The estimates of each song's stems: ``folder/<song>/<stem>``, of any audio suffix, as hfbs separate writes them.

    Raises:
        DatasetError: One is missing.
    """
    found: dict[str, dict[str, Path]] = {}
    for song in songs:
        place = folder / song.name
        files = audio_files(place) if os.path.isdir(place) else {}  # noqa: PTH112
        for stem in song.stems:
            if stem not in files:
                there = f"there are {', '.join(files)}" if files else "there is no such folder with audio files"
                raise DatasetError(
                    f"{place / stem}.wav is missing ({there}): estimates lie at FOLDER/SONG/STEM.wav, "
                    "as hfbs separate writes them"
                )
        found[song.name] = {stem: files[stem] for stem in song.stems}
    return found


def estimated_stems(folder: Path) -> list[str]:
    """The names of the stems in a folder of estimates, sorted.

    Raises:
        DatasetError: There is no such folder, or no song in it.
    """
    return sorted({name for files in song_folders(folder).values() for name in files} - {MIXTURE})


def check_other(stems: Sequence[str], songs: Mapping[str, Mapping[str, Path]]) -> None:
    """Refuse an estimate named ``other`` that may be more than the file of that name.

    Raises:
        DatasetError: The estimates have ``other`` and another stem, but lack a stem that the songs have.
    """
    lacking = sorted({name for files in songs.values() for name in files} - {MIXTURE, *stems})
    if "other" in stems and len(stems) > 1 and lacking:
        rest = " ".join(f"--stem {stem}" for stem in stems if stem != "other")
        raise DatasetError(
            f"the estimates' other may be all but {', '.join(stem for stem in stems if stem != 'other')}, while the "
            f"songs have {', '.join(lacking)} by themselves: say {rest} --stem other={'+'.join([*lacking, 'other'])} "
            f"if it holds those too, or {rest} --stem other if not"
        )
