"""Draws at random that depend on seed, item, stem and effect alone: on no batch, device or process."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from .._transfer import sent
from ._settings import Range

# Part of each effect's seed: they never change, so that a new effect leaves the draws of others alone.
CONSTANTS: Final = {
    "codec": 1,
    "speed": 2,
    "pitch_and_tempo": 3,
    "equalizer": 4,
    "saturation": 5,
    "clipping": 6,
    "reverb": 7,
    "low_pass": 8,
    "pan": 9,
    "channel_swap": 10,
    "polarity": 11,
    "gain": 12,
}


def chances(effect: str, *, seed: int, indices: Sequence[int], stems: Sequence[int | None]) -> NDArray[np.float64]:
    """Whether an effect is applied is decided by a number from 0 to below 1: one for each item (row) and stem (column);
    None for a stem: for all stems of an item together.

    By a hash :cite:p:`steele2014splittable` of many at once, as a generator for each would take longer than the effects
    do on a GPU.
    """
    of_run = _mixed(np.array([[seed]], np.uint64) + _ODD * np.array([[CONSTANTS[effect]]], np.uint64))
    of_items = _mixed(of_run ^ np.array(indices, np.uint64)[:, None])
    of_stems = _mixed(of_items + _ODD * np.array([_place(stem) for stem in stems], np.uint64))
    return (of_stems >> np.uint64(11)).astype(np.float64) * 2.0**-53


def generator(effect: str, *, seed: int, index: int, stem: int | None) -> Generator:
    """The draws of an effect for one stem of an item; None for ``stem``: for all its stems together."""
    return np.random.default_rng([seed, index, _place(stem), CONSTANTS[effect]])


def uniform(draws: Generator, bounds: Range) -> float:
    """A number within bounds."""
    return float(draws.uniform(*bounds))


def log_uniform(draws: Generator, bounds: Range) -> float:
    """A number within bounds above 0, as likely in each octave."""
    return math.exp(draws.uniform(math.log(bounds[0]), math.log(bounds[1])))


def ratio(decibels: float) -> float:
    """Of amplitudes."""
    return 10 ** (decibels / 20)


def column(values: Sequence[float], like: Tensor) -> Tensor:
    """One number per row, for audio of shape (row, channel, time)."""
    return sent(torch.tensor(values, dtype=like.dtype), like.device).reshape(-1, 1, 1)


def _place(stem: int | None) -> int:
    return 0 if stem is None else 1 + stem


_ODD: Final = np.uint64(0x9E3779B97F4A7C15)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: each bit of a word depends on all of them."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
