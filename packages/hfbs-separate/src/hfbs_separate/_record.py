"""The file beside a song's stems that says how they were made: enough to make them again, and to see that they are.

It tells of the last run, and below ``earlier`` of those before it, as far as their stems were not replaced.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from ._places import Job
from ._remote import Place, content_of, exists, fingerprint, public
from ._source import STANDARD_INPUT

type Json = Mapping[str, object]

_PACKAGES = ("hfbs-separate", "hfbs-model", "hfbs-attention", "hfbs-filterbanks", "torch", "soxr", "av")
_NOT_OURS = (ValueError, KeyError, TypeError, AttributeError)  # what reading another program's file may raise


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
    document = {
        **recipe.entries(),
        "song": {"path": public(job.song), **_identity(job.song), **song},
        "gain": gain,
        "stems": {name: {"file": file, "bytes": sizes[name]} for name, file in _files(job).items()},
        "notes": notes,
        "computed_on": computed_on,
        "versions": {package: version(package) for package in _PACKAGES},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
    }
    return _text(document, job)


def unfinished(job: Job) -> bytes:
    """A record to stand beside stems while others take their places: until the last has, they may be of two kinds."""
    return _text({"unfinished": True}, job)


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
        document: dict[str, Any] = json.loads(content_of(job.record))
        if any(_made(job, recipe, run) for run in _runs(document)):
            return "done"
        return "open" if document.get("unfinished") else "other"
    except _NOT_OURS:
        return "other"


def _text(document: Json, job: Job) -> bytes:
    """A record, with what the one that is there says of stems that this one does not tell of."""
    earlier = _earlier(job)
    kept = {"earlier": earlier} if earlier else {}
    return (json.dumps({**document, **kept}, indent=1, ensure_ascii=True) + "\n").encode()


def _earlier(job: Job) -> list[Json]:
    """The runs whose stems a job leaves alone, newest first, each with such stems alone."""
    replaced = set(_files(job).values())
    try:
        runs = _runs(json.loads(content_of(job.record)))
        left = [{name: stem for name, stem in run["stems"].items() if stem["file"] not in replaced} for run in runs]
    except (FileNotFoundError, *_NOT_OURS):
        return []
    return [{**run, "stems": stems} for run, stems in zip(runs, left, strict=True) if stems]


def _runs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs that a record tells of, newest first: not the last where that was ended while stems were replaced."""
    last = {name: value for name, value in document.items() if name != "earlier"}
    return [*([] if document.get("unfinished") else [last]), *document.get("earlier", [])]


def _made(job: Job, recipe: Recipe, run: dict[str, Any]) -> bool:
    """Whether a run made a job's stems by this recipe from the song as it is now."""
    return (
        {name: run[name] for name in recipe.entries()} == json.loads(json.dumps(recipe.entries()))
        and {name: stem["bytes"] for name, stem in run["stems"].items()}
        == {name: _size(file) for name, file in job.files.items()}
        and all(run["song"].get(name) == value for name, value in _identity(job.song).items())
    )


def _files(job: Job) -> dict[str, str]:
    """Where a job's stems are, seen from its record."""
    folder = str(job.record.parent)
    return {name: os.path.relpath(str(file), folder) for name, file in job.files.items()}


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
