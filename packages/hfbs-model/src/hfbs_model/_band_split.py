"""From the bins of each band to one token per band."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hfbs_attention import RMSNorm, l2_normalize

from ._side_by_side import each_by_its_own, pays, runs_of_like_width, side_by_side


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
        bands = torch.split(x, list(self.dim_inputs), dim=-1)
        to_token = [cast("tuple[RMSNorm, nn.Linear]", tuple(cast("nn.Sequential", band))) for band in self.to_features]
        if pays(x, (module for band in self.to_features.children() for module in band.modules())):
            runs = runs_of_like_width(self.dim_inputs)
            return torch.cat([_tokens_of_run(bands[run], to_token[run]) for run in runs], dim=-2)
        tokens = [
            project(norm(band).to(project.weight.dtype)) for band, (norm, project) in zip(bands, to_token, strict=True)
        ]
        return torch.stack(tokens, dim=-2)


def _tokens_of_run(
    bands: Sequence[Tensor], to_token: Sequence[tuple[RMSNorm, nn.Linear]]
) -> Float[Tensor, "batch frame band dim"]:
    """The same for bands of like width together."""
    gains = side_by_side([norm.scale * norm.gamma for norm, _ in to_token], dim=0)
    weights = side_by_side([project.weight for _, project in to_token], dim=0)
    biases = torch.stack([project.bias for _, project in to_token])
    normalised = gains * l2_normalize(side_by_side(bands, dim=-2))
    return each_by_its_own(normalised.to(weights.dtype), weights.mT, biases)
