"""Draws at random that depend on seed, item, stem and effect alone: on no batch, device or process."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

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


def generator(effect: str, *, seed: int, index: int, stem: int | None) -> Generator:
    """The draws of an effect for one stem of an item; None for ``stem``: for all its stems together."""
    return np.random.default_rng([seed, index, 0 if stem is None else 1 + stem, CONSTANTS[effect]])


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
    return torch.tensor(values, dtype=like.dtype).to(like.device).reshape(-1, 1, 1)
