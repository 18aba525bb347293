"""The HyperACE mask head: one small network per band, and a network over all bands whose masks are added."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from hfbs_model import MaskEstimator, Parts, Variant

from ._hyperace_blocks import resize
from ._hyperace_hypergraph import HyperACE
from ._hyperace_pyramid import Backbone, Decoder
from ._hyperace_upsample import UpsampleHead
from ._mask_keys import count_of, keywords_of, shape_of


@dataclass(frozen=True)
class HyperACESettings:
    """Sizes of the HyperACE branch; the defaults are those of the published checkpoints of version 2.

    Attributes:
        version: 1 keeps the bands' resolution down to the coarsest scale and ends in 1 × 1 convolutions; 2 halves the
            bands twice and refines each doubling of the frequencies.
        num_hyperedges: Hyperedges of each hypergraph; 16 in version 1's checkpoints.
        num_heads: Parts of the features whose similarity to the hyperedges is averaged; weights do not tell it.
        num_high_order: Hypergraph branches side by side; 3 in version 1's checkpoints.
        num_low_order: Cross stages one after the other; 2 in version 1's checkpoints.
        base_channels: Channels after the first halving of the frames.
        dims: Channels of the four scales, finest first.
        base_depth: Bottlenecks of the outer scales; the inner two have twice as many.

    Raises:
        ValueError: Sizes that cannot be halved as often as the network does, or below one.
    """

    version: Literal[1, 2] = 2
    num_hyperedges: int = 32
    num_heads: int = 8
    num_high_order: int = 2
    num_low_order: int = 1
    base_channels: int = 64
    dims: tuple[int, int, int, int] = (256, 384, 512, 768)
    base_depth: int = 2

    def __post_init__(self) -> None:
        if self.version not in (1, 2):
            raise ValueError(f"version of the HyperACE head is 1 or 2, got {self.version!r}")
        if len(self.dims) != 4:
            raise ValueError(f"dims are the channels of four scales, got {self.dims}")
        for name in ("num_hyperedges", "num_heads", "num_high_order", "num_low_order", "base_channels", "base_depth"):
            size = getattr(self, name)
            if size < 1:
                raise ValueError(f"{name} is at least 1, got {size}")
        divisors = (self.smallest_share, 2, math.lcm(4, 2 * self.num_heads), 2)
        for scale, (dim, divisor) in enumerate(zip(self.dims, divisors, strict=True)):
            if dim < 1 or dim % divisor:
                raise ValueError(
                    f"dims[{scale}] is a multiple of {divisor} in version {self.version} with "
                    f"num_heads={self.num_heads}, got {dim} in {self.dims}"
                )

    @property
    def smallest_share(self) -> int:
        """How many times fewer channels the last doubling of the frequencies has than the finest scale."""
        return 4 if self.version == 1 else 16

    @property
    def fewest_bands(self) -> int:
        """Bands below which one frame has a single element at the coarsest scale, which nothing can standardise."""
        return 2 if self.version == 1 else 5


class _Branch(nn.Module):
    """From tokens of all bands to masks of all bins; its names are those of the checkpoints."""

    def __init__(self, dim: int, num_bands: int, num_bins: int, audio_channels: int, settings: HyperACESettings):
        super().__init__()
        dims, refined = settings.dims, settings.version == 2
        self.backbone = Backbone(dim, settings.base_channels, dims, settings.base_depth, halve_bands=refined)
        self.hyperace = HyperACE(
            dims,
            num_high_order=settings.num_high_order,
            num_low_order=settings.num_low_order,
            num_hyperedges=settings.num_hyperedges,
            num_heads=settings.num_heads,
        )
        self.decoder = Decoder(dims, dims[2])
        self.upsample_head = UpsampleHead(dims[0], 2 * audio_channels, num_bands, num_bins, with_blocks=refined)

    def forward(self, x: Float[Tensor, "batch dim frame band"]) -> Float[Tensor, "batch part frame bin"]:
        scales = self.backbone(x)
        decoded = self.decoder(scales, self.hyperace(scales))
        frames, bands = x.shape[-2:]
        return self.upsample_head(resize(decoded, (frames, bands)))


class HyperACEMaskEstimator(MaskEstimator):
    """Mask estimator with a second branch that sees all frames and bands at once, by hypergraphs
    :cite:p:`lei2025yolov13`.

    The mask is the sum of both branches'. The second is a pyramid of convolutions over frames and bands, with YOLOv13's
    HyperACE in its middle: BS-RoFormer HyperACE of unwa, whose keys ``segm.…`` it has, 398 in version 1 and 471 in
    version 2. With the same weights, both versions give the output of other implementations, bit for bit on one
    machine. The branch normalises over the whole excerpt, so the masks of a frame depend on all others, and on the
    length.

    Args:
        dim: Features of a token.
        dim_inputs: Output features of each band: 2 (real, imaginary) × channels × bins. The bands are side by side
            from the lowest bin up: the second branch knows nothing of overlaps.
        depth: See :class:`hfbs_model.MaskEstimator`, as for ``mlp_expansion_factor`` and ``activation``.
        mlp_expansion_factor: Likewise.
        activation: Likewise.
        audio_channels: Audio channels that each band holds.
        settings: Sizes of the second branch.

    Raises:
        ValueError: Bands that do not hold whole bins of that many channels, or fewer than two of them (five in version
            2).
    """

    def __init__(
        self,
        dim: int,
        dim_inputs: Sequence[int],
        *,
        depth: int,
        mlp_expansion_factor: int = 4,
        activation: type[nn.Module] = nn.Tanh,
        audio_channels: int,
        settings: HyperACESettings = HyperACESettings(),
    ) -> None:
        super().__init__(dim, dim_inputs, depth=depth, mlp_expansion_factor=mlp_expansion_factor, activation=activation)
        if audio_channels < 1 or any(width % (2 * audio_channels) for width in dim_inputs):
            raise ValueError(
                f"each band holds 2 × audio_channels × bins features, got audio_channels={audio_channels} and "
                f"{tuple(dim_inputs)}; audio_channels is 2 for a stereo model, else 1"
            )
        if len(dim_inputs) < settings.fewest_bands:
            raise ValueError(
                f"version {settings.version} of the HyperACE head takes at least {settings.fewest_bands} bands, "
                f"got {len(dim_inputs)}"
            )
        num_bins = sum(dim_inputs) // (2 * audio_channels)
        self.segm = _Branch(dim, len(dim_inputs), num_bins, audio_channels, settings)

    def forward(self, x: Float[Tensor, "batch frame band dim"]) -> Float[Tensor, "batch frame features"]:
        """Masks of all bands one after the other, as :class:`hfbs_model.MaskEstimator` gives them; any number of
        frames from one up."""
        masks = self.segm(rearrange(x, "b t f d -> b d t f"))
        return super().forward(x) + rearrange(masks, "b part t f -> b t (f part)")


def infer(weights: Mapping[str, Tensor]) -> dict[str, object]:
    """Keywords of :func:`build` that names and shapes tell: all but ``hyperace_num_heads``."""
    backbone, hyperace = "segm.backbone", "segm.hyperace"
    prototypes = shape_of(weights, f"{hyperace}.high_order_branch.0.ahc.adaptive_hyperedge_gen.global_proto")
    return {
        "audio_channels": shape_of(weights, "segm.upsample_head.final_conv.weight")[0] // 2,
        "hyperace_version": 2 if count_of(weights, "segm.upsample_head.block1.out_conv.blocks") else 1,
        "hyperace_num_hyperedges": prototypes[0],
        "hyperace_num_high_order": count_of(weights, f"{hyperace}.high_order_branch"),
        "hyperace_num_low_order": count_of(weights, f"{hyperace}.low_order_branch"),
        "hyperace_base_channels": shape_of(weights, f"{backbone}.stem.pwconv.weight")[0],
        "hyperace_dims": [shape_of(weights, f"{backbone}.p{scale}.0.pwconv.weight")[0] for scale in (2, 3, 4, 5)],
        "hyperace_base_depth": count_of(weights, f"{backbone}.p2.1.m.m"),
    }


def build(
    base: Parts,
    *,
    audio_channels: int,
    hyperace_version: Literal[1, 2],
    hyperace_num_hyperedges: int,
    hyperace_num_heads: int,
    hyperace_num_high_order: int,
    hyperace_num_low_order: int,
    hyperace_base_channels: int,
    hyperace_dims: Sequence[int],
    hyperace_base_depth: int,
) -> Parts:
    """The parts with :class:`HyperACEMaskEstimator` in the mask estimator's place.

    The keywords are ``audio_channels`` and the attributes of :class:`HyperACESettings`; their prefix tells them from
    the separator's, beside which a configuration has them.
    """
    finest, fine, coarse, coarsest = hyperace_dims
    settings = HyperACESettings(
        version=hyperace_version,
        num_hyperedges=hyperace_num_hyperedges,
        num_heads=hyperace_num_heads,
        num_high_order=hyperace_num_high_order,
        num_low_order=hyperace_num_low_order,
        base_channels=hyperace_base_channels,
        dims=(finest, fine, coarse, coarsest),
        base_depth=hyperace_base_depth,
    )
    estimator = partial(HyperACEMaskEstimator, audio_channels=audio_channels, settings=settings)
    parts = replace(base, mask_estimator=estimator)
    return parts.built_by("hyperace", audio_channels=audio_channels, **keywords_of(settings, "hyperace"))


HYPERACE = Variant(infer, build, {"hyperace_num_heads": "8 in every published HyperACE checkpoint"})
""":class:`HyperACEMaskEstimator` for each stem, found by ``mask_estimators.N.segm``."""
