"""The two sides of the HyperACE branch: down to four scales, and back up with HyperACE's output at each."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ._hyperace_blocks import NarrowCrossStage, PointwiseConv, SeparableConv, resize

type Scales = tuple[Tensor, Tensor, Tensor, Tensor]
"""Features of four scales, finest first, each (batch, channel, frame, band)."""


class Backbone(nn.Module):
    """From tokens to four scales, each of half as many frames as the one before, the first of a quarter.

    Args:
        dim: Features of a token.
        base_channels: Channels after the first halving.
        dims: Channels of the four scales.
        base_depth: Bottlenecks of the outer scales; the inner two have twice as many.
        halve_bands: Halve the bands as well at the two coarsest scales.
    """

    def __init__(
        self, dim: int, base_channels: int, dims: tuple[int, int, int, int], base_depth: int, *, halve_bands: bool
    ) -> None:
        super().__init__()

        def stage(dim_in: int, dim_out: int, depth: int, stride: tuple[int, int]) -> nn.Sequential:
            return nn.Sequential(SeparableConv(dim_in, dim_out, stride), NarrowCrossStage(dim_out, dim_out, depth))

        coarse = (2, 2) if halve_bands else (2, 1)
        self.stem = SeparableConv(dim, base_channels, (2, 1))
        self.p2 = stage(base_channels, dims[0], base_depth, (2, 1))
        self.p3 = stage(dims[0], dims[1], 2 * base_depth, (2, 1))
        self.p4 = stage(dims[1], dims[2], 2 * base_depth, coarse)
        self.p5 = stage(dims[2], dims[3], base_depth, coarse)

    def forward(self, x: Float[Tensor, "batch dim frame band"]) -> Scales:
        p2 = self.p2(self.stem(x))
        p3 = self.p3(p2)
        p4 = self.p4(p3)
        return p2, p3, p4, self.p5(p4)


class GatedFusion(nn.Module):
    """Add enhanced features by a learned share of each channel, none at first: FullPAD's gate
    :cite:p:`lei2025yolov13`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, dim, 1, 1))

    def forward(
        self, x: Float[Tensor, "batch dim frame band"], enhanced: Float[Tensor, "batch dim frame band"]
    ) -> Float[Tensor, "batch dim frame band"]:
        return x + self.gamma * enhanced


class Decoder(nn.Module):
    """Back to the finest scale: the sum of each scale and the coarser ones, with HyperACE's output at every step.

    Args:
        dims: Channels of the four scales, which the decoder keeps.
        dim_enhanced: Channels of HyperACE's output.
    """

    def __init__(self, dims: tuple[int, int, int, int], dim_enhanced: int) -> None:
        super().__init__()
        for scale, dim in enumerate(dims, start=2):
            self.add_module(f"h_to_d{scale}", PointwiseConv(dim_enhanced, dim))
            self.add_module(f"fusion_d{scale}", GatedFusion(dim))
            self.add_module(f"skip_p{scale}", PointwiseConv(dim, dim))
        for scale in (5, 4, 3):
            self.add_module(f"up_d{scale}", NarrowCrossStage(dims[scale - 2], dims[scale - 3], 1))
        self.final_d2 = NarrowCrossStage(dims[0], dims[0], 1)

    def forward(
        self, scales: Scales, enhanced: Float[Tensor, "batch dim_enhanced coarse_frame coarse_band"]
    ) -> Float[Tensor, "batch dim frame band"]:
        """From the four scales and HyperACE's output to one tensor of the finest scale's shape."""

        def fused(scale: int, coarser: Tensor | None) -> Tensor:
            features = scales[scale - 2]
            x = self._run(f"skip_p{scale}", features)
            if coarser is not None:
                x = x + coarser
            return self._run(f"fusion_d{scale}", x, self._run(f"h_to_d{scale}", _like(enhanced, features)))

        x = fused(5, None)
        for scale in (4, 3, 2):
            x = fused(scale, self._run(f"up_d{scale + 1}", _like(x, scales[scale - 2])))
        return self.final_d2(x)

    def _run(self, name: str, *arguments: Tensor) -> Tensor:
        return cast("Tensor", self.get_submodule(name)(*arguments))


def _like(x: Tensor, features: Tensor) -> Tensor:
    frames, bands = features.shape[-2:]
    return resize(x, (frames, bands))
