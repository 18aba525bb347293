"""Half precision for matrix products, float32 for audio."""

from typing import Any, cast

import torch
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from torch.optim import Optimizer


class AudioMixedPrecision(MixedPrecision):
    """Fabric's mixed precision, but the model gets its audio as it is: in half precision, it would be noisy 40 to 60 dB
    below full scale. And where there are several optimizers, all of them take a step or none, and float16's scale is
    renewed after the last of them.

    Args:
        dtype: ``torch.bfloat16`` or ``torch.float16``.
        device: Kind of device.
    """

    def __init__(self, dtype: torch.dtype, device: str) -> None:
        super().__init__("bf16-mixed" if dtype == torch.bfloat16 else "16-mixed", device)

    def convert_input(self, data: Any) -> Any:
        """The audio, unchanged."""
        return data

    def unscale_gradients(self, optimizer: Optimizer) -> None:
        """Divide the gradients by float16's scale, for optimizers, too, that could do so in their step: their length is
        wanted before."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def optimizer_step(self, optimizer: Optimizer, **kwargs: Any) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Move the weights by gradients that are unscaled and finite."""
        return cast("object", optimizer.step(**kwargs))

    def step_ended(self) -> None:
        """Renew float16's scale by what was unscaled since it was last renewed."""
        if self.scaler is not None:
            self.scaler.update()


def renew_scale(precision: Precision) -> None:
    """To be called once at the end of each step."""
    if isinstance(precision, AudioMixedPrecision):
        precision.step_ended()
