"""Effects that change how fast time runs: speed, and pitch and tempo each by itself."""

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from numpy.random import Generator
from torch import Tensor

from .._fft import irfft, rfft
from .._transfer import sent
from ._draws import log_uniform, uniform
from ._levels import Rows
from ._settings import MARGIN, N_FFT, PitchAndTempo, Speed

_STEPS = 48  # of an octave
_HOP = N_FFT // 4  # a quarter, so that a bin's phase advances by whole quarter turns

_istft = cast("Callable[..., Tensor]", torch.istft)  # pyright: ignore[reportUnknownMemberType]

type Channels = Float[Tensor, "channel time"]


def speed(audio: Rows, draws: Sequence[Generator], settings: Speed, length: int) -> Float[Tensor, "row channel length"]:
    """Each row at its own speed, ``length`` samples of it."""
    slowest, fastest = settings.ratio
    # In steps of a quarter of a semitone, so that few transforms do for a batch.
    steps = [round(_STEPS * math.log2(log_uniform(each, settings.ratio))) for each in draws]
    ratios = [min(max(2 ** (step / _STEPS), slowest), fastest) for step in steps]
    changed = audio.new_empty(len(audio), audio.shape[1], length)
    for ratio in sorted(set(ratios)):
        rows = sent(torch.tensor([row for row, its in enumerate(ratios) if its == ratio]), audio.device)
        changed[rows] = resample(audio[rows], ratio, length)
    return changed


def pitch_and_tempo(
    audio: Rows, draws: Sequence[Generator], settings: PitchAndTempo, length: int
) -> Float[Tensor, "row channel length"]:
    """Each row at its own pitch and tempo, ``length`` samples of it."""
    rows: list[Tensor] = []
    for row, each in zip(audio, draws, strict=True):
        pitch = round(2 ** (uniform(each, settings.semitones) / 12), 3)
        tempo = log_uniform(each, settings.tempo)
        stretched = stretch(row, tempo / pitch, resampled_from(length, pitch))
        rows.append(resample(stretched, pitch, length))
    return torch.stack(rows)


def resampled_from(length: int, ratio: float) -> int:
    """How many samples :func:`resample` reads."""
    return round(ratio * (length + 2 * MARGIN))


def resample(
    audio: Float[Tensor, "*row channel time"], ratio: float, length: int
) -> Float[Tensor, "*row channel length"]:
    """Sample j of the result is the audio at ``ratio`` · (j + MARGIN), for band-limited audio.

    By a transform of one length and its inverse of another. The ends are faded out within the margins, as the transform
    takes the audio for periodic.
    """
    samples, time = length + 2 * MARGIN, resampled_from(length, ratio)
    ramp = torch.linspace(0, math.pi / 2, round(ratio * MARGIN / 2), device=audio.device, dtype=audio.dtype).sin() ** 2
    fades = torch.ones(time, device=audio.device, dtype=audio.dtype)
    fades[: len(ramp)], fades[time - len(ramp) :] = ramp, ramp.flip(0)
    # With fewer bins than before what was above half the new rate goes; with more, nothing is there.
    spectrum = rfft(audio[..., :time] * fades)
    kept = spectrum[..., : samples // 2 + 1]
    return irfft(kept, samples)[..., MARGIN : MARGIN + length] * (samples / time)


def stretch(audio: Channels, rate: float, length: int) -> Float[Tensor, "channel length"]:
    """Play ``rate`` times as fast at the same pitch: a phase vocoder :cite:p:`flanagan1966phasevocoder`.

    Bins are turned as the nearest peak of the spectrum is, since they sound together, and all channels alike, so that
    they keep the phase between them.
    """
    window = torch.hann_window(N_FFT, device=audio.device, dtype=audio.dtype)
    spectrum = torch.stft(audio, N_FFT, _HOP, window=window, return_complex=True)
    frames = torch.arange(-(-length // _HOP) + 1)
    places = frames * rate
    before = places.floor().long()
    start, steps = before.to(audio.device), frames - before
    fractions = (places - before).to(audio.dtype).to(audio.device)

    own = (torch.arange(spectrum.shape[-2])[:, None] * steps % 4).to(audio.dtype).to(audio.device) * (math.pi / 2)
    advance = _advance(spectrum)
    zero = torch.zeros_like(advance[:, :1])
    played = torch.cat([zero, _running_sum(advance[:, start[:-1]])], 1)
    passed = torch.cat([zero, _running_sum(advance)], 1)[:, start]
    here, after = spectrum[..., start], spectrum[..., start + 1]
    turns = (own + played - passed).gather(0, _nearest_peaks(here.abs().square().sum(0)))
    turned = torch.polar(torch.lerp(here.abs(), after.abs(), fractions), here.angle() + turns)
    parts = torch.view_as_real(turned)
    parts[:, [0, -1], :, 1] = 0.0  # a real signal has nothing imaginary there; see irfft
    return _istft(turned, N_FFT, _HOP, window=window, length=length)


def _advance(spectrum: Complex[Tensor, "channel bin frame"]) -> Float[Tensor, "bin step"]:
    """Each bin's change of phase from frame to frame, less that of the bin's own frequency, from -π to π."""
    products = (spectrum[..., 1:] * spectrum[..., :-1].conj()).sum(0)
    bins = torch.arange(len(products), device=products.device)
    own = (bins % 4).to(products.real.dtype) * (math.pi / 2)
    return (products * torch.polar(torch.ones_like(own), -own)[:, None]).angle()


def _nearest_peaks(power: Float[Tensor, "bin frame"]) -> Int[Tensor, "bin frame"]:
    """For each bin the nearest that is not below any of the two on either side."""
    bins, reach = torch.arange(len(power), device=power.device)[:, None], 2
    padded = F.pad(power, (0, 0, reach, reach))
    highest = padded.unfold(0, 2 * reach + 1, 1).amax(-1)
    far = 2 * len(power)
    below = torch.where(power >= highest, bins, -far).cummax(0).values
    above = -torch.where(power >= highest, -bins, -far).flip(0).cummax(0).values.flip(0)
    return torch.where(bins - below <= above - bins, below, above)


def _running_sum(values: Float[Tensor, "bin step"]) -> Float[Tensor, "bin step"]:
    """The sum of all up to each; on CUDA, torch.cumsum need not give the same bits twice."""
    shift = 1
    while shift < values.shape[-1]:
        values = torch.cat([values[:, :shift], values[:, shift:] + values[:, :-shift]], 1)
        shift *= 2
    return values
