"""Fourier transforms of real signals along time, typed, and lengths that are quick."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

_fft: Any = torch.fft  # which has no types

rfft = cast("Callable[..., Tensor]", _fft.rfft)
irfft = cast("Callable[..., Tensor]", _fft.irfft)


def quick_length(least: int) -> int:
    """The smallest of 1, 3, 5, 9 and 15 times a power of two that is not below ``least``."""
    return min(odd << max(0, (-(-least // odd) - 1).bit_length()) for odd in (1, 3, 5, 9, 15))
