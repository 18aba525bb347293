"""One song from its file to the files of its stems, all of them or none."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._background import ahead, behind
from ._decode import SongFile, open_song
from ._errors import AudioFileError, OutputError, SeparationError
from ._options import SampleFormat
from ._parts import clear_leftovers
from ._places import Job
from ._record import Recipe, state, unfinished, written
from ._remote import exists
from ._source import reason
from ._staging import deliver, on_this_disk, write_record
from ._types import Audio, Progress
from ._write import stems_writer

if TYPE_CHECKING:
    from ._ensemble import Ensemble
    from ._separator import Separator

_READ_AHEAD = 8  # blocks, of 1.5 s at 44100 Hz


@dataclass(frozen=True, slots=True)
class Separated:
    """A song whose stems are in their places.

    Attributes:
        song: what was read.
        gain: what all stems were multiplied by so that none clips.
        took: seconds.
        samples: of the song.
    """

    song: SongFile
    gain: float
    took: float
    samples: int


@dataclass(frozen=True, slots=True)
class _Read:
    """A song file as the separator takes it, read ahead of it."""

    song: SongFile
    warn: Callable[[str], None]

    @property
    def sample_rate(self) -> int:
        return self.song.sample_rate

    @property
    def channels(self) -> int:
        return self.song.channels

    @property
    def samples(self) -> int | None:
        return None if self.song.seconds is None else round(self.song.seconds * self.song.sample_rate)

    def blocks(self) -> Iterator[Audio]:
        return ahead(self.song.blocks(self.warn), _READ_AHEAD)


class Busy(OutputError):
    """Another process is at work on the same stems."""


def begin(job: Job) -> SongFile:
    """Read a song's header, and clear away what a process that was killed left of its stems.

    Raises:
        AudioFileError: as :func:`~._decode.open_song`.
        Busy: another process is writing these stems now.
        OutputError: the output folder cannot be read.
    """
    song = open_song(job.song)
    try:
        if clear_leftovers(job.on_disk):
            raise Busy(f"{job.song}: another process is separating it into the same folder; left to that one")
    except OSError as error:
        raise OutputError(f"{job.song}: its output folder cannot be read: {error.strerror or error}") from error
    return song


def separate_song(
    job: Job,
    song: SongFile,
    separator: "Separator | Ensemble",
    recipe: Recipe,
    sample_format: SampleFormat,
    *,
    note: Callable[[str], None],
    bar: Callable[[str], Progress | None],
) -> Separated:
    """Separate a song, write its stems, and beside them how they were made.

    Args:
        job: the song and its stems' places; what is there is replaced.
        song: the song as :func:`begin` gives it.
        separator: the model.
        recipe: what the record is to say of model and settings.
        sample_format: of the stems' files.
        note: called with one sentence for each thing that a person should know.
        bar: what shows the progress of the work named.

    Raises:
        AudioFileError: the song cannot be read to its end.
        SeparationError: the model gave no usable stems.
        OutputError: a stem cannot be written.
    """
    began = time.monotonic()
    notes: list[str] = []

    def keep(sentence: str) -> None:
        if sentence not in notes:  # a song that is read twice tells of its oddities twice
            notes.append(sentence)
            note(sentence)

    source = _Read(song, keep)
    samples = 0
    try:
        with on_this_disk(job.files) as files:
            with stems_writer(
                files, sample_rate=song.sample_rate, channels=song.channels, sample_format=sample_format
            ) as writer:
                with behind(writer.write) as write:
                    for block in separator.stream(source, progress=bar("separating"), note=keep):
                        samples += next(iter(block.values())).shape[-1]
                        write(block)
                gain = writer.encode(bar("encoding") if sample_format != "float" else None)
                if any(exists(file) for file in (*job.files.values(), job.record)):
                    write_record(job.record, unfinished(job))
                writer.put()
            sizes = {stem: file.stat().st_size for stem, file in files.items()}
            for stem, file in files.items():
                deliver(file, job.files[stem])
        took = time.monotonic() - began
        facts = {"samples": samples, "sample_rate": song.sample_rate, "channels": song.channels}
        record = written(
            job,
            recipe,
            song=facts,
            sizes=sizes,
            gain=gain,
            computed_on=separator.computes_on,
            notes=notes,
            seconds=took,
        )
        write_record(job.record, record)
    except OSError as error:
        raise OutputError(f"{job.song}: its stems cannot be written: {error.strerror or error}") from error
    except SeparationError as error:
        raise SeparationError(f"{job.song}: {error}") from error
    return Separated(song, gain, took, samples)


def finished(job: Job, recipe: Recipe) -> bool:
    """Whether a song need not be separated again.

    Raises:
        OutputError: its stems are there, but made with other settings or from another song.
        AudioFileError: the song is gone.
    """
    try:
        found = state(job, recipe)
        if found == "done":
            clear_leftovers(job.on_disk)
    except OSError as error:
        raise AudioFileError(f"{job.song}: {reason(error)}") from error
    if found == "other":
        raise OutputError(
            f"{job.record.parent}: the stems of {job.song} are there, but made with other settings or from another "
            "song: add --force to make them again, or name another folder with -o"
        )
    return found == "done"
