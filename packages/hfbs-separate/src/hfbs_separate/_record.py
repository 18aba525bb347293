"""The file beside a song's stems that says how they were made: enough to make them again, and to see that they are."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, cast

from ._places import Job
from ._remote import Place, content_of, exists, fingerprint
from ._source import STANDARD_INPUT

type Json = Mapping[str, object]

_PACKAGES = ("hfbs-separate", "hfbs-model", "hfbs-attention", "hfbs-filterbanks", "torch", "soxr", "av")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a song's stems depend on besides the song.

    Attributes:
        checkpoint: the model's files, their digests, and what else was said of it.
        separation: the separator's settings that change stems.
        sample_format: of the stems' files.
    """

    checkpoint: Json
    separation: Json
    sample_format: str

    def entries(self) -> dict[str, object]:
        """As they stand in a record."""
        return {"checkpoint": self.checkpoint, "separation": self.separation, "format": self.sample_format}


def sha256(path: Path) -> str:
    """Digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def written(
    job: Job,
    recipe: Recipe,
    *,
    song: Json,
    sizes: Mapping[str, int],
    gain: float,
    computed_on: str,
    notes: list[str],
    seconds: float,
) -> bytes:
    """A record, for when the stems are in their places.

    Args:
        job: the song and its stems.
        recipe: how they were made.
        song: what it was made from: length, rate, channels.
        sizes: bytes of each stem's file.
        gain: what all stems were multiplied by so that none clips.
        computed_on: device and precision in words.
        notes: what a person was told.
        seconds: how long it took.
    """
    folder = job.record.parent
    document = {
        **recipe.entries(),
        "song": {"path": str(job.song), **_identity(job.song), **song},
        "gain": gain,
        "stems": {
            name: {"file": os.path.relpath(str(file), str(folder)), "bytes": sizes[name]}
            for name, file in job.files.items()
        },
        "notes": notes,
        "computed_on": computed_on,
        "versions": {package: version(package) for package in _PACKAGES},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
    }
    return (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()


def unfinished() -> bytes:
    """A record to stand beside stems while others take their places: until the last has, they may be of two kinds."""
    return (json.dumps({"unfinished": True}) + "\n").encode()


def state(job: Job, recipe: Recipe) -> Literal["done", "other", "open"]:
    """What there is of a song's stems.

    Returns:
        ``"done"``: all are there, made so from this song, or nobody knows how. ``"other"``: all are there, but made
        otherwise or from another song. ``"open"``: some are missing, or a process was killed while it replaced them.

    Raises:
        OSError: the song is gone, or the record cannot be read.
    """
    if job.missing:
        return "open"
    if not exists(job.record):
        return "done"  # another program's, or the process was killed before its last step: stems are whole
    try:
        document = cast("dict[str, object]", json.loads(content_of(job.record)))
        if document.get("unfinished"):
            return "open"
        stems = cast("dict[str, dict[str, object]]", document["stems"])
        song = cast("dict[str, object]", document["song"])
        said = {name: document[name] for name in recipe.entries()}
        sizes = {name: stem["bytes"] for name, stem in stems.items()}
    except (ValueError, KeyError, TypeError, AttributeError):  # not one of ours
        return "other"
    same = (
        said == json.loads(json.dumps(recipe.entries()))
        and sizes == {name: _size(file) for name, file in job.files.items()}
        and all(song.get(name) == value for name, value in _identity(job.song).items())
    )
    return "done" if same else "other"


def _size(file: Place) -> object:
    return file.stat().st_size if isinstance(file, Path) else fingerprint(file)["bytes"]


def _identity(song: Place) -> dict[str, object]:
    """What tells that a file is still the same; nothing for standard input, which nobody can see again."""
    if not isinstance(song, Path):
        return fingerprint(song)
    if song == STANDARD_INPUT:
        return {}
    status = song.stat()
    return {"bytes": status.st_size, "modified_ns": status.st_mtime_ns}
