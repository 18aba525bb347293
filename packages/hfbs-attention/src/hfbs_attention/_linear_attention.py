"""Attention between features instead of positions: its cost grows linearly with the length."""

import torch
from einops.layers.torch import Rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ._attend import Attend
from ._norm import RMSNorm, l2_normalize
from ._sizes import check_sizes


class LinearAttention(nn.Module):
    """Cross-covariance attention of XCiT :cite:p:`elnouby2021xcit`, as lucidrains' band-split models have it.

    Queries and keys are normalised over the sequence, the products scaled by ``scale`` and by the exponential of a
    learned temperature per head. It has no gates and sees no positions.

    Args:
        dim: Features of the input and the output.
        dim_head: Features of one head.
        heads: Number of heads.
        scale: Factor of the query-key products.
        attn_dropout: Share of attention weights dropped in training, in [0, 1).
        flash: See :class:`Attend`.

    Raises:
        ValueError: Sizes below one, or a dropout outside [0, 1).

    Example:
        >>> LinearAttention(dim=32, dim_head=16, heads=2)(torch.randn(8, 100, 32)).shape
        torch.Size([8, 100, 32])
    """

    def __init__(
        self,
        dim: int,
        dim_head: int = 32,
        heads: int = 8,
        scale: float = 8.0,
        attn_dropout: float = 0.0,
        *,
        flash: bool = True,
    ) -> None:
        super().__init__()
        check_sizes(dim=dim, dim_head=dim_head, heads=heads)
        dim_inner = dim_head * heads
        self.norm = RMSNorm(dim)
        self.to_qkv = nn.Sequential(
            nn.Linear(dim, dim_inner * 3, bias=False),
            Rearrange("b n (qkv h d) -> qkv b h d n", qkv=3, h=heads),
        )
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.attend = Attend(attn_dropout, scale, flash=flash)
        self.to_out = nn.Sequential(Rearrange("b h d n -> b n (h d)"), nn.Linear(dim_inner, dim, bias=False))

    def forward(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch position dim"]:
        """Return the update of ``x``, (batch, position, dim)."""
        q, k, v = self.to_qkv(self.norm(x))
        q = l2_normalize(q) * self.temperature.exp().to(q.dtype)
        return self.to_out(self.attend(q, l2_normalize(k), v))
