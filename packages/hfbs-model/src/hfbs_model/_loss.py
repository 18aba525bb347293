"""What training minimises: the error of the waveform and of its spectra at several resolutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

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
    waveform_loss = F.l1_loss(recon_audio, target)

    estimate, truth = recon_audio.flatten(end_dim=-2), target.flatten(end_dim=-2)
    spectral_loss = torch.stack(
        [_spectral_error(estimate, truth, size, multi_stft) for size in multi_stft.window_sizes]
    ).sum()

    total = waveform_loss + multi_stft.loss_weight * spectral_loss
    return (total, (waveform_loss, spectral_loss)) if return_loss_breakdown else total


def _spectral_error(estimate: Tensor, truth: Tensor, window_size: int, settings: ParametersComputeLoss) -> Tensor:
    n_fft = max(window_size, settings.n_fft)
    silence = max(0, n_fft // 2 + 1 - estimate.shape[-1])
    window = settings.window_fn(window_size, device=estimate.device, dtype=estimate.dtype)

    def spectrum(audio: Tensor) -> Tensor:
        return torch.stft(
            F.pad(audio, (0, silence)),
            n_fft=n_fft,
            hop_length=settings.hop_length,
            win_length=window_size,
            window=window,
            normalized=settings.normalized,
            return_complex=True,
        )

    with torch.autocast(estimate.device.type, enabled=False):
        return F.l1_loss(spectrum(estimate), spectrum(truth))
