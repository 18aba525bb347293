"""Where in which songs a stem plays, and where it is silent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._facts import SILENCE, FileFacts
from ._songs import StemFile, TrainingSong


class Place(NamedTuple):
    """A place in a song.

    Attributes:
        song: its number.
        second: a whole one.
    """

    song: int
    second: int


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The places where excerpts of one stem may begin.

    Attributes:
        active: int32, shape (place, 2), song and second, of excerpts in which it plays.
        silent: the same of those in which it is silent.
    """

    active: NDArray[np.int32]
    silent: NDArray[np.int32]

    def draw_any(self, random: np.random.Generator) -> Place:
        """A place, be it silent or not."""
        number = int(random.integers(len(self.active) + len(self.silent)))
        active = number < len(self.active)
        song, second = self.active[number] if active else self.silent[number - len(self.active)]
        return Place(int(song), int(second))

    def draw(self, random: np.random.Generator, silent_share: float) -> Place:
        """A place: with this probability one where the stem is silent, if there is one."""
        silent = random.random() < silent_share
        places = self.silent if (silent and len(self.silent)) or not len(self.active) else self.active
        song, second = places[random.integers(len(places))]
        return Place(int(song), int(second))


def pool_of(
    songs: Sequence[TrainingSong],
    stems: Mapping[int, Sequence[StemFile]],
    files: Mapping[Path, FileFacts],
    seconds: float,
) -> Pool:
    """Sort the places of songs.

    An excerpt may begin at each second of a song and anywhere up to the next one. It is silent where its seconds' mean
    square is below -60 dB of full scale.

    Args:
        songs: all songs.
        stems: for the number of each song that has the stem, the files whose sum it is.
        files: the facts about all files.
        seconds: how long an excerpt is.
    """
    reach = int(np.ceil(seconds)) + 1  # it may begin in mid-second
    active, silent = [np.zeros((0, 2), np.int32)], [np.zeros((0, 2), np.int32)]
    for number, parts in stems.items():
        length = max((files[path].seconds for path in songs[number].files), default=0.0)
        energies = energies_of(parts, length, files)
        sums = np.concatenate([[0.0], np.cumsum(energies)])
        starts = np.arange(max(1, int(np.ceil(length - seconds))))
        ends = np.minimum(starts + reach, len(energies))
        loud = (sums[ends] - sums[starts]) >= SILENCE * (ends - starts)
        places = np.stack([np.full(len(starts), number), starts], axis=1).astype(np.int32)
        active.append(places[loud])
        silent.append(places[~loud])
    return Pool(np.concatenate(active), np.concatenate(silent))


def seconds_of(length: float) -> NDArray[np.float64]:
    """How long each second of a song is: the last one ends with it."""
    return np.clip(length - np.arange(max(1, int(np.ceil(length))), dtype=np.float64), 0, 1)


def energies_of(parts: Sequence[StemFile], seconds: float, files: Mapping[Path, FileFacts]) -> NDArray[np.float64]:
    """The mean square of each second of a sum of files, if they are alien to each other."""
    energies = np.zeros(max(1, int(np.ceil(seconds))))
    for part in parts:
        found = files[part.path].energies
        energies[: len(found)] += part.gain * found
    return np.maximum(energies, 0)


def known(songs: Iterable[TrainingSong], stem: str, *, whole: bool = False) -> dict[int, Sequence[StemFile]]:
    """The files of a stem, of each song that has it labelled; of whole songs only, where asked for."""
    return {
        number: song.stems[stem]
        for number, song in enumerate(songs)
        if stem in song.stems and (song.is_whole or not whole)
    }
