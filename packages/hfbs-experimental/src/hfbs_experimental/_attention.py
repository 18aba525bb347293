"""Attention with biases, and with value residuals as lucidrains' Mel-Band RoFormer has them."""

from typing import Literal, cast, overload

import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from jaxtyping import Float
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

import hfbs_attention
from hfbs_attention import ValueMix, l2_normalize
from hfbs_attention._types import PoPE


class Attention(hfbs_attention.Attention):
    """:class:`hfbs_attention.Attention` with two additions of checkpoints in circulation.

    Args:
        dim: As in :class:`hfbs_attention.Attention`, like all keywords that are not below.
        dim_head: Features of one head.
        heads: Number of heads.
        attn_dropout: Share dropped in training.
        rotary_embed: Positions by RoPE.
        pope_embed: Positions by PoPE.
        scale: Factor of the query-key products; None means 1/√dim_head.
        flash: PyTorch's fused kernels.
        sage_attention: SageAttention's kernels.
        value_mix: How the first layer's values are mixed in :cite:p:`zhou2024valueresidual`.
        bias: Add learned biases to the projections at both ends, ``to_qkv.bias`` and ``to_out.0.bias``, which start at
            zero.
        swapped_value_mix: Mix values as lucidrains' Mel-Band RoFormer does, under its keys
            ``learned_value_residual_mix.0.*``. Its interpolation goes from this layer's values v to the gate g, by the
            first layer's values r: v + r·(g − v), where the paper has v + g·(r − v). Only its checkpoints need that.

    Raises:
        ValueError: As :class:`hfbs_attention.Attention`; a swapped mix without a learned one.
    """

    def __init__(
        self,
        dim: int,
        dim_head: int = 64,
        heads: int = 8,
        attn_dropout: float = 0.0,
        rotary_embed: RotaryEmbedding | None = None,
        pope_embed: PoPE | None = None,
        scale: float | None = None,
        *,
        flash: bool = True,
        sage_attention: bool = False,
        value_mix: ValueMix = None,
        bias: bool = False,
        swapped_value_mix: bool = False,
    ) -> None:
        if swapped_value_mix and value_mix != "learned":
            raise ValueError(f"swapped_value_mix=True is a way of value_mix='learned', got value_mix={value_mix!r}")
        super().__init__(
            dim,
            dim_head,
            heads,
            attn_dropout,
            rotary_embed,
            pope_embed,
            scale,
            flash=flash,
            sage_attention=sage_attention,
            value_mix="fixed" if swapped_value_mix else value_mix,
        )
        self.value_mix = value_mix
        self.learned_value_residual_mix = (
            nn.Sequential(nn.Linear(dim, heads), Rearrange("b n h -> b h n 1"), nn.Sigmoid())
            if swapped_value_mix
            else None
        )
        self.biased = bias
        if bias:
            self.to_qkv.bias = nn.Parameter(torch.zeros(3 * heads * dim_head))
            cast("nn.Linear", self.to_out[0]).bias = nn.Parameter(torch.zeros(dim))

    @overload
    def forward(
        self, x: Tensor, value_residual: Tensor | None = None, *, return_values: Literal[False] = False
    ) -> Tensor: ...
    @overload
    def forward(
        self, x: Tensor, value_residual: Tensor | None = None, *, return_values: Literal[True]
    ) -> tuple[Tensor, Tensor]: ...
    def forward(
        self,
        x: Float[Tensor, "batch position dim"],
        value_residual: Float[Tensor, "batch head position features"] | None = None,
        *,
        return_values: bool = False,
    ) -> (
        Float[Tensor, "batch position dim"]
        | tuple[Float[Tensor, "batch position dim"], Float[Tensor, "batch head position features"]]
    ):
        """As :meth:`hfbs_attention.Attention.forward`."""
        if self.learned_value_residual_mix is not None:
            value_residual = self._swapped(x, self._checked(value_residual), self.learned_value_residual_mix)
        if return_values:
            return super().forward(x, value_residual, return_values=True)
        return super().forward(x, value_residual)

    def _swapped(self, x: Tensor, value_residual: Tensor, to_gate: nn.Module) -> Tensor:
        """The mixed values, which then take the place of this layer's as a whole.

        This layer's values are computed for that once more, which is a twelfth of a layer's products or less.
        """
        x = self.norm(x)
        bias = self.to_qkv.bias.chunk(3)[2] if self.biased else None
        values = rearrange(F.linear(x, self.to_qkv.weight.chunk(3)[2], bias), "b n (h d) -> b h n d", h=self.heads)
        return torch.lerp(values, to_gate(x).to(values.dtype), value_residual.to(values.dtype))

    def _share_of_residual(self, x: Tensor, v: Tensor) -> Tensor:
        if self.learned_value_residual_mix is not None:
            return v.new_ones(())
        return super()._share_of_residual(x, v)


class LinearAttention(hfbs_attention.LinearAttention):
    """:class:`hfbs_attention.LinearAttention` that can mix the first layer's values into its own
    :cite:p:`zhou2024valueresidual`, as lucidrains' Mel-Band RoFormer does.

    Args:
        dim: As in :class:`hfbs_attention.LinearAttention`, like all keywords but the last.
        dim_head: Features of one head.
        heads: Number of heads.
        scale: Factor of the query-key products.
        attn_dropout: Share dropped in training.
        flash: PyTorch's fused kernels.
        mix_values: Weight the first layer's values by a gate per head and position, ``learned_value_residual_mix.0``.
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
        mix_values: bool = False,
    ) -> None:
        super().__init__(dim, dim_head, heads, scale, attn_dropout, flash=flash)
        self.learned_value_residual_mix = (
            nn.Sequential(nn.Linear(dim, heads), Rearrange("b n h -> b h 1 n"), nn.Sigmoid()) if mix_values else None
        )

    @overload
    def forward(
        self, x: Tensor, value_residual: Tensor | None = None, *, return_values: Literal[False] = False
    ) -> Tensor: ...
    @overload
    def forward(
        self, x: Tensor, value_residual: Tensor | None = None, *, return_values: Literal[True]
    ) -> tuple[Tensor, Tensor]: ...
    def forward(
        self,
        x: Float[Tensor, "batch position dim"],
        value_residual: Float[Tensor, "batch head features position"] | None = None,
        *,
        return_values: bool = False,
    ) -> (
        Float[Tensor, "batch position dim"]
        | tuple[Float[Tensor, "batch position dim"], Float[Tensor, "batch head features position"]]
    ):
        """Attend between the features of each sequence.

        Args:
            x: Sequences, (batch, position, dim).
            value_residual: Values of the first layer, (batch, head, features, position); needed if and only if
                ``mix_values`` is set.
            return_values: Return also this layer's own values, before any mixing.

        Raises:
            ValueError: ``value_residual`` is missing, or is given and nothing would use it.
        """
        if (self.learned_value_residual_mix is None) != (value_residual is None):
            raise ValueError(
                "LinearAttention takes value_residual if and only if it was built with mix_values=True, "
                f"got {'none' if value_residual is None else 'one'}"
            )
        x = self.norm(x)
        q, k, values = self.to_qkv(x)
        v = values
        if self.learned_value_residual_mix is not None and value_residual is not None:
            v = torch.lerp(v, value_residual.to(v.dtype), self.learned_value_residual_mix(x).to(v.dtype))
        q = l2_normalize(q) * self.temperature.exp().to(q.dtype)
        out = self.to_out(self.attend(q, l2_normalize(k), v))
        return (out, values) if return_values else out
