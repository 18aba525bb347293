"""What training minimises: the error of the waveform and of its spectra at several resolutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, overload

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

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
    spectral_loss = spectral_error(error, multi_stft).mean()

    total = waveform_loss + multi_stft.loss_weight * spectral_loss
    return (total, (waveform_loss, spectral_loss)) if return_loss_breakdown else total


def spectral_error(
    error: Float[Tensor, "*signals time"], multi_stft: ParametersComputeLoss
) -> Float[Tensor, "*signals"]:
    r"""The loss's multi-resolution term, signal by signal, unweighted :cite:p:`lu2023bsroformer`.

    :math:`\sum_w \mathrm{mean}|\mathrm{STFT}_w e|` of the difference e of estimate and truth, each mean over the bins
    and frames of one signal: what :func:`lossComputation` averages over stems, channels and batch, for losses that
    weigh them by themselves. Autocast does not reach it.

    Args:
        error: Estimate less truth, any number of axes before time; at least one sample.
        multi_stft: Settings; ``loss_weight`` is not used here.

    Returns:
        One number per signal.
    """
    return cast("Tensor", _SpectralLoss.apply(error.reshape(-1, error.shape[-1]), multi_stft)).view(error.shape[:-1])


class _SpectralLoss(torch.autograd.Function):
    """The sum over resolutions, with its gradient at once: no spectrum is kept, and but one is in memory at a time."""

    @staticmethod
    def forward(
        ctx: Any, error: Float[Tensor, "signal time"], settings: ParametersComputeLoss
    ) -> Float[Tensor, " signal"]:
        wanted = ctx.needs_input_grad[0]
        loss, gradient = error.new_zeros(len(error)), torch.zeros_like(error) if wanted else None
        with torch.autocast(error.device.type, enabled=False):
            for window_size in settings.window_sizes:
                loss += _add_spectral_error(error, window_size, settings, gradient)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_output: Float[Tensor, " signal"]
    ) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return grad_output[:, None] * gradient, None


def _add_spectral_error(
    error: Float[Tensor, "signal time"],
    window_size: int,
    settings: ParametersComputeLoss,
    gradient: Float[Tensor, "signal time"] | None,
) -> Float[Tensor, " signal"]:
    """Mean absolute spectrum of each error, which is the spectrum's error, since the transform is linear; the gradients
    are added to ``gradient``."""
    n_fft = max(window_size, settings.n_fft)
    norm = "ortho" if settings.normalized else "backward"
    silence = max(0, n_fft // 2 + 1 - error.shape[-1])
    window = settings.window_fn(window_size, device=error.device, dtype=error.dtype)
    before = (n_fft - window_size) // 2
    window = F.pad(window, (before, n_fft - window_size - before))
    with torch.set_grad_enabled(gradient is not None):
        signals = error.detach().requires_grad_(gradient is not None)
        mirrored = _mirrored(F.pad(signals, (0, silence)), n_fft // 2)
    frames = mirrored.detach().unfold(-1, n_fft, settings.hop_length)
    totals, mirrored_gradient = error.new_zeros(len(error)), torch.zeros_like(mirrored)
    # One memory for all signals: new memory would take as long as the transform.
    windowed = error.new_empty(frames.shape[1:])
    spectrum = torch.empty(*frames.shape[1:-1], n_fft // 2 + 1, device=error.device, dtype=error.dtype.to_complex())
    fft: Any = torch.fft  # which has no types
    for total, signal_frames, signal_gradient in zip(totals, frames, mirrored_gradient, strict=True):
        fft.rfft(torch.mul(signal_frames, window, out=windowed), norm=norm, out=spectrum)
        total += spectrum.abs().sum()
        if gradient is not None:
            spectrum.sgn_()
            spectrum[:, 1 : (n_fft + 1) // 2] *= 0.5  # bins that stand for their mirror images too
            fft.irfft(spectrum, n_fft, norm="ortho" if settings.normalized else "forward", out=windowed)
            _overlap_add(windowed.mul_(window), settings.hop_length, signal_gradient)
    if gradient is not None:
        gradient += torch.autograd.grad(mirrored, signals, mirrored_gradient / spectrum.numel())[0]
    return totals / spectrum.numel()


def _mirrored(audio: Float[Tensor, "signal time"], reach: int) -> Float[Tensor, "signal longer"]:
    """Both ends continued by so many mirrored samples. The gradient of F.pad's mirror is not deterministic on CUDA."""
    return torch.cat([audio[:, 1 : reach + 1].flip(-1), audio, audio[:, audio.shape[-1] - reach - 1 : -1].flip(-1)], -1)


def _overlap_add(frames: Float[Tensor, "frame n_fft"], hop_length: int, audio: Float[Tensor, " time"]) -> None:
    """Add frames to audio, each ``hop_length`` after the one before."""
    for start in range(0, frames.shape[-1], hop_length):
        hops = frames[:, start : start + hop_length]
        places = audio[start:].unfold(0, hops.shape[-1], hop_length)[: len(hops)]
        places += hops
