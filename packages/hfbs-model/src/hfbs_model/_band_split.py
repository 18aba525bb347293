"""From the bins of each band to one token per band."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hfbs_attention import RMSNorm


class BandSplit(nn.Module):
    """Normalise each band's bins and project them to a token of ``dim`` features :cite:p:`lu2023bsroformer`.

    Args:
        dim: Features of a token.
        dim_inputs: Input features of each band: 2 (real, imaginary) × channels × bins.
    """

    def __init__(self, dim: int, dim_inputs: Sequence[int]) -> None:
        super().__init__()
        self.dim_inputs = tuple(dim_inputs)
        self.to_features = nn.ModuleList(nn.Sequential(RMSNorm(width), nn.Linear(width, dim)) for width in dim_inputs)

    def forward(self, x: Float[Tensor, "batch frame features"]) -> Float[Tensor, "batch frame band dim"]:
        """Tokens of all bands in the precision of the weights; the input, in any, holds the bands' features one after
        the other.

        They are normalised before they are rounded: the spectrum of loud audio is beyond float16.
        """
        tokens: list[Tensor] = []
        for to_token, band in zip(self.to_features, torch.split(x, list(self.dim_inputs), dim=-1), strict=True):
            norm, project = cast("tuple[RMSNorm, nn.Linear]", tuple(cast("nn.Sequential", to_token)))
            tokens.append(project(norm(band).to(project.weight.dtype)))
        return torch.stack(tokens, dim=-2)
