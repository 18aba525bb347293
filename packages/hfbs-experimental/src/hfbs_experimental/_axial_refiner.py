"""The axial refiner: a mask head with transformers of its own before the networks of the bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from einops import rearrange
from jaxtyping import Float
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

from hfbs_attention import RMSNorm, Transformer
from hfbs_attention._feedforward import ff_mult_of
from hfbs_model import MaskEstimator, Parts, Variant

from ._mask_keys import count_of, keywords_of, shape_of


@dataclass(frozen=True)
class AxialRefinerSettings:
    """Sizes of the head's transformers; the defaults are those of the published checkpoint.

    Attributes:
        depth: Layers, each with attention along time, then along the bands.
        time_transformer_depth: Attention and feed-forward blocks along time in each layer.
        freq_transformer_depth: The same along the bands.
        dim_head: Features of an attention head.
        heads: Attention heads.
        ff_mult: Hidden features of the feed-forward blocks as a multiple of ``dim``.
    """

    depth: int = 4
    time_transformer_depth: int = 1
    freq_transformer_depth: int = 1
    dim_head: int = 64
    heads: int = 8
    ff_mult: float = 4.0

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"depth of an axial refiner is at least 1, got {self.depth}")
        if self.dim_head < 4 or self.dim_head % 2:
            raise ValueError(
                f"dim_head is even and at least 4, since RoPE turns pairs of features, got {self.dim_head}"
            )


class AxialRefinerMaskEstimator(MaskEstimator):
    """Mask estimator whose tokens first pass layers of attention of the stem's own, as the trunk's, and a norm
    :cite:p:`lu2023bsroformer`.

    It is the head of unwa's BS-RoFormer Large v2 and has its keys: ``layers.…``, ``norm.gamma``, then ``to_freqs.…``.
    With the same weights it gives the masks of splifft's head. That time comes before bands and that there are no other
    sums than the transformers' own rests on that; that the head's rotary embeddings are its own rests on the keys.

    Args:
        dim: Features of a token.
        dim_inputs: See :class:`hfbs_model.MaskEstimator`, as for ``depth``, ``mlp_expansion_factor`` and
            ``activation``.
        depth: Likewise.
        mlp_expansion_factor: Likewise.
        activation: Likewise.
        settings: Sizes of the transformers.
    """

    def __init__(
        self,
        dim: int,
        dim_inputs: Sequence[int],
        *,
        depth: int,
        mlp_expansion_factor: int = 4,
        activation: type[nn.Module] = nn.Tanh,
        settings: AxialRefinerSettings = AxialRefinerSettings(),
    ) -> None:
        super().__init__(dim, dim_inputs, depth=depth, mlp_expansion_factor=mlp_expansion_factor, activation=activation)
        rotary = RotaryEmbedding(settings.dim_head), RotaryEmbedding(settings.dim_head)
        depths = settings.time_transformer_depth, settings.freq_transformer_depth
        self.layers = nn.ModuleList(
            nn.ModuleList(
                Transformer(
                    dim=dim,
                    depth=axis_depth,
                    dim_head=settings.dim_head,
                    heads=settings.heads,
                    ff_mult=settings.ff_mult,
                    norm_output=False,
                    rotary_embed=axis_rotary,
                )
                for axis_depth, axis_rotary in zip(depths, rotary, strict=True)
            )
            for _ in range(settings.depth)
        )
        self.norm = RMSNorm(dim)

    def forward(self, x: Float[Tensor, "batch frame band dim"]) -> Float[Tensor, "batch frame features"]:
        """Masks of all bands one after the other, as :class:`hfbs_model.MaskEstimator` gives them."""
        batch = x.shape[0]
        for layer in self.layers:
            along_time, along_bands = cast("nn.ModuleList", layer)
            x = along_time(rearrange(x, "b t f d -> (b f) t d"))
            x = along_bands(rearrange(x, "(b f) t d -> (b t) f d", b=batch))
            x = rearrange(x, "(b t) f d -> b t f d", b=batch)
        return super().forward(self.norm(x))


def infer(weights: Mapping[str, Tensor]) -> dict[str, object]:
    """Keywords of :func:`build`; names and shapes tell them all, ``refiner_ff_mult`` but for rounding."""
    first = "layers.0.0.layers.0"
    heads, dim = shape_of(weights, f"{first}.0.to_gates.weight")
    return {
        "refiner_depth": count_of(weights, "layers"),
        "refiner_time_transformer_depth": count_of(weights, "layers.0.0.layers"),
        "refiner_freq_transformer_depth": count_of(weights, "layers.0.1.layers"),
        "refiner_dim_head": shape_of(weights, f"{first}.0.to_qkv.weight")[0] // (3 * heads),
        "refiner_heads": heads,
        "refiner_ff_mult": ff_mult_of(dim, shape_of(weights, f"{first}.1.net.1.weight")[0]),
    }


def build(
    base: Parts,
    *,
    refiner_depth: int,
    refiner_time_transformer_depth: int,
    refiner_freq_transformer_depth: int,
    refiner_dim_head: int,
    refiner_heads: int,
    refiner_ff_mult: float,
) -> Parts:
    """The parts with :class:`AxialRefinerMaskEstimator` in the mask estimator's place.

    The keywords are the attributes of :class:`AxialRefinerSettings`; their prefix tells them from the trunk's, beside
    which a configuration has them.
    """
    settings = AxialRefinerSettings(
        depth=refiner_depth,
        time_transformer_depth=refiner_time_transformer_depth,
        freq_transformer_depth=refiner_freq_transformer_depth,
        dim_head=refiner_dim_head,
        heads=refiner_heads,
        ff_mult=refiner_ff_mult,
    )
    parts = replace(base, mask_estimator=partial(AxialRefinerMaskEstimator, settings=settings))
    return parts.built_by("axial-refiner", **keywords_of(settings, "refiner"))


AXIAL_REFINER = Variant(infer, build)
""":class:`AxialRefinerMaskEstimator` for each stem, found by ``mask_estimators.N.layers``."""
