"""Criteria that need no library: each gives one number per item and stem."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from torch import Tensor

from hfbs_model import ParametersComputeLoss, spectral_error

from ._specs import STFT

type PerStem = Float[Tensor, "batch stem"]
type Stems = Float[Tensor, "batch stem channel time"]

_EPS = 1e-8  # of an energy, the sum of squares: that of one sample at -80 dB of full scale


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """What a criterion judges: all in float32 or float64, and zero where a stem is not known."""

    estimates: Stems
    targets: Stems
    mixture: Float[Tensor, "batch channel time"]

    @property
    def error(self) -> Stems:
        """Estimates less targets."""
        return self.estimates - self.targets


type Criterion = Callable[[Signals], PerStem]
"""What a loss is made of: one number per item and stem, higher where the estimate is worse."""


def l1(signals: Signals) -> PerStem:
    """Mean absolute error."""
    return signals.error.abs().mean((-2, -1))


def mse(signals: Signals) -> PerStem:
    """Mean square error."""
    return signals.error.square().mean((-2, -1))


def stft(spec: STFT) -> Criterion:
    """The model's multi-resolution term, with settings of its own."""
    settings = ParametersComputeLoss(spec.windows, spec.hop_length, spec.n_fft, spec.normalized)
    return lambda signals: spectral_error(signals.error, settings).mean(-1)


def model_loss(settings: ParametersComputeLoss) -> Criterion:
    """The model's own loss :cite:p:`lu2023bsroformer`, which is :func:`hfbs_model.lossComputation`, stem by stem."""

    def criterion(signals: Signals) -> PerStem:
        error = signals.error
        return error.abs().mean((-2, -1)) + settings.loss_weight * spectral_error(error, settings).mean(-1)

    return criterion


def si_sdr(signals: Signals) -> PerStem:
    """Scale-invariant SDR :cite:p:`leroux2019sdr`, negative, in dB; one factor for all channels.

    Its ratio has no value where the target is silent: such a stem has 0, and no gradient.
    """
    energy = signals.targets.square().sum((-2, -1))
    scale = (signals.targets * signals.estimates).sum((-2, -1)) / energy.clamp(min=_EPS)
    fitted = scale[..., None, None] * signals.targets
    error = (signals.estimates - fitted).square().sum((-2, -1))
    ratio = (error + _EPS) / (fitted.square().sum((-2, -1)) + _EPS)
    return torch.where(energy > _EPS, 10 * ratio.log10(), 0)


def l1_snr(eps: float) -> Criterion:
    """Mean absolute error relative to the target's mean magnitude, in dB :cite:p:`watcharasupat2023bandit`."""
    return lambda signals: _l1_ratio(signals.estimates, signals.targets, eps)


def spectral_l1_snr(windows: tuple[int, ...], eps: float) -> Criterion:
    """The same of the real and the imaginary parts of spectra, added :cite:p:`watcharasupat2023bandit`."""

    def criterion(signals: Signals) -> PerStem:
        terms: list[Tensor] = []
        for length in windows:
            window = torch.hann_window(length, device=signals.estimates.device, dtype=signals.estimates.dtype)
            window /= window.square().sum().sqrt()
            ours, theirs = (_spectra(stems, window) for stems in (signals.estimates, signals.targets))
            terms += [_l1_ratio(ours.real, theirs.real, eps), _l1_ratio(ours.imag, theirs.imag, eps)]
        return torch.stack(terms).sum(0) / len(windows)

    return criterion


def long_enough(stems: Stems, n_fft: int) -> Float[Tensor, "batch stem channel longer"]:
    """Lengthened by silence, where there are too few samples to mirror half a transform at the ends."""
    return F.pad(stems, (0, max(0, n_fft // 2 + 1 - stems.shape[-1])))


def _l1_ratio(
    estimates: Float[Tensor, "batch stem *signal"], targets: Float[Tensor, "batch stem *signal"], eps: float
) -> PerStem:
    error = (estimates - targets).abs().flatten(2).mean(-1)
    return 10 * ((error + eps) / (targets.abs().flatten(2).mean(-1) + eps)).log10()


def _spectra(stems: Stems, window: Float[Tensor, " n_fft"]) -> Complex[Tensor, "batch stem bins frame"]:
    """The bins of all channels, one channel's after another's."""
    n_fft, half = len(window), len(window) // 2
    signals = long_enough(stems, n_fft).flatten(end_dim=-2)
    # As torch.stft mirrors the ends by itself, but with a gradient that is deterministic on CUDA.
    ends = signals[:, 1 : half + 1].flip(-1), signals[:, -half - 1 : -1].flip(-1)
    mirrored = torch.cat([ends[0], signals, ends[1]], -1)
    spectra = torch.stft(mirrored, n_fft, n_fft // 4, window=window, center=False, return_complex=True)
    return spectra.reshape(*stems.shape[:2], -1, spectra.shape[-1])
