"""Attention and feed-forward layers in turn, each with its residual sum."""

from itertools import repeat
from typing import Literal, cast, overload

import torch
from jaxtyping import Float
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

from ._attention import Attention
from ._feedforward import FeedForward
from ._linear_attention import LinearAttention
from ._norm import RMSNorm
from ._recompute import recomputed
from ._types import ParametersAttention, PoPE, ValueMix

POSITIONS_IN_CACHE = 1024
"""Positions of all sequences that are taken through the layers together on a processor. Of the numbers tried, 512 to
2,048 differ by less than 4 %."""


class _Layer(nn.ModuleList):
    """An attention and a feed-forward block with their residual sums; a list, for the keys ``0.…`` and ``1.…``."""

    def __init__(self, dim: int, attention: nn.Module, feed_forward: nn.Module, use_torch_checkpoint: bool) -> None:
        super().__init__([attention, feed_forward])
        self.dim = dim
        self.use_torch_checkpoint = use_torch_checkpoint

    def forward(self, x: Tensor, value_residual: Tensor | None, return_values: bool) -> tuple[Tensor, Tensor | None]:
        if self.use_torch_checkpoint and self.training and torch.is_grad_enabled():
            return recomputed(self._run, x, value_residual, return_values, summed=self.dim)
        return self._run(x, value_residual, return_values)

    def _run(self, x: Tensor, value_residual: Tensor | None, return_values: bool) -> tuple[Tensor, Tensor | None]:
        attention, feed_forward = cast("tuple[Attention | LinearAttention, FeedForward]", tuple(self))
        values = None
        if isinstance(attention, LinearAttention):
            x = attention(x) + x
        elif return_values:
            update, values = attention(x, value_residual, return_values=True)
            x = update + x
        else:
            x = attention(x, value_residual) + x
        return feed_forward(x) + x, values


class Transformer(nn.Module):
    """A stack of pre-normalised attention and feed-forward layers over one axis :cite:p:`vaswani2017attention`.

    Hyper-connections :cite:p:`zhu2024hyperconnections`, which replace the residual sums, are a research variant and not
    here.

    Args:
        dim: Features of the input and the output.
        depth: Number of layers, each an attention and a feed-forward block.
        dim_head: Features of one head.
        heads: Number of heads.
        attn_dropout: See :class:`Attention`.
        ff_dropout: See :class:`FeedForward`.
        ff_mult: See :class:`FeedForward`.
        norm_output: Normalise the output by a learned :class:`RMSNorm`.
        rotary_embed: See :class:`Attention`.
        pope_embed: See :class:`Attention`.
        flash_attn: See :class:`Attend`.
        sage_attention: See :class:`Attend`.
        scale: Factor of the query-key products; None means 1/√dim_head, for linear attention 8.
        linear_attn: Use :class:`LinearAttention`, which takes neither positions nor value residuals nor SageAttention.
        value_mix: See :class:`Attention`; the same in every layer.
        use_torch_checkpoint: In training, keep only the results of products and attention, and compute the rest again
            in the backward pass.

    Raises:
        ValueError: A depth below one, or keywords that linear attention cannot honour.

    Example:
        >>> from rotary_embedding_torch import RotaryEmbedding
        >>> transformer = Transformer(dim=32, depth=2, dim_head=16, heads=2, rotary_embed=RotaryEmbedding(dim=16))
        >>> transformer(torch.randn(8, 100, 32)).shape  # (batch, position, dim)
        torch.Size([8, 100, 32])
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
        linear_attn: bool = False,
        value_mix: ValueMix = None,
        use_torch_checkpoint: bool = False,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth is a number of layers, at least 1, got {depth}")
        if linear_attn and not (
            rotary_embed is None and pope_embed is None and value_mix is None and not sage_attention
        ):
            raise ValueError(
                "linear_attn=True takes no rotary_embed, pope_embed, value_mix or sage_attention; "
                "leave them at their defaults"
            )
        parameters = ParametersAttention(
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

        def attention() -> Attention | LinearAttention:
            if linear_attn:
                return LinearAttention(
                    dim, dim_head, heads, 8.0 if scale is None else scale, attn_dropout, flash=flash_attn
                )
            return Attention(**parameters, value_mix=value_mix)

        self.linear_attn = linear_attn
        self.layers = nn.ModuleList(
            _Layer(dim, attention(), FeedForward(dim, ff_mult, ff_dropout), use_torch_checkpoint) for _ in range(depth)
        )
        self.norm = RMSNorm(dim) if norm_output else nn.Identity()

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
        """Run the layers in turn.

        Args:
            x: Sequences, (batch, position, dim).
            value_residual: Values of the first layer of an earlier transformer; needed if and only if ``value_mix`` is
                set.
            return_values: Return also the first layer's values, (batch, head, position, features); not with linear
                attention.

        Returns:
            The sequences after all layers, or those and the values.
        """
        if self.linear_attn and (return_values or value_residual is not None):
            raise ValueError(
                "linear attention takes and gives no values; leave value_residual and return_values at their defaults"
            )
        sizes = self._group_sizes(x)
        if len(sizes) == 1:
            output, values = self._run(x.contiguous(), value_residual, return_values)
            return output if values is None else (output, values)
        residuals = repeat(None) if value_residual is None else torch.split(value_residual, sizes)
        results = [
            self._run(group.contiguous(), residual, return_values)
            for group, residual in zip(torch.split(x, sizes), residuals, strict=False)
        ]
        outputs, values = zip(*results, strict=True)
        return (torch.cat(outputs), torch.cat(values)) if return_values else torch.cat(outputs)

    def _group_sizes(self, x: Tensor) -> list[int]:
        """How many sequences to take through all layers at once, before the next so many.

        On a processor, as many as its cache holds: between two products the numbers are read and written several
        times, and main memory is slow.
        """
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return [x.shape[0]]  # not len, which is a number that export would take for fixed
        # Each group adds to the weights' gradients: fewer of them then.
        positions = POSITIONS_IN_CACHE * (4 if torch.is_grad_enabled() else 1)
        # Two at least: of one alone, compilers make another kernel.
        at_once = max(2, positions // max(1, x.shape[1]))
        groups = max(1, len(x) // at_once)
        return [(len(x) + index) // groups for index in range(groups)]

    def _run(self, x: Tensor, value_residual: Tensor | None, return_values: bool) -> tuple[Tensor, Tensor | None]:
        first_values = None
        for layer in self.layers:
            wanted = return_values and first_values is None
            x, values = layer(x, value_residual, wanted)
            first_values = values if wanted else first_values
        return self.norm(x), first_values
