"""What moves the weights: Muon for the trunk's matrices, AdamW without decay for the others."""

import math
from collections.abc import Sequence

import torch
from network import Weights
from torch import Tensor

from hfbs_train._muon import orthogonalised

MUON = ("trunk.qkv", "trunk.out", "trunk.widen", "trunk.narrow")
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # PyTorch's own, of Newton and Schulz's iteration


class Mover:
    """Moves weights where they are, without waiting for the device.

    Args:
        weights: What is moved.
        muon: Highest learning rate of the trunk's matrices.
        adam: The same of the other weights.

    Attributes:
        rate: Factor of both learning rates.
    """

    def __init__(self, weights: Weights, *, muon: float, adam: float) -> None:
        self._weights, self._muon, self._adam = weights, muon, adam
        device = next(iter(weights.values())).device
        self.rate, self._step = torch.zeros((), device=device), torch.zeros((), device=device)
        self._first, self._second = ({name: torch.zeros_like(w) for name, w in weights.items()} for _ in range(2))

    @torch.no_grad()
    def __call__(self, gradients: Sequence[Tensor]) -> Tensor:
        """Move all weights once by their gradients, which are scaled down to length 1; their length before."""
        length = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        scale = (1 / (length + 1e-6)).clamp(max=1).nan_to_num(0, 0, 0)
        self._step.add_(1)
        for name, gradient in zip(self._weights, gradients, strict=True):
            move = self._by_muon if name in MUON else self._by_adam
            move(name, (gradient * scale).nan_to_num(0, 0, 0))
        return length

    def _by_muon(self, name: str, gradient: Tensor) -> None:
        weight = self._weights[name]
        ahead = gradient.lerp(self._first[name].lerp_(gradient, 0.05), 0.95)
        if name == "trunk.qkv":  # three matrices
            ahead = ahead.unflatten(1, (3, -1)).flatten(end_dim=1)
        step = orthogonalised(ahead, COEFFICIENTS, 5, 1e-7).float().view_as(weight)
        weight.sub_(step * (0.2 * max(ahead.shape[-2:]) ** 0.5) * (self.rate * self._muon))

    def _by_adam(self, name: str, gradient: Tensor) -> None:
        first = self._first[name].lerp_(gradient, 0.1)
        second = self._second[name].lerp_(gradient.square(), 0.01)
        begun = [1 - (self._step * math.log(beta)).exp() for beta in (0.9, 0.99)]
        self._weights[name].sub_(first / begun[0] / ((second / begun[1]).sqrt() + 1e-8) * (self.rate * self._adam))
