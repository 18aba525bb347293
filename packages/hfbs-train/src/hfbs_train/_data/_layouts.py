"""Which files are which stems of which songs: folders of songs, folders of stems, and tables."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from hfbs_separate import DatasetError
from hfbs_separate.audio import is_audio_file, song_folders

from .._errors import ConfigurationError
from ._songs import StemFile, TrainingSong

type Layout = Literal["auto", "songs", "stems", "csv"]
type Missing = Literal["error", "silent", "unlabelled"]
type MixtureFrom = Literal["sum", "file"]

LAYOUTS: Final = ("auto", "songs", "stems", "csv")
MISSING: Final = ("error", "silent", "unlabelled")
MIXTURES: Final = ("sum", "file")
MIXTURE: Final = "mixture"
_NAMED = 6  # names that a message gives


class Part(NamedTuple):
    """A file's name without suffix, and how often it counts in a stem's sum."""

    name: str
    gain: int


def parts_of(stems: Mapping[str, Sequence[str]]) -> dict[str, tuple[Part, ...]]:
    """For each stem the files whose sum it is; ``-vocals`` takes away.

    Raises:
        ConfigurationError: there is no stem, or one without a name or a file.
    """
    if not stems:
        raise ConfigurationError("stems: none is named: name those that the model is to separate, such as vocals")
    found = {
        stem: tuple(Part(name.removeprefix("-"), -1 if name.startswith("-") else 1) for name in names)
        for stem, names in stems.items()
    }
    for stem, parts in found.items():
        if not stem or not parts or not all(part.name for part in parts):
            raise ConfigurationError(
                f"stems: {stem!r} is {list(stems[stem])}: a stem needs a name and the names of its files, such as "
                "instrumental: [drums, bass, other] or instrumental: [mixture, -vocals]"
            )
    return found


def find_training_songs(
    places: Sequence[str | Path],
    stems: Mapping[str, Sequence[str]] | None = None,
    *,
    layout: Layout = "auto",
    missing: Missing = "error",
    mixture: MixtureFrom = "sum",
) -> list[TrainingSong]:
    """Find the songs of folders and tables, by the names of files alone: none is opened.

    Args:
        places: folders, or CSV files.
        stems: for each stem the names of the files, without suffix, whose sum it is; a name with ``-`` before it is
            taken away, and ``mixture`` is a name like the others. ``{"vocals": ["vocals"], "instrumental":
            ["mixture", "-vocals"]}``. None: every name there is but ``mixture``, each a stem by itself.
        layout: what the places are. ``"songs"``: a folder per song, in it a file per stem, as MUSDB18-HQ has it (MSST's
            dataset types 1, 4, 5, 6 and 7). ``"stems"``: a folder per stem, in it that stem of many songs (type 2).
            ``"csv"``: a table with the columns ``instrum`` and ``path`` (type 3); paths are relative to its folder.
            ``"auto"``: what each place looks like.
        missing: what it means that a song's folder lacks a stem's file. ``"error"``: :func:`~hfbs_train.data.check`
            reports it. ``"silent"``: the song has no such stem. ``"unlabelled"``: it may have.
        mixture: what a song's mixture is: the ``"sum"`` of all files of its folder, or the ``"file"`` of that name,
            where there is one. Where the sum cannot be it, as stems are not labelled or there is but one, it is the
            file.

    Returns:
        The songs, place by place, in the order of their names.

    Raises:
        ConfigurationError: ``stems`` or an option has no meaning.
        DatasetError: a place holds no song, or no song has a stem that is asked for.
    """
    for option, value, known in (
        ("layout", layout, LAYOUTS),
        ("missing", missing, MISSING),
        ("mixture", mixture, MIXTURES),
    ):
        if value not in known:
            raise ConfigurationError(f"{option} is one of {', '.join(known)}, got {value!r}")
    if not places:
        raise ConfigurationError("no folder of songs is named: name at least one")
    wanted = None if stems is None else parts_of(stems)
    songs: list[TrainingSong] = []
    for place in map(Path, places):
        match _layout_of(place, wanted) if layout == "auto" else layout:
            case "stems":
                songs += _stem_folders(place, wanted)
            case "csv":
                songs += _table(place, wanted)
            case _:
                songs += _song_folders(place, wanted, missing, mixture)
    for stem in wanted or ():
        if not any(song.stems.get(stem) for song in songs) and not any(song.missing for song in songs):
            raise DatasetError(f"no song has a file of the stem {stem}: add some, or leave it out of the stems")
    return songs


def _layout_of(place: Path, wanted: Mapping[str, Sequence[Part]] | None) -> Layout:
    if place.suffix.lower() == ".csv" and not place.is_dir():
        return "csv"
    if wanted is None or not place.is_dir():
        return "songs"
    return "stems" if all((place / part.name).is_dir() for parts in wanted.values() for part in parts) else "songs"


def _song_folders(
    place: Path, wanted: Mapping[str, Sequence[Part]] | None, missing: Missing, mixture: MixtureFrom
) -> Iterator[TrainingSong]:
    folders = song_folders(place)
    every = sorted({name for files in folders.values() for name in files})
    if wanted is None:
        wanted = {name: (Part(name, 1),) for name in every if name != MIXTURE}
        if not wanted:
            raise DatasetError(f"{place} holds nothing but mixtures: a file per stem is needed beside each")
    for part in (part for parts in wanted.values() for part in parts):
        if part.name not in every and missing == "error":
            raise DatasetError(
                f"no song of {place} has a file {part.name}, but {_listed(every)}: rename the files, or say which "
                "files a stem is, as in instrumental=drums+bass+other"
            )
    for name, files in folders.items():
        yield _song(name, files, wanted, missing, mixture)


def _song(
    name: str,
    files: Mapping[str, Path],
    wanted: Mapping[str, Sequence[Part]],
    missing: Missing,
    mixture: MixtureFrom,
) -> TrainingSong:
    stems: dict[str, tuple[StemFile, ...]] = {}
    lacking: dict[str, None] = {}
    for stem, parts in wanted.items():
        absent = [part.name for part in parts if part.name not in files]
        if absent and (missing != "silent" or MIXTURE in absent):
            lacking |= dict.fromkeys(absent)
            continue
        stems[stem] = tuple(StemFile(files[part.name], part.gain) for part in parts if part.name in files)
    others = [path for file, path in files.items() if file != MIXTURE]
    used = {part.path for parts in stems.values() for part in parts}
    # Of one stem alone, or of some of all, the sum would leave out what else plays.
    lone = len(wanted) == 1 and used.issuperset(others)
    whole = [files[MIXTURE]] if MIXTURE in files else others
    if mixture == "sum" and not lacking and not lone and files.get(MIXTURE) not in used:
        whole = others
    rest = Counter(whole)
    rest.subtract(dict.fromkeys(used, 0))
    for part in (part for parts in stems.values() for part in parts):
        rest[part.path] -= part.gain
    return TrainingSong(
        name,
        stems,
        tuple(StemFile(path, gain) for path, gain in rest.items() if gain),
        files.get(MIXTURE),
        () if missing == "unlabelled" else tuple(lacking),
    )


def _stem_folders(place: Path, wanted: Mapping[str, Sequence[Part]] | None) -> Iterator[TrainingSong]:
    if not place.is_dir():
        raise DatasetError(f"{place} is no folder: name one that holds a folder per stem")
    folders = {path.name: path for path in sorted(place.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    names = _single(wanted, f"{place} is a folder of stems") if wanted is not None else {name: name for name in folders}
    for stem, name in names.items():
        paths = sorted(filter(is_audio_file, folders[name].iterdir())) if name in folders else []
        if not paths:
            raise DatasetError(
                f"{place / name} holds no audio file, but files of {stem} are looked for there; "
                f"the folders are {_listed(list(folders))}"
            )
        for path in paths:
            yield TrainingSong(path.stem, {stem: (StemFile(path),)}, is_whole=False)


def _table(place: Path, wanted: Mapping[str, Sequence[Part]] | None) -> Iterator[TrainingSong]:
    rows: dict[str, list[Path]] = {}
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"instrum", "path"} <= set(reader.fieldnames or ()):
                got = _listed(reader.fieldnames or ())
                raise DatasetError(f"{place}: a table of files has the columns instrum and path, got {got}")
            for row in reader:
                if not row["instrum"] or not row["path"]:
                    raise DatasetError(f"{place}: line {reader.line_num} lacks its instrum or its path: fill it in")
                rows.setdefault(row["instrum"], []).append(place.parent / row["path"])
    except OSError as error:
        raise DatasetError(f"{place}: {(error.strerror or str(error)).lower()}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{place} is no CSV file in UTF-8: {error}") from error
    names = _single(wanted, f"{place} is a table of stems") if wanted is not None else {name: name for name in rows}
    for stem, name in names.items():
        if name not in rows:
            raise DatasetError(f"{place} has no file of {name}, but of {_listed(list(rows))}")
        for path in rows[name]:
            yield TrainingSong(path.stem, {stem: (StemFile(path),)}, is_whole=False)


def _single(wanted: Mapping[str, Sequence[Part]], what: str) -> dict[str, str]:
    """The one name of each stem."""
    for stem, parts in wanted.items():
        if len(parts) != 1 or parts[0].gain != 1:
            raise ConfigurationError(
                f"stems: {stem} is a sum of several files, which belong to one song, but {what} by themselves: "
                f"put files of {stem} there, or use folders of songs"
            )
    return {stem: parts[0].name for stem, parts in wanted.items()}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(names[:_NAMED]) or "nothing") + more
