"""A sum of criteria with weights, of which stems that are not known are no part."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hfbs_model import ParametersComputeLoss

from ._auraloss import AuralossSTFT
from ._criteria import Criterion, Signals, l1, l1_snr, model_loss, mse, si_sdr, spectral_l1_snr, stft
from ._log_wmse import LogWMSELoss
from ._specs import (
    L1,
    L1SNR,
    MSE,
    SISDR,
    STFT,
    LogWMSE,
    LossSpec,
    ModelLoss,
    MultiResolutionSTFT,
    SpectralL1SNR,
    check_terms,
)


@dataclass(frozen=True, slots=True, eq=False)
class LossTerms:
    """What a batch has to answer for.

    Attributes:
        total: The sum of the terms times their weights: what is minimised.
        terms: Each term by name, without its weight and detached: what is reported.
    """

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]


class Loss(torch.nn.Module):
    """The weighted sum of criteria, in float32 whatever autocast is on.

    Each criterion gives a number per item and stem. An item's is the mean over its known stems, and a batch's the mean
    over its items; an item without any known stem counts as 0. So the mean over equal shares of a batch is that of the
    batch, with its gradient: several devices, or steps that gather gradients, give what one gives.

    Args:
        criteria: By name.
        weights: Of each, by the same names.
    """

    def __init__(self, criteria: dict[str, Criterion], weights: dict[str, float]) -> None:
        super().__init__()
        self._criteria = criteria
        self._weights = weights

    def forward(
        self,
        estimates: Float[Tensor, "batch stem channel time"],
        targets: Float[Tensor, "batch stem channel longer"],
        mixture: Float[Tensor, "batch channel longer"],
        known: Bool[Tensor, "batch stem"],
    ) -> LossTerms:
        """The total and its terms.

        Args:
            estimates: What the model gave.
            targets: The true stems, at least as long; what is beyond the estimates is cut. Where they are not known,
                they may hold anything, NaN included.
            mixture: What the model was given.
            known: Which of the true stems are known; the others count nothing and get a gradient of exactly 0.
        """
        with torch.autocast(estimates.device.type, enabled=False):
            time, kept = estimates.shape[-1], known[..., None, None]
            ours = torch.where(kept, _single(estimates), 0)
            theirs = torch.where(kept, _single(targets[..., :time]).to(ours.dtype), 0)
            signals = Signals(ours, theirs, _single(mixture[..., :time]).to(ours.dtype))
            shares = known / (known.sum(1, keepdim=True).clamp(min=1) * len(known))
            terms = {name: (criterion(signals) * shares).sum() for name, criterion in self._criteria.items()}
            total = torch.stack(
                [self._weights[name] * term for name, term in terms.items() if self._weights[name]]
            ).sum()
        return LossTerms(total, {name: term.detach() for name, term in terms.items()})


def build_loss(specs: Sequence[LossSpec], *, sample_rate: int, own: ParametersComputeLoss | None = None) -> Loss:
    """The loss of these terms.

    Args:
        specs: As :func:`read_losses` gives them.
        sample_rate: Of the audio, in Hz.
        own: Settings of the model's own loss, its ``loss_settings``: for the kind ``model``. None means the usual.

    Raises:
        ConfigurationError: Two terms have one name, no term has a weight, or a library is missing.
    """
    check_terms(specs)
    criteria = {spec.term: _criterion(spec, sample_rate, own or ParametersComputeLoss()) for spec in specs}
    return Loss(criteria, {spec.term: spec.weight for spec in specs})


def _criterion(spec: LossSpec, sample_rate: int, own: ParametersComputeLoss) -> Criterion:
    match spec:
        case ModelLoss():
            return model_loss(own)
        case L1():
            return l1
        case MSE():
            return mse
        case STFT():
            return stft(spec)
        case SISDR():
            return si_sdr
        case L1SNR():
            return l1_snr(spec.eps)
        case SpectralL1SNR():
            return spectral_l1_snr(spec.windows, spec.eps)
        case LogWMSE():
            return LogWMSELoss(sample_rate)
        case MultiResolutionSTFT():
            return AuralossSTFT(spec, sample_rate)


def _single(audio: Tensor) -> Tensor:
    """In float32, or float64 where it is that."""
    return audio.to(torch.promote_types(audio.dtype, torch.float32))
