"""What there is of a song for training."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StemFile:
    """A file, and how often it counts in a sum.

    Attributes:
        path: the file.
        gain: a whole number, as a rule 1, or -1 for what is taken away.
    """

    path: Path
    gain: int = 1


@dataclass(frozen=True, slots=True)
class TrainingSong:
    """A song and its stems; or one stem of a song whose other stems are unknown.

    Attributes:
        name: of its folder or file.
        stems: for each stem that is known, the files whose sum it is; none where it is silent. A stem that is missing
            here is not labelled: it may be in ``rest``.
        rest: the files whose sum is what the mixture holds beside these stems.
        mixture: the file of the mixture, where there is one.
        missing: names of the files that the song should have and has not.
        is_whole: whether all this is one mixture, its parts aligned; False for a stem by itself.
    """

    name: str
    stems: Mapping[str, tuple[StemFile, ...]]
    rest: tuple[StemFile, ...] = ()
    mixture: Path | None = None
    missing: tuple[str, ...] = ()
    is_whole: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, each once."""
        paths = [part.path for parts in (*self.stems.values(), self.rest) for part in parts]
        return tuple(dict.fromkeys(paths if self.mixture is None else [*paths, self.mixture]))


def files_of(songs: Iterable[TrainingSong]) -> list[Path]:
    """The files of all songs, each once."""
    return list(dict.fromkeys(path for song in songs for path in song.files))
