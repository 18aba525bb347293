"""Fourier transforms of real signals along time, typed, and lengths that are quick."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

_fft: Any = torch.fft  # which has no types

rfft = cast("Callable[..., Tensor]", _fft.rfft)


def irfft(spectrum: Tensor, n: int) -> Tensor:
    """The real signal of ``n`` samples; what the spectrum has imaginary at 0 and at half the rate is set to zero in it.

    A processor's inverse ignores what there is; cuFFT's does not where it transforms several signals at once.
    """
    parts = torch.view_as_real(spectrum)
    parts[..., 0, 1] = 0.0
    if n == 2 * (spectrum.shape[-1] - 1):
        parts[..., -1, 1] = 0.0
    return cast("Tensor", _fft.irfft(spectrum, n))


def quick_length(least: int) -> int:
    """The smallest of 1, 3, 5, 9 and 15 times a power of two that is not below ``least``."""
    return min(odd << max(0, (-(-least // odd) - 1).bit_length()) for odd in (1, 3, 5, 9, 15))
