"""What a model's scores are measured by: estimates that need no model, from the mixture and the true stem."""

from collections.abc import Callable
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from .._types import Audio
from ._names import ANCHORS
from ._signals import checked

_FFT, _HOP = 2048, 512
_inverse = cast("Callable[..., Tensor]", torch.istft)  # pyright: ignore[reportUnknownMemberType]


def ideal_ratio_mask(reference: ArrayLike, mixture: ArrayLike) -> NDArray[np.float32]:
    """The mixture's spectrum times ``|S| / (|S| + |M - S|)``, bin by bin, frame by frame :cite:p:`wang2014targets`.

    S is the true stem's spectrum and M - S that of all else in the mixture. What is left to err is the phase, so this
    is about the best that a mask of real numbers from 0 to 1 can do. FFTs of 2048 samples every 512, Hann window,
    each channel by itself.

    Args:
        reference: The true stem, floating point, shape (channel, time), finite.
        mixture: Of the same shape.

    Returns:
        The estimate, float32, of the same shape.

    Raises:
        TypeError: An array is not floating point.
        ValueError: The shapes are not as said, or a sample is NaN or infinite.
    """
    truth = checked("reference", reference)
    estimate = np.empty(truth.shape, np.float32)
    for channel, (stem, song) in enumerate(zip(truth, checked("mixture", mixture, like=truth), strict=True)):
        of_stem, of_song = _spectrum(stem), _spectrum(song)
        wanted, rest = of_stem.abs(), (of_song - of_stem).abs()
        estimate[channel] = _signal(of_song.mul_(_share(wanted, rest)), truth.shape[1])
    return estimate


def static_wiener(reference: ArrayLike, mixture: ArrayLike) -> NDArray[np.float32]:
    """The mixture through a filter that does not change: one gain P / (P + Q) per frequency.

    P is the mean power of the true stem's spectrum at that frequency over all frames and channels, Q that of all else
    in the mixture. This is what a fixed equaliser can do at best, so a model that scores no higher has learned no
    more than the stem's mean spectrum. FFTs as for :func:`ideal_ratio_mask`.

    Args:
        reference: The true stem, floating point, shape (channel, time), finite.
        mixture: Of the same shape.

    Returns:
        The estimate, float32, of the same shape.

    Raises:
        TypeError: An array is not floating point.
        ValueError: The shapes are not as said, or a sample is NaN or infinite.
    """
    truth = checked("reference", reference)
    song = checked("mixture", mixture, like=truth)
    wanted, rest = torch.zeros(_FFT // 2 + 1), torch.zeros(_FFT // 2 + 1)
    for of_stem, of_song in zip(truth, song, strict=True):
        wanted += _spectrum(of_stem).abs().square_().mean(dim=1)
        rest += _spectrum(of_song - of_stem).abs().square_().mean(dim=1)
    gain = _share(wanted, rest)[:, None]
    return np.stack([_signal(_spectrum(channel).mul_(gain), truth.shape[1]) for channel in song])


def _itself(_reference: Audio, mixture: Audio) -> Audio:
    return mixture


def _silence(reference: Audio, _mixture: Audio) -> Audio:
    return np.zeros_like(reference)


ESTIMATORS: Final[dict[str, Callable[[Audio, Audio], Audio]]] = dict(
    zip(ANCHORS, (ideal_ratio_mask, static_wiener, _itself, _silence), strict=True)
)


def _spectrum(channel: NDArray[np.floating]) -> Tensor:
    samples = torch.as_tensor(np.require(channel, np.float32, ["C", "W"]))
    window = torch.hann_window(_FFT)
    return torch.stft(samples, _FFT, _HOP, window=window, pad_mode="constant", return_complex=True)


def _signal(spectrum: Tensor, length: int) -> Audio:
    return _inverse(spectrum, _FFT, _HOP, window=torch.hann_window(_FFT), length=length).numpy()


def _share(wanted: Tensor, rest: Tensor) -> Tensor:
    """wanted / (wanted + rest), and 0 where both are 0."""
    return wanted / (wanted + rest).clamp_(min=torch.finfo(torch.float32).tiny)
