"""How well a model separates whole songs, measured while it is trained."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from hfbs_model import Checkpoint
from hfbs_separate import Separator
from hfbs_separate.evaluation import Song, SongFiles, is_silent, load_song, sdr


@dataclass(frozen=True, slots=True)
class Separation:
    """A song as the model separated it.

    Attributes:
        song: With its true stems.
        estimates: The stems that the model gave, each of the mixture's shape.
    """

    song: Song
    estimates: dict[str, NDArray[np.float32]]


def separated(
    checkpoint: Checkpoint, songs: Sequence[SongFiles], *, device: torch.device, seconds: float | None
) -> list[Separation]:
    """Separate songs, or their middles.

    Args:
        checkpoint: The model and what belongs to it; it is left as it is.
        songs: Where they are.
        device: Where the model runs.
        seconds: Length taken of each song; None: all of it.

    Raises:
        AudioFileError: A song's file cannot be read.
        DatasetError: A song's files do not fit each other.
    """
    model = deepcopy(checkpoint.model)  # which the separator takes over
    name = str(device) if device.type == "cuda" else device.type
    separator = Separator(replace(checkpoint, model=model), device=name, precision="float32", stems=checkpoint.stems)
    found: list[Separation] = []
    for files in songs:
        song = _middle(load_song(files), seconds)
        found.append(Separation(song, separator.separate(song.mixture, song.sample_rate)))
    return found


def scores(separation: Separation) -> dict[str, float]:
    """Each stem's SDR in dB; NaN where the true stem is silent, and so counts nothing."""
    return {
        stem: float("nan") if is_silent(truth) else sdr(truth, separation.estimates[stem])
        for stem, truth in separation.song.stems.items()
    }


def _middle(song: Song, seconds: float | None) -> Song:
    length = song.mixture.shape[1]
    wanted = length if seconds is None else min(length, round(seconds * song.sample_rate))
    part = slice((length - wanted) // 2, (length - wanted) // 2 + wanted)
    return replace(
        song, mixture=song.mixture[:, part], stems={name: stem[:, part] for name, stem in song.stems.items()}
    )
