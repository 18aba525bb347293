"""Half precision for matrix products, float32 for audio."""

from typing import Any, cast

import torch
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from torch.optim import Optimizer


class AudioMixedPrecision(MixedPrecision):
    """Fabric's mixed precision, but the model gets its audio as it is: in half precision, it would be noisy 40 to 60 dB
    below full scale. And where several optimizers take a step, float16's scale is renewed after the last of them.

    Args:
        dtype: ``torch.bfloat16`` or ``torch.float16``.
        device: Kind of device.
    """

    def __init__(self, dtype: torch.dtype, device: str) -> None:
        super().__init__("bf16-mixed" if dtype == torch.bfloat16 else "16-mixed", device)

    def convert_input(self, data: Any) -> Any:
        """The audio, unchanged."""
        return data

    def optimizer_step(self, optimizer: Optimizer, **kwargs: Any) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Move the weights, in float16 where the gradient is finite."""
        if self.scaler is None:
            return cast("object", optimizer.step(**kwargs))
        return cast("object", cast("Any", self.scaler).step(optimizer, **kwargs))

    def step_ended(self) -> None:
        """Renew float16's scale by what the optimizers have seen since it was last renewed."""
        if self.scaler is not None:
            self.scaler.update()


def renew_scale(precision: Precision) -> None:
    """To be called once at the end of each step."""
    if isinstance(precision, AudioMixedPrecision):
        precision.step_ended()


def scales(precision: Precision) -> bool:
    """Whether gradients are scaled, and the optimizers themselves leave out a step whose gradient is not finite."""
    return isinstance(precision, AudioMixedPrecision) and precision.scaler is not None
