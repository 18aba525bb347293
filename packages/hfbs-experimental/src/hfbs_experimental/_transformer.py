"""A transformer whose blocks may be connected by hyper-connections, and have biases and value residuals."""

from typing import Literal, cast, overload

import torch
from jaxtyping import Float
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

from hfbs_attention import FeedForward, RMSNorm, ValueMix, recomputed
from hfbs_attention._types import PoPE

from ._attention import Attention, LinearAttention
from ._connections import Generation, resolve_connections


class _Layer(nn.ModuleList):
    """An attention and a feed-forward block, each in its connections; a list, for the keys ``0.…`` and ``1.…``."""

    def __init__(self, attention: nn.Module, feed_forward: nn.Module, sums: bool, use_torch_checkpoint: bool) -> None:
        super().__init__([attention, feed_forward])
        self.sums = sums
        self.use_torch_checkpoint = use_torch_checkpoint

    def forward(self, x: Tensor, value_residual: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.use_torch_checkpoint and self.training and torch.is_grad_enabled():
            return recomputed(self._run, x, value_residual)
        return self._run(x, value_residual)

    def _run(self, x: Tensor, value_residual: Tensor | None) -> tuple[Tensor, Tensor]:
        attention, feed_forward = self
        update, values = cast("tuple[Tensor, Tensor]", attention(x, value_residual, return_values=True))
        x = update + x if self.sums else update
        update = cast("Tensor", feed_forward(x))
        return update + x if self.sums else update, values


class Transformer(nn.Module):
    """:class:`hfbs_attention.Transformer` with hyper-connections :cite:p:`zhu2024hyperconnections`, biases and further
    value residuals.

    Hyper-connections keep several residual streams instead of one. The streams lie in the batch axis, the s copies of a
    sequence one after the other. Upstream's separators flatten batch, streams and bands to (b s f) before a transformer
    runs along time, and the connections split what they are given as (b s): so they mix s adjacent bands there, and s
    adjacent frames where it runs along the bands, rather than the s copies. Published weights have learned it so, and
    it is so here. Keys are upstream's: the block is ``branch`` of its connections.

    Args:
        dim: As in :class:`hfbs_attention.Transformer`, like all keywords down to ``use_torch_checkpoint``.
        depth: Number of layers.
        dim_head: Features of one head.
        heads: Number of heads.
        attn_dropout: Share dropped in training.
        ff_dropout: Share dropped in training.
        ff_mult: Hidden features of the feed-forward blocks as a multiple of ``dim``.
        norm_output: Normalise the output.
        rotary_embed: Positions by RoPE.
        pope_embed: Positions by PoPE.
        flash_attn: PyTorch's fused kernels.
        sage_attention: SageAttention's kernels.
        scale: Factor of the query-key products.
        linear_attn: Use :class:`LinearAttention`; without positions, biases and SageAttention, and with values only
            where ``lucidrains_mel_values`` is set.
        value_mix: See :class:`Attention`.
        use_torch_checkpoint: Keep less for the backward pass.
        bias: See :class:`Attention`.
        lucidrains_mel_values: Value residuals as lucidrains' Mel-Band RoFormer has them: the swapped mix of
            :class:`Attention`, and values in linear attention.
        num_residual_streams: Residual streams; the batch is a multiple of it. 1 means one residual sum per block.
        hyper_connections: ``"2024"`` as MSST's experimental models and lucidrains' former ones have them;
            ``"manifold"`` as lucidrains' present ones, whose mixing is doubly stochastic; None means ``"manifold"``
            where there are several streams.
        sinkhorn_iters: Iterations of ``"manifold"`` towards that; None means 2, as lucidrains has it.
        num_residual_fracs: Parts that a stream's features fall into, each connected by itself.
        residual_sums: Add the input of each block to what the block gives. None means: where there are no
            hyper-connections. MSST's experimental models do it in the trunk's first layer and not in later ones,
            hyper-connections or not.

    Attributes:
        gives_values: Whether it takes and gives values.

    Raises:
        ValueError: A depth below one, or keywords that contradict each other.
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
        bias: bool = False,
        lucidrains_mel_values: bool = False,
        num_residual_streams: int = 1,
        hyper_connections: Generation | None = None,
        sinkhorn_iters: int | None = None,
        num_residual_fracs: int = 1,
        residual_sums: bool | None = None,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth is a number of layers, at least 1, got {depth}")
        if linear_attn and not (rotary_embed is None and pope_embed is None and not sage_attention and not bias):
            raise ValueError(
                "linear_attn=True takes no rotary_embed, pope_embed, sage_attention or bias; "
                "leave them at their defaults"
            )
        if linear_attn and value_mix is not None and not (lucidrains_mel_values and value_mix == "learned"):
            raise ValueError(
                "linear_attn=True mixes values as lucidrains' Mel-Band RoFormer does only: "
                f"value_mix='learned' with lucidrains_mel_values=True, got value_mix={value_mix!r}"
            )
        connections = resolve_connections(
            num_residual_streams, hyper_connections, sinkhorn_iters, num_residual_fracs, dim
        )

        def attention() -> nn.Module:
            if linear_attn:
                return LinearAttention(
                    dim,
                    dim_head,
                    heads,
                    8.0 if scale is None else scale,
                    attn_dropout,
                    flash=flash_attn,
                    mix_values=value_mix is not None,
                )
            return Attention(
                dim,
                dim_head,
                heads,
                attn_dropout,
                rotary_embed,
                pope_embed,
                scale,
                flash=flash_attn,
                sage_attention=sage_attention,
                value_mix=value_mix,
                bias=bias,
                swapped_value_mix=lucidrains_mel_values and value_mix is not None,
            )

        def connected(block: nn.Module) -> nn.Module:
            return block if connections is None else connections.around(block, dim)

        sums = connections is None if residual_sums is None else residual_sums
        self.num_residual_streams = num_residual_streams
        self.gives_values = not linear_attn or lucidrains_mel_values
        self.layers = nn.ModuleList(
            _Layer(connected(attention()), connected(FeedForward(dim, ff_mult, ff_dropout)), sums, use_torch_checkpoint)
            for _ in range(depth)
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
        x: Float[Tensor, "streams position dim"],
        value_residual: Float[Tensor, "batch head _ _"] | None = None,
        *,
        return_values: bool = False,
    ) -> (
        Float[Tensor, "streams position dim"]
        | tuple[Float[Tensor, "streams position dim"], Float[Tensor, "batch head _ _"]]
    ):
        """Run the layers in turn.

        Args:
            x: Sequences, (batch × streams, position, dim).
            value_residual: Values of the first layer of an earlier transformer; needed if and only if ``value_mix`` is
                set.
            return_values: Return also the first layer's values, (batch, head, position, features), or (batch, head,
                features, position) of linear attention. The streams are one there.

        Raises:
            ValueError: The batch is no multiple of the streams, or values are asked for that are none.
        """
        if len(x) % self.num_residual_streams:
            raise ValueError(
                f"the batch holds {self.num_residual_streams} streams of each sequence, got {len(x)} sequences; "
                "expand them to streams first"
            )
        if return_values and not self.gives_values:
            raise ValueError("linear attention gives values with lucidrains_mel_values=True only; leave them out")
        first_values = None
        for layer in self.layers:
            x, values = cast("tuple[Tensor, Tensor]", layer(x, value_residual))
            first_values = values if first_values is None else first_values
        x = self.norm(x)
        return (x, first_values) if return_values and first_values is not None else x
