"""How well a model separates whole songs, measured while it is trained."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from hfbs_model import Checkpoint
from hfbs_separate import Separator
from hfbs_separate.evaluation import Song, is_silent, sdr

from .data import Readers, Report, TrainingSong


@dataclass(frozen=True, slots=True, eq=False)
class ValidationSongs:
    """Songs to measure with.

    Attributes:
        report: On songs without errors.
        seconds: Length taken of each song, from its middle; None: all of it.
    """

    report: Report
    seconds: float | None

    def __len__(self) -> int:
        return len(self.report.songs)

    def load(self, song: TrainingSong) -> Song:
        """Read a song's mixture and stems, at the rate and with the channels of its files.

        Raises:
            AudioFileError: A file cannot be read any more, or has changed.
        """
        facts = [self.report.files[path] for path in song.files]
        rate = facts[0].sample_rate
        with closing(Readers(self.report.files, rate, max(each.channels for each in facts))) as readers:
            whole = max(map(readers.samples, song.files))
            length = whole if self.seconds is None else min(whole, round(self.seconds * rate))
            part = (whole - length) // 2, length
            stems = {stem: readers.total(parts, *part) for stem, parts in song.stems.items()}
            if song.mixture is None:
                mixture = sum(stems.values(), readers.total(song.rest, *part))
            else:
                mixture = readers.read(song.mixture, *part)
        return Song(song.name, mixture, stems, rate)


@dataclass(frozen=True, slots=True)
class Separation:
    """A song as the model separated it.

    Attributes:
        song: With its true stems.
        estimates: The stems that the model gave, each of the mixture's shape.
    """

    song: Song
    estimates: dict[str, NDArray[np.float32]]


def separated(checkpoint: Checkpoint, songs: Iterable[Song], *, device: torch.device) -> Iterator[Separation]:
    """Separate songs, each when it is asked for.

    Args:
        checkpoint: The model and what belongs to it; it is left as it is.
        songs: What to separate.
        device: Where the model runs.
    """
    model = deepcopy(checkpoint.model)  # which the separator takes over
    name = str(device) if device.type == "cuda" else device.type
    separator = Separator(replace(checkpoint, model=model), device=name, precision="float32", stems=checkpoint.stems)
    for song in songs:
        yield Separation(song, separator.separate(song.mixture, song.sample_rate))


def scores(separation: Separation) -> dict[str, float]:
    """Each stem's SDR in dB; NaN where the true stem is silent, and so counts nothing."""
    return {
        stem: float("nan") if is_silent(truth) else sdr(truth, separation.estimates[stem])
        for stem, truth in separation.song.stems.items()
    }
