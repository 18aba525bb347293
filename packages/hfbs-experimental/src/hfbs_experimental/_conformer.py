"""Conformer blocks: convolution beside attention, between two half feed-forward blocks."""

from typing import cast

import torch
from einops.layers.torch import Rearrange
from jaxtyping import Float
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

from hfbs_attention import FeedForward, ParametersAttention, RMSNorm, ValueMix, recomputed
from hfbs_attention._types import PoPE

from ._attention import Attention


class _HalfFeedForward(nn.Module):
    """Half the update of a feed-forward block, for the key ``ff``."""

    def __init__(self, dim: int, ff_mult: float, ff_dropout: float) -> None:
        super().__init__()
        self.ff = FeedForward(dim, ff_mult, ff_dropout)

    def forward(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch position dim"]:
        return self.ff(x) * 0.5


class _Convolution(nn.Module):
    """Widen, gate, convolve each feature along the positions, narrow; for the key ``net``."""

    def __init__(self, dim: int, expansion_factor: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        inner = dim * expansion_factor
        self.net = nn.Sequential(
            RMSNorm(dim),
            Rearrange("b n d -> b d n"),
            nn.Conv1d(dim, inner * 2, 1),
            nn.GLU(dim=1),
            nn.Conv1d(inner, inner, kernel_size, padding=kernel_size // 2, groups=inner),
            nn.BatchNorm1d(inner),
            nn.SiLU(),
            nn.Conv1d(inner, dim, 1),
            Rearrange("b d n -> b n d"),
            nn.Dropout(dropout),
        )

    def forward(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch position dim"]:
        return self.net(x)


class _Block(nn.Module):
    def __init__(
        self,
        attention: ParametersAttention,
        bias: bool,
        ff_mult: float,
        ff_dropout: float,
        conv_expansion_factor: int,
        conv_kernel_size: int,
    ) -> None:
        super().__init__()
        dim = attention["dim"]
        self.ff1 = _HalfFeedForward(dim, ff_mult, ff_dropout)
        self.attn = Attention(**attention, bias=bias)
        self.conv = _Convolution(dim, conv_expansion_factor, conv_kernel_size, ff_dropout)
        self.ff2 = _HalfFeedForward(dim, ff_mult, ff_dropout)
        self.out_norm = RMSNorm(dim)

    def forward(self, x: Tensor, recompute: bool) -> Tensor:
        for part in (self.ff1, self.attn, self.conv, self.ff2):
            # Computed again, the convolution would take the same batch into its running means twice.
            again = recompute and part is not self.conv
            x = x + (recomputed(part, x) if again else cast("Tensor", part(x)))
        return self.out_norm(x)


class Conformer(nn.Module):
    """Blocks of half a feed-forward block, attention, convolution and half a feed-forward block, each with its residual
    sum, normalised at the end, as MSST's Conformer models have them (Gulati and others, 2020).

    It takes the place of :class:`hfbs_attention.Transformer`. The convolutions are normalised over the batch: in
    training, what it gives for one sequence depends on the others.

    Args:
        dim: Features of the input and the output.
        depth: Number of blocks.
        dim_head: As in :class:`Attention`, like the keywords below that have its names.
        heads: Number of heads.
        attn_dropout: Share dropped in training.
        ff_dropout: Share of features dropped in training in feed-forward blocks and after convolutions.
        ff_mult: Hidden features of the feed-forward blocks as a multiple of ``dim``.
        norm_output: Normalise the output once more.
        rotary_embed: Positions by RoPE.
        pope_embed: Positions by PoPE.
        flash_attn: PyTorch's fused kernels.
        sage_attention: SageAttention's kernels.
        scale: Factor of the query-key products.
        value_mix: None: value residuals are not for Conformers.
        use_torch_checkpoint: In training, compute all but the convolutions again in the backward pass.
        bias: See :class:`Attention`.
        conv_expansion_factor: Features that are convolved as a multiple of ``dim``.
        conv_kernel_size: Positions that a convolution sees, odd.

    Raises:
        ValueError: Sizes below one, an even kernel, or a value mix.
    """

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        dim_head: int = 64,
        heads: int = 8,
        attn_dropout: float = 0.0,
        ff_dropout: float = 0.0,
        ff_mult: float = 4.0,
        norm_output: bool = True,
        rotary_embed: RotaryEmbedding | None = None,
        pope_embed: PoPE | None = None,
        flash_attn: bool = True,
        sage_attention: bool = False,
        scale: float | None = None,
        value_mix: ValueMix = None,
        use_torch_checkpoint: bool = False,
        bias: bool = False,
        conv_expansion_factor: int = 2,
        conv_kernel_size: int = 31,
    ) -> None:
        super().__init__()
        for name, size in {"depth": depth, "conv_expansion_factor": conv_expansion_factor}.items():
            if size < 1:
                raise ValueError(f"{name} is at least 1, got {size}")
        if conv_kernel_size < 1 or conv_kernel_size % 2 == 0:
            raise ValueError(f"conv_kernel_size is odd, so that each position is the middle, got {conv_kernel_size}")
        if value_mix is not None:
            raise ValueError(
                f"Conformers mix no values, got value_mix={value_mix!r}; set use_value_residual_learning=False"
            )
        attention = ParametersAttention(
            dim=dim,
            dim_head=dim_head,
            heads=heads,
            attn_dropout=attn_dropout,
            rotary_embed=rotary_embed,
            pope_embed=pope_embed,
            scale=scale,
            flash=flash_attn,
            sage_attention=sage_attention,
        )
        self.use_torch_checkpoint = use_torch_checkpoint
        self.layers = nn.ModuleList(
            _Block(attention, bias, ff_mult, ff_dropout, conv_expansion_factor, conv_kernel_size) for _ in range(depth)
        )
        self.norm = RMSNorm(dim) if norm_output else nn.Identity()

    def forward(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch position dim"]:
        """Run the blocks in turn on sequences, (batch, position, dim)."""
        recompute = self.use_torch_checkpoint and self.training and torch.is_grad_enabled()
        for block in self.layers:
            x = cast("Tensor", block(x, recompute))
        return self.norm(x)
