"""The samples of a song: its mixture, its true stems, and estimates of them that lie in files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._decode import decode
from .._errors import DatasetError
from .._types import Audio, Progress
from ._folders import SongFiles
from ._signals import SHORTEST, energy

_REST = 1e-2  # of the mixture's energy, -20 dB


@dataclass(frozen=True, slots=True, eq=False)
class Song:
    """A song with its true stems.

    Attributes:
        name: Its folder's name.
        mixture: float32, shape (channel, time).
        stems: The true stems by name, each of the mixture's shape.
        sample_rate: In Hz.
        warnings: What is odd about its files, one sentence each.
    """

    name: str
    mixture: NDArray[np.float32]
    stems: Mapping[str, NDArray[np.float32]]
    sample_rate: int
    warnings: tuple[str, ...] = ()


# A song's estimates by stem; the callback shows how far a model is with it.
type Estimate = Callable[[Song, Progress | None], Mapping[str, Audio]]


@dataclass(slots=True)
class _Reader:
    """Reads the files of one song, each once, and holds them to the first one's rate and shape."""

    first: Path | None = None
    sample_rate: int = 0
    shape: tuple[int, ...] = ()
    audio: dict[Path, Audio] = field(default_factory=dict[Path, Audio])
    warnings: list[str] = field(default_factory=list[str])

    def read(self, path: Path) -> Audio:
        if path in self.audio:
            return self.audio[path]
        recording = decode(path)
        audio, rate = recording.audio, recording.sample_rate
        self.warnings += recording.warnings
        if self.first is None:
            self.first, self.sample_rate, self.shape = path, rate, audio.shape
        elif (rate, audio.shape) != (self.sample_rate, self.shape):
            here, there = _form(audio.shape, rate), _form(self.shape, self.sample_rate)
            raise DatasetError(f"{path} has {here}, but {self.first.name} {there}: all files of a song must be alike")
        self.audio[path] = audio
        return audio

    def total(self, paths: Sequence[Path]) -> Audio:
        if not paths:
            return np.zeros(self.shape, np.float32)
        first, *others = [self.read(path) for path in paths]
        if not others:
            return first
        total = first + others[0]
        for audio in others[1:]:
            total += audio
        return total


def load_song(files: SongFiles) -> Song:
    """Decode a song's files and add up what is to be added up.

    Raises:
        AudioFileError: A file cannot be read as audio.
        DatasetError: The files differ in length, rate or channels, or are shorter than 1025 samples.
    """
    reader = _Reader()
    mixture = reader.total(files.mixture)
    if mixture.shape[1] < SHORTEST:
        raise DatasetError(f"{files.name} has {mixture.shape[1]} samples; to be scored it needs at least {SHORTEST}")
    stems = {stem: reader.total(paths) for stem, paths in files.stems.items()}
    if files.adds_up:
        rest = mixture - sum(stems.values())
        share = energy(rest) / max(energy(mixture), np.finfo(np.float64).tiny)
        if share > _REST:
            reader.warnings.append(
                f"{files.name}: the stems do not add up to the mixture: what is left has {10 * np.log10(share):.1f} dB "
                "of its energy"
            )
    return Song(files.name, mixture, stems, reader.sample_rate, tuple(reader.warnings))


def load_estimates(files: Mapping[str, Path], song: Song) -> tuple[dict[str, Audio], tuple[str, ...]]:
    """Decode the estimates of a song's stems, and say what is odd about their files.

    Raises:
        AudioFileError: A file cannot be read as audio.
        DatasetError: It differs from the song in length, rate or channels.
    """
    estimates: dict[str, Audio] = {}
    odd: list[str] = []
    for stem, path in files.items():
        recording = decode(path)
        audio, rate = recording.audio, recording.sample_rate
        odd += recording.warnings
        if (rate, audio.shape) != (song.sample_rate, song.mixture.shape):
            here, there = _form(audio.shape, rate), _form(song.mixture.shape, song.sample_rate)
            raise DatasetError(f"{path} has {here}, but the song {there}: an estimate must be as long as its song")
        estimates[stem] = audio
    return estimates, tuple(odd)


def _form(shape: tuple[int, ...], rate: int) -> str:
    return f"{shape[1]} samples at {rate} Hz in {'stereo' if shape[0] == 2 else 'mono'}"
