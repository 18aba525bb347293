"""From one token per band to the mask of its bins."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ._side_by_side import each_by_its_own, pays, runs_of_like_width, side_by_side


def MLP(
    dim_in: int,
    dim_out: int,
    dim_hidden: int | None = None,
    depth: int = 1,
    activation: type[nn.Module] = nn.Tanh,
) -> nn.Sequential:
    """Linear layers with activations between them.

    Args:
        dim_in: Input features.
        dim_out: Output features.
        dim_hidden: Features of hidden layers; None means ``dim_in``.
        depth: Number of hidden layers, at least 0.
        activation: Class of the activation after each hidden layer.
    """
    if depth < 0:
        raise ValueError(f"depth is a number of hidden layers, at least 0, got {depth}")
    sizes = (dim_in, *(dim_in if dim_hidden is None else dim_hidden for _ in range(depth)), dim_out)
    layers = [module for a, b in pairwise(sizes) for module in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers[:-1])


class MaskEstimator(nn.Module):
    """One small network per band that says what to multiply its bins by, gated
    :cite:p:`dauphin2017glu,lu2023bsroformer`.

    Args:
        dim: Features of a token.
        dim_inputs: Output features of each band: 2 (real, imaginary) × channels × bins.
        depth: Number of hidden layers, at least 0.
        mlp_expansion_factor: Hidden features as a multiple of ``dim``.
        activation: Class of the activation after each hidden layer.
    """

    def __init__(
        self,
        dim: int,
        dim_inputs: Sequence[int],
        *,
        depth: int,
        mlp_expansion_factor: int = 4,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        super().__init__()
        self.dim_inputs = tuple(dim_inputs)
        self.to_freqs = nn.ModuleList(
            nn.Sequential(MLP(dim, 2 * width, dim * mlp_expansion_factor, depth, activation), nn.GLU(dim=-1))
            for width in dim_inputs
        )

    def forward(self, x: Float[Tensor, "batch frame band dim"]) -> Float[Tensor, "batch frame features"]:
        """Masks of all bands one after the other, in the order of the features that :class:`BandSplit` takes."""
        if pays(x, self.to_freqs.modules()) and all(_is_one(layer) for layer in self._layers()[:-1]):
            return self._together(x)
        return torch.cat([to_mask(token) for to_mask, token in zip(self.to_freqs, x.unbind(-2), strict=True)], dim=-1)

    def _together(self, x: Float[Tensor, "batch frame band dim"]) -> Float[Tensor, "batch frame features"]:
        """The same with all bands' hidden layers together, and the outputs of bands of like width."""
        *hidden, last = self._layers()
        for layer in hidden:
            x = _layer_of_all(x, layer) if isinstance(layer[0], nn.Linear) else layer[0](x)
        runs = runs_of_like_width(self.dim_inputs)
        return torch.cat([mask for run in runs for mask in _masks_of_run(x[..., run, :], last[run])], dim=-1)

    def _layers(self) -> list[Any]:
        """The layers of the networks, each as a tuple of all bands' modules."""
        networks = [tuple(cast("nn.Sequential", cast("nn.Sequential", band)[0])) for band in self.to_freqs]
        return list(zip(*networks, strict=True))


def _is_one(layer: Sequence[nn.Module]) -> bool:
    """Whether a hidden layer is a product in each band, or in each the same activation, which has learned nothing."""
    first, *others = layer
    said = first.extra_repr()
    same = all(type(other) is type(first) and other.extra_repr() == said for other in others)
    return same and (isinstance(first, nn.Linear) or not [*first.parameters(), *first.buffers()])


def _layer_of_all(
    x: Float[Tensor, "batch frame band dim_in"], layer: Sequence[nn.Linear]
) -> Float[Tensor, "batch frame band dim_out"]:
    weights = torch.stack([linear.weight.T for linear in layer])
    return each_by_its_own(x, weights, torch.stack([linear.bias for linear in layer]))


def _masks_of_run(
    x: Float[Tensor, "batch frame band dim"], layer: Sequence[nn.Linear]
) -> Iterator[Float[Tensor, "batch frame width"]]:
    """Gated masks of bands of like width; each band has as many values as gates."""
    weights = side_by_side([rearrange(linear.weight, "(two o) i -> i two o", two=2) for linear in layer], dim=0)
    biases = side_by_side([rearrange(linear.bias, "(two o) -> two o", two=2) for linear in layer], dim=0)
    masks = F.glu(each_by_its_own(x, weights.flatten(start_dim=-2), biases.flatten(start_dim=-2)))
    for mask, linear in zip(masks.unbind(-2), layer, strict=True):
        yield mask[..., : linear.out_features // 2]
