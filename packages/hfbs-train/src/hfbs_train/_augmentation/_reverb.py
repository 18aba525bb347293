"""Reverberation by noise that decays."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from .._fft import irfft, quick_length, rfft
from .._transfer import sent
from ._draws import log_uniform, ratio, uniform
from ._levels import Rows
from ._settings import Reverb


def reverb(audio: Rows, draws: Sequence[Generator], settings: Reverb, sample_rate: int) -> Rows:
    """The sound and, up to the excerpt's end, its convolution with decaying noise :cite:p:`moorer1979reverberation`."""
    longest = math.ceil((settings.seconds[1] + settings.delay_milliseconds[1] / 1000) * sample_rate) + 2
    tails = np.zeros((len(audio), audio.shape[1], longest), np.float32)
    for tail, each in zip(tails, draws, strict=True):
        _draw_tail(tail, each, settings, sample_rate)
    n_fft = quick_length(audio.shape[-1] + longest)
    response = 1 + rfft(sent(torch.as_tensor(tails), audio.device), n_fft)
    return irfft(rfft(audio, n_fft) * response, n_fft)[..., : audio.shape[-1]]


def _draw_tail(tail: NDArray[np.float32], draws: Generator, settings: Reverb, sample_rate: int) -> None:
    """Fill (channel, time) with noise of the energy drawn, the mean of the channels'."""
    seconds = log_uniform(draws, settings.seconds)
    level = ratio(uniform(draws, settings.decibels))
    delay = round(uniform(draws, settings.delay_milliseconds) / 1000 * sample_rate)
    time = np.arange(math.ceil(seconds * sample_rate), dtype=np.float32)
    noise = draws.standard_normal((len(tail), len(time)), np.float32)
    noise *= np.exp(time * np.float32(-3 * math.log(10) / (seconds * sample_rate)))
    # Not at once with the sound, which it would make louder or softer.
    tail[:, 1 + delay : 1 + delay + len(time)] = noise * (level / math.sqrt(np.square(noise).sum() / len(tail)))
