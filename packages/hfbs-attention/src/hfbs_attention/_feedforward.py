"""The position-wise half of a transformer layer."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from ._norm import RMSNorm
from ._sizes import check_share


class FeedForward(nn.Module):
    """Normalise, widen, GELU :cite:p:`hendrycks2016gelu`, narrow; without the residual sum around it.

    Args:
        dim: Features of the input and the output.
        ff_mult: Hidden features as a multiple of ``dim``, rounded down.
        ff_dropout: Share of features dropped in training after each of the two products, in [0, 1).
    """

    def __init__(self, dim: int, ff_mult: float = 4.0, ff_dropout: float = 0.0) -> None:
        super().__init__()
        check_share("ff_dropout", ff_dropout)
        dim_inner = int(dim * ff_mult)
        if dim_inner < 1:
            raise ValueError(f"ff_mult times dim is the number of hidden features, at least 1, got {ff_mult} × {dim}")
        self.net = nn.Sequential(
            RMSNorm(dim),
            nn.Linear(dim, dim_inner),
            nn.GELU(),
            nn.Dropout(ff_dropout),
            nn.Linear(dim_inner, dim),
            nn.Dropout(ff_dropout),
        )

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the update of ``x``, (…, dim)."""
        return self.net(x)


def ff_mult_of(dim: int, dim_inner: int) -> float:
    """A multiple of ``dim`` that gives so many hidden features, rounded down."""
    ff_mult = dim_inner / dim
    return ff_mult if int(dim * ff_mult) == dim_inner else math.nextafter(ff_mult, math.inf)
