"""From waveform to spectrum and back, for any length from one sample up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from torch import Tensor

WindowFunction = Callable[..., Tensor]
"""Builds a window: called as ``window_fn(win_length, device=…, dtype=…)``, returns (win_length,)."""


@dataclass(frozen=True)
class ParametersSTFT:
    """Settings of the short-time Fourier transform, the same forth and back. Weights do not tell them.

    Attributes:
        n_fft: Length of a frame's transform in samples.
        hop_length: Distance between frames in samples, at most half of ``win_length``.
        win_length: Length of the window in samples, at most ``n_fft``; the window stands in the middle of the frame.
        normalized: Divide the spectrum by √n_fft.
        window_fn: Builds the window; the default is the periodic Hann window.
        reach: How many samples from the middle of the last frame on have at least a thousandth of the window's largest
            squared weight; follows from the others.

    Raises:
        ValueError: Lengths that do not fit each other, or a window from which the signal cannot be recovered.
    """

    n_fft: int = 2048
    hop_length: int = 512
    win_length: int = 2048
    normalized: bool = False
    window_fn: WindowFunction = torch.hann_window
    reach: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.n_fft < 2 or self.n_fft % 2:
            raise ValueError(f"stft_n_fft is an even number of samples, at least 2, got {self.n_fft}")
        if not 1 <= self.win_length <= self.n_fft:
            raise ValueError(
                f"stft_win_length is at least 1 and at most stft_n_fft={self.n_fft}, got {self.win_length}; "
                "published models have both equal"
            )
        if not 1 <= self.hop_length <= self.win_length // 2:
            raise ValueError(
                f"stft_hop_length is at least 1 and at most half of stft_win_length={self.win_length}, "
                f"else the signal cannot be recovered, got {self.hop_length}"
            )
        window = self.window(torch.device("cpu"), torch.float64)
        if window.shape != (self.win_length,):
            raise ValueError(f"stft_window_fn gives ({self.win_length},) for that length, got {tuple(window.shape)}")
        middle = self.n_fft // 2 - (self.n_fft - self.win_length) // 2
        first_samples = _weights(window[: middle + self.hop_length].flip(0), self.hop_length)
        last_samples = _weights(window[middle - self.hop_length :], self.hop_length)
        if min(first_samples.min(), last_samples.min()) <= 1e-10:
            raise ValueError(
                f"stft_window_fn leaves samples with no weight at stft_hop_length={self.hop_length}; "
                "use a smaller hop or a window without zeros, such as torch.hann_window"
            )
        after_last_frame = _weights(window[middle:], self.hop_length)
        reached = after_last_frame >= 1e-3 * window.square().max()
        object.__setattr__(self, "reach", int(reached.cumprod(0).sum()))

    @property
    def num_bins(self) -> int:
        """Frequency bins from 0 Hz to the Nyquist frequency, both included."""
        return self.n_fft // 2 + 1

    def window(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, " win_length"]:
        """The window on a device."""
        return self.window_fn(self.win_length, device=device, dtype=dtype)


def stft(audio: Float[Tensor, "*batch time"], settings: ParametersSTFT) -> Complex[Tensor, "*batch bin frame"]:
    """Spectrum of frames centred on every ``hop_length``-th sample, in at least float32 whatever autocast says.

    The ends are mirrored, as upstream has them. Audio too short to be mirrored, or whose last samples the last frame
    would hardly reach, is first lengthened by silence; upstream cannot transform the former at all.
    """
    audio = audio.to(torch.promote_types(audio.dtype, torch.float32))
    with torch.autocast(audio.device.type, enabled=False):
        flat = F.pad(audio.reshape(-1, audio.shape[-1]), (0, _silence_after(audio.shape[-1], settings)))
        spectrum = torch.stft(
            flat,
            n_fft=settings.n_fft,
            hop_length=settings.hop_length,
            win_length=settings.win_length,
            window=settings.window(audio.device, audio.dtype),
            normalized=settings.normalized,
            return_complex=True,
        )
    return spectrum.view(*audio.shape[:-1], *spectrum.shape[-2:])


def istft(
    spectrum: Complex[Tensor, "*batch bin frame"], settings: ParametersSTFT, length: int
) -> Float[Tensor, "*batch time"]:
    """Audio of ``length`` samples whose spectrum comes nearest, by overlap-add; the inverse of :func:`stft`."""
    if length == 0:
        return spectrum.real.new_zeros(*spectrum.shape[:-2], 0)
    with torch.autocast(spectrum.device.type, enabled=False):
        inverse = cast("Callable[..., Tensor]", torch.istft)  # pyright: ignore[reportUnknownMemberType]
        audio = inverse(
            spectrum.reshape(-1, *spectrum.shape[-2:]),
            n_fft=settings.n_fft,
            hop_length=settings.hop_length,
            win_length=settings.win_length,
            window=settings.window(spectrum.device, spectrum.real.dtype),
            normalized=settings.normalized,
            length=length,
        )
    return audio.view(*spectrum.shape[:-2], length)


def _silence_after(length: int, settings: ParametersSTFT) -> int:
    mirrorable = max(length, settings.n_fft // 2 + 1)
    after_last_frame = mirrorable % settings.hop_length
    if after_last_frame > settings.reach:
        mirrorable += settings.hop_length - after_last_frame
    return mirrorable - length


def _weights(window: Tensor, hop_length: int) -> Float[Tensor, " hop_length"]:
    """Squared weight over all frames of ``hop_length`` samples in a row, the first at the window's start."""
    squared = window.square()
    return F.pad(squared, (0, -len(squared) % hop_length)).view(-1, hop_length).sum(dim=0)
