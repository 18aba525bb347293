"""The bands' own products several at once, for where many small ones cost more than what they compute.

Weights are laid side by side at each call, not kept so: whatever changes them is seen.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LIKE = 1.25
"""The widest band of a run over its narrowest, at most."""


def pays(x: Tensor, modules: Iterable[nn.Module]) -> bool:
    """Whether to take bands together: not on a processor, where one after the other is as fast.

    Only where the bands' weights are plain and say all that the modules do: no hook, no ``forward`` of a module's own,
    nor a class that is not PyTorch's or ours, such as adapters and parametrisations put in their place.
    """
    return x.device.type != "cpu" and all(_is_plain(module) for module in modules)


def runs_of_like_width(widths: Sequence[int]) -> tuple[slice, ...]:
    """Neighbouring bands to be taken together."""
    runs: list[slice] = []
    first = 0
    for band in range(1, len(widths) + 1):
        run = widths[first : band + 1]
        if band == len(widths) or max(run) > LIKE * min(run):
            runs.append(slice(first, band))
            first = band
    return tuple(runs)


def side_by_side(tensors: Sequence[Float[Tensor, "*shape _"]], dim: int) -> Float[Tensor, "..."]:
    """Stack along a new axis, with zeros after those whose last axis is shorter."""
    widest = max(tensor.shape[-1] for tensor in tensors)
    return torch.stack([F.pad(t, (0, widest - t.shape[-1])) if t.shape[-1] < widest else t for t in tensors], dim=dim)


def each_by_its_own(
    x: Float[Tensor, "batch frame band dim_in"],
    weights: Float[Tensor, "band dim_in dim_out"],
    biases: Float[Tensor, "band dim_out"],
) -> Float[Tensor, "batch frame band dim_out"]:
    """Multiply each band's tokens by that band's weights."""
    return torch.einsum("b t k i, k i o -> b t k o", x, weights) + biases


def _is_plain(module: nn.Module) -> bool:
    known = type(module).__module__.startswith(("torch.nn.modules.", "hfbs_"))
    unquantised = all(type(parameter) is nn.Parameter for parameter in module.parameters(recurse=False))
    inside: Any = module
    hooks = (inside._forward_hooks, inside._forward_pre_hooks, inside._backward_hooks, inside._backward_pre_hooks)
    return known and unquantised and not any(hooks) and "forward" not in vars(module)
