"""Muon with matrices of like shape taken together."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributed.tensor import DTensor

_foreach: Any = torch  # whose functions on lists of tensors have no types


class Muon(torch.optim.Muon):
    """PyTorch's own :cite:p:`jordan2024muon`, for updates scaled to AdamW's mean square, and up to rounding the same.

    A trunk has dozens of small matrices, for each of which PyTorch's launches some 25 kernels one after the other: on a
    GPU that takes longer than what they compute. Here each is launched once for all matrices of a shape. Its state is
    PyTorch's, and so are its steps where weights are shared out among devices.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move the weights."""
        weights = [weight for group in self.param_groups for weight in cast("list[Tensor]", group["params"])]
        if closure is not None or any(isinstance(weight, DTensor) for weight in weights):
            return cast("Any", super()).step(closure)
        for group in self.param_groups:
            by_shape: defaultdict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in cast("list[Tensor]", group["params"]):
                if weight.grad is not None:
                    by_shape[weight.shape].append(weight)
            for like in by_shape.values():
                self._move(like, group)
        return None

    def _move(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [cast("Tensor", weight.grad) for weight in weights]
        means: list[Tensor] = []
        for weight in weights:
            state = self.state[weight]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(weight)
            means.append(state["momentum_buffer"])
        _foreach._foreach_lerp_(means, gradients, 1 - group["momentum"])
        ahead = _foreach._foreach_lerp(gradients, means, group["momentum"]) if group["nesterov"] else means
        directions = orthogonalised(torch.stack(ahead), group["ns_coefficients"], group["ns_steps"], group["eps"])
        rate = group["lr"] * 0.2 * max(weights[0].shape) ** 0.5
        _foreach._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        _foreach._foreach_add_(weights, list(directions.to(weights[0].dtype).unbind()), alpha=-rate)


def orthogonalised(
    matrices: Float[Tensor, "matrix row column"], coefficients: tuple[float, float, float], steps: int, eps: float
) -> Float[Tensor, "matrix row column"]:
    """Matrices whose singular values are near 1, in bfloat16, by Newton and Schulz's iteration."""
    a, b, c = coefficients
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.transpose(-2, -1) if is_tall else matrices).bfloat16()
    x = x / x.square().sum((-2, -1), keepdim=True, dtype=torch.float32).sqrt().clamp(min=eps).to(x.dtype)
    for _ in range(steps):
        gram = x @ x.transpose(-2, -1)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(-2, -1) if is_tall else x
