"""Effects sample by sample: gain, polarity, channels, saturation. Each takes audio (row, channel, time) and draws."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from numpy.random import Generator
from torch import Tensor

from ._draws import column, ratio, uniform
from ._settings import Clipping, Gain, Pan, Saturation

type Rows = Float[Tensor, "row channel time"]


def gain(audio: Rows, draws: Sequence[Generator], settings: Gain) -> Rows:
    """A factor per row."""
    return audio * column([ratio(uniform(each, settings.decibels)) for each in draws], audio)


def polarity(audio: Rows) -> Rows:
    """Upside down."""
    return -audio


def channel_swap(audio: Rows) -> Rows:
    """The channels in reverse order."""
    return audio.flip(1)


def pan(audio: Rows, draws: Sequence[Generator], settings: Pan) -> Rows:
    """Two factors per row, whose squares add up to 2."""
    angles = [math.pi / 4 * (1 + uniform(each, settings.position)) for each in draws]
    left, right = ([math.sqrt(2) * each(angle) for angle in angles] for each in (math.cos, math.sin))
    return audio * torch.cat([column(left, audio), column(right, audio)], 1)


def saturation(audio: Rows, draws: Sequence[Generator], settings: Saturation) -> Rows:
    """peak · tanh(drive · x / peak) / tanh(drive)."""
    drives = [ratio(uniform(each, settings.decibels)) for each in draws]
    scale = column(drives, audio) / _peak(audio)
    return (audio * scale).tanh() * (_peak(audio) / column([math.tanh(drive) for drive in drives], audio))


def clipping(audio: Rows, draws: Sequence[Generator], settings: Clipping) -> Rows:
    """Nothing beyond a fraction of the peak."""
    level = _peak(audio) * column([ratio(-uniform(each, settings.decibels)) for each in draws], audio)
    return audio.clamp(-level, level)


def _peak(audio: Rows) -> Float[Tensor, "row 1 1"]:
    """The largest magnitude of each row; above 0, where there is but silence, too."""
    return audio.abs().amax((-2, -1), keepdim=True).clamp(min=1e-20)
