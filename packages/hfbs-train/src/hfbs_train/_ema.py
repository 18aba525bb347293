"""The mean of weights over steps."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn


class Ema:
    """An exponential moving average of the weights that are trained, on their device, shared out as they are.

    Args:
        model: Whose weights.
        decay: Share of the mean that is kept at each step. Over the first steps it is ``(1 + n) / (10 + n)``, so that
            random weights are soon forgotten.

    Attributes:
        means: By name; a weight that the model has under several has the first of them.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.means = {name: weight.detach().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step.

        Args:
            step: Steps taken before this one, from 0.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        # All at once, as PyTorch's own optimizers do; its stubs leave it out.
        cast("Any", torch)._foreach_lerp_(list(self.means.values()), list(self._weights.values()), 1 - decay)

    @torch.no_grad()
    def load(self, means: Mapping[str, Tensor]) -> None:
        """Go on from the means of an earlier run of the same model."""
        for name, mean in self.means.items():
            mean.copy_(means[name])
