"""From one token per band to the mask of its bins."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


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
        return torch.cat([to_mask(token) for to_mask, token in zip(self.to_freqs, x.unbind(-2), strict=True)], dim=-1)
