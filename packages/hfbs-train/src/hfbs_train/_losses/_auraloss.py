"""auraloss's multi-resolution STFT loss, item by item and stem by stem."""

from typing import cast

import torch
from torch import Tensor

from .._extra import import_extra
from ._criteria import PerStem, Signals, long_enough
from ._specs import MultiResolutionSTFT


class AuralossSTFT(torch.nn.Module):
    """``auraloss.freq.MultiResolutionSTFTLoss`` :cite:p:`yamamoto2020parallelwavegan,steinmetz2020auraloss`.

    Its spectral convergence is one ratio over all that it is given, so that an item's loss would depend on the others
    of its batch. It is given one stem of one item at a time.

    Args:
        spec: Settings.
        sample_rate: In Hz.

    Raises:
        ConfigurationError: auraloss is missing.
    """

    def __init__(self, spec: MultiResolutionSTFT, sample_rate: int) -> None:
        super().__init__()
        auraloss = import_extra("auraloss", extra="losses", purpose=spec.kind)
        self._longest = max(spec.fft_sizes)
        self._loss = auraloss.freq.MultiResolutionSTFTLoss(
            list(spec.fft_sizes),
            list(spec.hop_sizes),
            list(spec.win_lengths),
            f"{spec.window}_window",
            w_sc=spec.spectral_convergence,
            w_log_mag=spec.log_magnitude,
            w_lin_mag=spec.linear_magnitude,
            sample_rate=sample_rate,
            perceptual_weighting=spec.perceptual_weighting,
            mag_distance=spec.distance,
        )

    def forward(self, signals: Signals) -> PerStem:
        """One number per item and stem, at least 0."""
        ours, theirs = (
            long_enough(stems, self._longest).flatten(0, 1)[:, None].float()
            for stems in (signals.estimates, signals.targets)
        )
        losses = [cast("Tensor", self._loss(*pair)) for pair in zip(ours, theirs, strict=True)]
        return torch.stack(losses).view(signals.estimates.shape[:2])
