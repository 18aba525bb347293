"""What training minimises: the error of the waveform and of its spectra at several resolutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, overload

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from ._stft import WindowFunction


@dataclass(frozen=True)
class ParametersComputeLoss:
    """Settings of the multi-resolution part of the loss.

    Attributes:
        window_sizes: Window length of each resolution in samples.
        hop_length: Distance between frames in samples, the same at each resolution.
        n_fft: Least length of a frame's transform; a longer window makes it longer.
        normalized: Divide each spectrum by √n_fft.
        loss_weight: Factor of the multi-resolution term in the total.
        window_fn: Builds the window.
    """

    window_sizes: tuple[int, ...] = (4096, 2048, 1024, 512, 256)
    hop_length: int = 147
    n_fft: int = 2048
    normalized: bool = False
    loss_weight: float = 1.0
    window_fn: WindowFunction = torch.hann_window

    def __post_init__(self) -> None:
        if not self.window_sizes or min(self.window_sizes) < 1:
            raise ValueError(f"multi_stft_resolutions_window_sizes are lengths in samples, got {self.window_sizes}")
        if self.hop_length < 1:
            raise ValueError(f"multi_stft_hop_size is a number of samples, at least 1, got {self.hop_length}")


type LossTerms = tuple[Float[Tensor, ""], Float[Tensor, ""]]


@overload
def lossComputation(
    recon_audio: Tensor,
    target: Tensor,
    stem_ids: Sequence[int],
    multi_stft: ParametersComputeLoss,
    *,
    return_loss_breakdown: Literal[False] = False,
) -> Tensor: ...
@overload
def lossComputation(
    recon_audio: Tensor,
    target: Tensor,
    stem_ids: Sequence[int],
    multi_stft: ParametersComputeLoss,
    *,
    return_loss_breakdown: Literal[True],
) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...
def lossComputation(
    recon_audio: Float[Tensor, "batch active channel time"],
    target: Float[Tensor, "batch stem channel longer"],
    stem_ids: Sequence[int],
    multi_stft: ParametersComputeLoss,
    *,
    return_loss_breakdown: bool = False,
) -> Float[Tensor, ""] | tuple[Float[Tensor, ""], LossTerms]:
    r"""Mean absolute error of the waveform plus that of its complex spectra, summed over resolutions
    :cite:p:`lu2023bsroformer`.

    :math:`\mathrm{mean}|\hat{x} - x| + \lambda \sum_w \mathrm{mean}|\mathrm{STFT}_w \hat{x} - \mathrm{STFT}_w x|`, as
    MSST has it. Audio too short for a transform of the longest frame is lengthened by silence.

    Args:
        recon_audio: Estimates of the active stems, (batch, active stem, channel, time).
        target: Truth of all stems, (batch, stem, channel, time), at least as long; what is beyond the estimate is cut.
        stem_ids: Which stems of ``target`` the estimates stand for, in their order.
        multi_stft: Settings of the multi-resolution term.
        return_loss_breakdown: Return the two terms, unweighted, as well.

    Returns:
        The total, or the total and (waveform term, multi-resolution term).

    Raises:
        ValueError: The estimates hold no sample.
    """
    if recon_audio.shape[-1] == 0:
        raise ValueError(
            "the loss needs at least one sample of output; audio shorter than one hop has none of whole hops, "
            "so lengthen it, or set match_input_audio_length=True"
        )
    target = target[:, list(stem_ids), :, : recon_audio.shape[-1]].to(recon_audio.dtype)
    error = recon_audio - target
    waveform_loss = error.abs().mean()
    spectral_loss = cast("Tensor", _SpectralLoss.apply(error.flatten(end_dim=-2), multi_stft))

    total = waveform_loss + multi_stft.loss_weight * spectral_loss
    return (total, (waveform_loss, spectral_loss)) if return_loss_breakdown else total


class _SpectralLoss(torch.autograd.Function):
    """The sum over resolutions, with its gradient at once: only one signal's spectrum is in memory at a time."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, error: Float[Tensor, "signal time"], settings: ParametersComputeLoss
    ) -> Float[Tensor, ""]:
        differentiable = ctx.needs_input_grad[0]
        loss, gradient = error.new_zeros(()), torch.zeros_like(error) if differentiable else None
        for index, signal in enumerate(error):
            for window_size in settings.window_sizes:
                with torch.set_grad_enabled(differentiable):
                    signal = signal.detach().requires_grad_(differentiable)
                    share = _spectral_error(signal, window_size, settings) / len(error)
                loss += share.detach()
                if gradient is not None:
                    gradient[index] += torch.autograd.grad(share, signal)[0]
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Float[Tensor, ""]) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return grad_output * gradient, None


def _spectral_error(error: Float[Tensor, " time"], window_size: int, settings: ParametersComputeLoss) -> Tensor:
    """Mean absolute spectrum of the error, which is the spectrum's error, since the transform is linear."""
    n_fft = max(window_size, settings.n_fft)
    silence = max(0, n_fft // 2 + 1 - error.shape[-1])
    with torch.autocast(error.device.type, enabled=False):
        spectrum = torch.stft(
            F.pad(error, (0, silence)),
            n_fft=n_fft,
            hop_length=settings.hop_length,
            win_length=window_size,
            window=settings.window_fn(window_size, device=error.device, dtype=error.dtype),
            normalized=settings.normalized,
            return_complex=True,
        )
        return spectrum.abs().mean()
