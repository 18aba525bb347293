"""Gated multi-head self-attention, the block of both axes of a band-split transformer."""

from collections.abc import Callable
from typing import Literal, overload

import torch
from einops import rearrange
from jaxtyping import Float
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

from ._attend import Attend
from ._norm import RMSNorm
from ._positions import frequencies_of, with_pope, with_rotary
from ._sizes import check_sizes
from ._types import PoPE, ValueMix


class Attention(nn.Module):
    """Normalise, attend within the sequence, gate each head by the sigmoid of a learned product, project back.

    The block of BS-RoFormer :cite:p:`lu2023bsroformer`, without the residual sum around it. Its rearrangements are
    einops' :cite:p:`rogozhnikov2022einops`.

    Args:
        dim: Features of the input and the output.
        dim_head: Features of one head; even where ``rotary_embed`` is given.
        heads: Number of heads.
        attn_dropout: Share of attention weights, and of output features, dropped in training, in [0, 1).
        rotary_embed: Gives positions by turning queries and keys; shared between layers, it is one parameter under many
            keys.
        pope_embed: Gives positions by polar coordinates instead. With neither, the block does not see the order.
        scale: Factor of the query-key products; None means 1/√dim_head.
        flash: See :class:`Attend`.
        sage_attention: See :class:`Attend`; not with PoPE, whose queries are wider than the values.
        value_mix: ``"fixed"`` averages the first layer's values with this layer's, ``"learned"`` weights them by a
            sigmoid gate per head and position :cite:p:`zhou2024valueresidual`, None leaves the values alone.

    Raises:
        ValueError: Sizes below one, both embeddings at once, or a choice that the other keywords exclude.

    Example:
        >>> Attention(dim=32, dim_head=16, heads=2)(torch.randn(8, 100, 32)).shape
        torch.Size([8, 100, 32])
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
    ) -> None:
        super().__init__()
        check_sizes(dim=dim, dim_head=dim_head, heads=heads)
        if rotary_embed is not None and pope_embed is not None:
            raise ValueError("rotary_embed and pope_embed both give the positions; pass one of them, or neither")
        if rotary_embed is not None and 2 * rotary_embed.freqs.numel() != dim_head:
            raise ValueError(
                f"rotary_embed turns pairs of a head's features: dim_head={dim_head} needs {dim_head / 2:g} "
                f"frequencies, got {rotary_embed.freqs.numel()}; build it with RotaryEmbedding(dim=dim_head), even"
            )
        if rotary_embed is not None and rotary_embed.use_xpos:
            raise ValueError("rotary_embed with use_xpos=True is not supported; build it with use_xpos=False")
        if pope_embed is not None and tuple(pope_embed.bias.shape) != (heads, dim_head):
            raise ValueError(
                f"pope_embed holds an angle per head and feature: ({heads}, {dim_head}), "
                f"got {tuple(pope_embed.bias.shape)}; build it with PoPE(dim_head, heads=heads)"
            )
        if sage_attention and pope_embed is not None:
            raise ValueError(
                "SageAttention takes queries as wide as values, PoPE doubles them; set sage_attention=False"
            )
        if value_mix not in (None, "fixed", "learned"):
            raise ValueError(f"value_mix is None, 'fixed' or 'learned', got {value_mix!r}")
        dim_inner = heads * dim_head

        self.heads = heads
        self.value_mix: ValueMix = value_mix
        self.rotary_embed = rotary_embed
        self.pope_embed = pope_embed
        self.attend = Attend(
            attn_dropout, dim_head**-0.5 if scale is None else scale, flash=flash, sage_attention=sage_attention
        )
        self.norm = RMSNorm(dim)
        self.to_qkv = nn.Linear(dim, dim_inner * 3, bias=False)
        self.to_value_residual_mix = nn.Linear(dim, heads) if value_mix == "learned" else None
        self.to_gates = nn.Linear(dim, heads)
        self.to_out = nn.Sequential(nn.Linear(dim_inner, dim, bias=False), nn.Dropout(attn_dropout))

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
        """Attend within each sequence.

        Args:
            x: Sequences, (batch, position, dim).
            value_residual: Values of the first layer, (batch, head, position, features); needed if and only if
                ``value_mix`` is set.
            return_values: Return also this layer's own values, before any mixing, for the layers after it.

        Returns:
            The update of ``x``, or that and the values.

        Raises:
            ValueError: ``value_residual`` is missing, or is given and nothing would use it.
        """
        x = self.norm(x)
        q, k, v = rearrange(self.to_qkv(x), "b n (qkv h d) -> qkv b h n d", qkv=3, h=self.heads)
        values = v

        if self.value_mix is not None:
            v = torch.lerp(v, self._checked(value_residual).to(v.dtype), self._share_of_residual(x, v))
        elif value_residual is not None:
            raise ValueError(
                "value_residual was given to an Attention that mixes none; build it with value_mix='learned'"
            )

        if self.rotary_embed is not None:
            q, k = with_rotary(self.rotary_embed, q, k)
        elif self.pope_embed is not None:
            q, k = with_pope(self.pope_embed, q, k)
        out = self.attend(q, k, v)

        out = out * rearrange(self.to_gates(x), "b n h -> b h n 1").sigmoid()
        out = self.to_out(rearrange(out, "b h n d -> b n (h d)"))
        return (out, values) if return_values else out

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Attention":
        """Move and cast as every module does, but leave the frequencies of positions at least in float32.

        Rounded to half precision, they would turn far positions by a wrong angle: over 1,000 positions, RoPE's output
        would be off by 3 % in float16 and 9 % in bfloat16.
        """
        embed = self.pope_embed if self.rotary_embed is None else self.rotary_embed
        exact = None if embed is None else frequencies_of(embed).data
        super()._apply(fn, recurse)  # pyright: ignore[reportUnknownMemberType]
        if embed is not None and exact is not None:
            cast = frequencies_of(embed)
            wide = torch.promote_types(cast.dtype, torch.float32)
            if cast.dtype != wide:
                cast.data = exact.to(cast.device, wide)
        return self

    def _share_of_residual(self, x: Tensor, v: Tensor) -> Tensor:
        if self.to_value_residual_mix is None:
            return v.new_full((), 0.5)
        return rearrange(self.to_value_residual_mix(x), "b n h -> b h n 1").sigmoid().to(v.dtype)

    def _checked(self, value_residual: Tensor | None) -> Tensor:
        if value_residual is None:
            raise ValueError(f"value_mix={self.value_mix!r} needs the first layer's values; pass value_residual")
        return value_residual
