"""What a worker of a Ray cluster does: it loads the model once, and separates one song after the other."""

import importlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from ._attempt import Outcome, Work
from ._model import Model
from ._options import SampleFormat
from ._parts import clear_leftovers
from ._places import Job
from ._record import Json
from ._remote import place_of
from ._types import Progress

TRIES = 3  # of a song whose workers die

type Row = dict[str, Any]


def ray_module() -> Any:
    """Ray with Ray Data, whose types are known in part only."""
    ray: Any = importlib.import_module("ray")
    importlib.import_module("ray.data")
    return ray


@dataclass(frozen=True, slots=True)
class Order:
    """What every worker is to do.

    Attributes:
        model: what separates, its files as the driver names them.
        digests: of these files.
        sample_format: of the stems' files.
        skip_existing: whether songs are left alone whose stems are there.
    """

    model: Model
    digests: Json
    sample_format: SampleFormat
    skip_existing: bool


class Tries:
    """How often each song was begun and not ended: an actor, which outlives the workers that songs kill."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}

    def begin(self, number: int) -> int:
        """Which try at the song this is, from 1 on."""
        self._begun[number] = self._begun.get(number, 0) + 1
        return self._begun[number]

    def end(self, number: int) -> None:
        """Forget a song."""
        self._begun.pop(number, None)


class Worker:
    """Ray Data's actor: from a row of :func:`row_of` to one that :func:`outcome_of` reads."""

    def __init__(self, order: Order, files: Sequence[Any], tries: Any, folder: str) -> None:
        """Load the model.

        Args:
            order: what to do.
            files: references to the bytes of the model's files, in the order of ``ModelFiles.listed``.
            tries: handle of the actor :class:`Tries`.
            folder: where the driver stands, for relative paths.
        """
        self._tries = tries
        self._work: Work | None = None
        self._unfit = ""
        with suppress(OSError):  # a machine without that folder has no file in it either
            os.chdir(folder)
        try:
            self._work = _work_of(order, files)
        except click.ClickException as error:
            self._unfit = error.format_message()
        except OSError as error:
            self._unfit = f"the model's files cannot be kept in {tempfile.gettempdir()}: {error.strerror or error}"

    def __call__(self, row: Row) -> Row:
        """Separate the row's song."""
        if self._work is None:
            return {"number": row["number"], "unfit": self._unfit, "outcome": "", "computes_on": ""}
        outcome = self._outcome(self._work, int(row["number"]), str(row["job"]))
        return {
            "number": row["number"],
            "unfit": "",
            "outcome": json.dumps(outcome.to_json()),
            "computes_on": self._work.separator.computes_on,
        }

    def _outcome(self, work: Work, number: int, text: str) -> Outcome:
        ray = ray_module()
        job = job_of(text)
        if ray.get(self._tries.begin.remote(number)) > TRIES:
            with suppress(OSError):  # what those workers left
                clear_leftovers(job.on_disk)
            outcome = Outcome(
                "failed",
                f"{job.song}: its worker died {TRIES} times, as where memory runs out; given up, others went on",
            )
        else:
            outcome = _attempt(work, job)
        ray.get(self._tries.end.remote(number))
        return outcome


def row_of(number: int, job: Job) -> Row:
    """A song as it goes to a worker: Arrow holds no paths, and no text that is not UTF-8, which JSON escapes."""
    files = {stem: str(file) for stem, file in job.files.items()}
    return {"number": number, "job": json.dumps({"song": str(job.song), "files": files, "record": str(job.record)})}


def job_of(text: str) -> Job:
    """The song of a row."""
    said: dict[str, Any] = json.loads(text)
    files: Mapping[str, str] = said["files"]
    return Job(place_of(said["song"]), {stem: place_of(file) for stem, file in files.items()}, place_of(said["record"]))


def outcome_of(row: Row) -> Outcome:
    """What became of the song of a worker's row."""
    return Outcome(**json.loads(row["outcome"]))


def _attempt(work: Work, job: Job) -> Outcome:
    told: list[str] = []
    notes: list[str] = []
    outcome = work.attempt(job, begun=lambda song, _seconds: told.append(song), note=notes.append, bar=_unseen)
    return replace(outcome, about=told[0] if told else None, notes=notes)


def _unseen(_work: str) -> Progress | None:
    return None


def _work_of(order: Order, references: Sequence[Any]) -> Work:
    """The model, read from copies of its files by the same loader as everywhere, under the same names."""
    ray = ray_module()
    with tempfile.TemporaryDirectory(prefix="hfbs-model-", ignore_cleanup_errors=True) as folder:
        places: dict[Path, Path] = {}
        for number, (file, reference) in enumerate(zip(order.model.files.listed(), references, strict=True)):
            place = places[file] = Path(folder, str(number), file.name)
            place.parent.mkdir()
            with place.open("wb") as copy:
                copy.write(memoryview(ray.get(reference)))
        built = replace(order.model, files=order.model.files.moved(places)).build()
    recipe = built.recipe(order.digests, order.model.settings, order.sample_format)
    return Work(built.separator, recipe, order.sample_format, order.skip_existing)
