"""One song of many: what became of it, and how that is told, wherever it was separated."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ._decode import SongFile
from ._errors import AudioFileError, OutputError, SeparationError
from ._one_song import Busy, begin, finished, separate_song
from ._options import SampleFormat
from ._places import Job
from ._record import Recipe
from ._remote import named
from ._types import Progress
from ._write import decibels
from .terminal import Terminal, clock

if TYPE_CHECKING:
    from ._ensemble import Ensemble
    from ._separator import Separator


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a song, in values that JSON has.

    Attributes:
        kind: ``"done"``; ``"skipped"``: its stems are there; ``"busy"``: another process works on it;
            ``"failed"``.
        reason: why, where it is busy or failed.
        gain: what all stems were multiplied by so that none clips.
        seconds: of audio.
        took: seconds that it took.
        about: what the song is, in words; None where it was not looked into.
        notes: what a person should know.
    """

    kind: Literal["done", "skipped", "busy", "failed"]
    reason: str = ""
    gain: float = 1.0
    seconds: float = 0.0
    took: float = 0.0
    about: str | None = None
    notes: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        """Its attributes, from which ``Outcome(**attributes)`` is the same again."""
        return asdict(self)

    def tell(self, job: Job, terminal: Terminal) -> None:
        """Say how it ended; what it is and its notes are told by those who watch."""
        match self.kind:
            case "skipped":
                pass
            case "busy":
                terminal.warn(self.reason)
            case "failed":
                terminal.fail(self.reason)
            case "done":
                for file in job.files.values():
                    terminal.wrote(file)
                if self.gain < 1:
                    terminal.say(f"all stems turned down by {decibels(self.gain)} dB, so that none clips")
                speed = f"{self.seconds / self.took:.3g} times as fast as real time"
                terminal.say(f"{clock(self.seconds)} of audio in {clock(self.took)}, {speed}")


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with each song.

    Attributes:
        separator: the model.
        recipe: what records are to say of model and settings.
        sample_format: of the stems' files.
        skip_existing: whether songs are left alone whose stems are there, made so.
    """

    separator: "Separator | Ensemble"
    recipe: Recipe
    sample_format: SampleFormat
    skip_existing: bool

    def attempt(
        self,
        job: Job,
        *,
        begun: Callable[[str, float | None], None],
        note: Callable[[str], None],
        bar: Callable[[str], Progress | None],
    ) -> Outcome:
        """Separate a song, if need be. What a person can mend is an outcome, not an exception.

        Args:
            job: the song and its stems' places.
            begun: called, once the header was read, with what it says in words and with the seconds of audio, if it
                says those.
            note: called with one sentence for each thing that a person should know.
            bar: what shows the progress of the work named.
        """
        try:
            if self.skip_existing and finished(job, self.recipe):
                return Outcome("skipped")
            song = begin(job)
            begun(_described(song), song.seconds)
            done = separate_song(job, song, self.separator, self.recipe, self.sample_format, note=note, bar=bar)
        except Busy as busy:
            return Outcome("busy", str(busy))
        except (AudioFileError, OutputError, SeparationError) as error:
            return Outcome("failed", str(error))
        return Outcome("done", gain=done.gain, seconds=done.samples / song.sample_rate, took=done.took)


def _described(song: SongFile) -> str:
    length = "" if song.seconds is None else f"{clock(song.seconds)}, "
    return f"{named(song.path).name}: {length}{song.sample_rate} Hz {'stereo' if song.channels == 2 else 'mono'}"
