"""Effects frequency by frequency: equaliser and low-pass, through one transform of the whole excerpt."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Complex, Float
from numpy.random import Generator
from torch import Tensor

from .._fft import irfft, quick_length, rfft
from .._transfer import sent
from ._draws import column, log_uniform, ratio, uniform
from ._levels import Rows
from ._settings import Equalizer, LowPass

type Coefficients = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Of a second-order filter: numerator and denominator, in powers of z⁻¹."""

_RING = 0.25  # seconds, at least, that are left for the filters to ring, or, where they ring before, twice that
_SHELF = math.sqrt(0.5)  # quality of the shelves


def equalizer(audio: Rows, draws: Sequence[Generator], settings: Equalizer, sample_rate: int) -> Rows:
    """Second-order filters in a row :cite:p:`bristowjohnson2021cookbook`, as they would ring on for ever."""
    filters = [_draw_filters(each, settings, sample_rate) for each in draws]
    # The slowest pole that may be drawn falls by 140 dB in 16 of its time constants.
    amplitude = ratio(max(map(abs, settings.decibels)) / 2)
    slowest = max(settings.quality[1] / settings.bell_hertz[0], _SHELF / settings.low_hertz[0]) * amplitude / math.pi
    n_fft = quick_length(audio.shape[-1] + math.ceil(max(_RING, 16 * slowest) * sample_rate))
    return _filtered(audio, _responses(filters, n_fft, audio), n_fft)


def low_pass(audio: Rows, draws: Sequence[Generator], settings: LowPass, sample_rate: int) -> Rows:
    """A cosine slope of magnitudes along octaves, from 1 to 0, without any turn of phase."""
    middles = column([log_uniform(each, settings.hertz) for each in draws], audio)
    widths = column([log_uniform(each, settings.octaves) for each in draws], audio)
    narrowest = settings.hertz[0] * settings.octaves[0] * math.log(2)  # slope, in Hz
    n_fft = quick_length(audio.shape[-1] + math.ceil(max(_RING, 32 / narrowest) * sample_rate))
    hertz = torch.arange(n_fft // 2 + 1, device=audio.device, dtype=audio.dtype) * (sample_rate / n_fft)
    slope = ((hertz / middles).log2() / widths + 0.5).clamp(0, 1)
    return _filtered(audio, (1 + (math.pi * slope).cos()) / 2, n_fft)


def cookbook(
    shape: Literal["low", "bell", "high"], hertz: float, decibels: float, quality: float, sample_rate: int
) -> Coefficients:
    """The Audio EQ Cookbook's low shelf, peaking filter or high shelf :cite:p:`bristowjohnson2021cookbook`."""
    amplitude = ratio(decibels / 2)
    angle = 2 * math.pi * min(hertz / sample_rate, 0.49)
    alpha, cosine = math.sin(angle) / (2 * quality), math.cos(angle)
    if shape == "bell":
        return (
            (1 + alpha * amplitude, -2 * cosine, 1 - alpha * amplitude),
            (1 + alpha / amplitude, -2 * cosine, 1 - alpha / amplitude),
        )
    # A high shelf is a low one mirrored at a quarter of the rate.
    sign = 1 if shape == "low" else -1
    more, less, root = amplitude + 1, amplitude - 1, 2 * math.sqrt(amplitude) * alpha
    return (
        (
            amplitude * (more - sign * less * cosine + root),
            sign * 2 * amplitude * (less - sign * more * cosine),
            amplitude * (more - sign * less * cosine - root),
        ),
        (
            more + sign * less * cosine + root,
            -sign * 2 * (less + sign * more * cosine),
            more + sign * less * cosine - root,
        ),
    )


def _draw_filters(draws: Generator, settings: Equalizer, sample_rate: int) -> list[Coefficients]:
    return [
        cookbook("low", log_uniform(draws, settings.low_hertz), uniform(draws, settings.decibels), _SHELF, sample_rate),
        *(
            cookbook(
                "bell",
                log_uniform(draws, settings.bell_hertz),
                uniform(draws, settings.decibels),
                log_uniform(draws, settings.quality),
                sample_rate,
            )
            for _ in range(settings.bells)
        ),
        cookbook(
            "high", log_uniform(draws, settings.high_hertz), uniform(draws, settings.decibels), _SHELF, sample_rate
        ),
    ]


def _responses(filters: Sequence[Sequence[Coefficients]], n_fft: int, like: Tensor) -> Complex[Tensor, "row 1 bin"]:
    """The product of each row's filters at the transform's frequencies.

    In powers of u = 1 - z⁻¹ and not of z⁻¹, which at low frequencies are all but one and cancel in float32.
    """
    in_u = [
        [[(sum(part), -(part[1] + 2 * part[2]), part[2]) for part in coefficients] for coefficients in row]
        for row in filters
    ]
    parts = sent(torch.tensor(in_u, dtype=like.dtype), like.device)  # (row, filter, numerator or denominator, power)
    half = torch.arange(n_fft // 2 + 1, device=like.device, dtype=like.dtype) * (math.pi / n_fft)
    u = torch.polar(2 * half.sin(), math.pi / 2 - half)
    response = torch.ones(len(filters), 1, len(half), device=like.device, dtype=u.dtype)
    for each in parts.unbind(1):
        numerator, denominator = (
            part[:, None, 0:1] + u * (part[:, None, 1:2] + u * part[:, None, 2:3]) for part in each.unbind(1)
        )
        response = response * (numerator / denominator)
    return response


def _filtered(audio: Rows, response: Tensor, n_fft: int) -> Rows:
    spectrum: Float[Tensor, "row channel bin"] | Tensor = rfft(audio, n_fft)
    return irfft(spectrum * response, n_fft)[..., : audio.shape[-1]]
