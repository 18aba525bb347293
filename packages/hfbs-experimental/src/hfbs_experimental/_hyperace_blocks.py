"""Convolutions that all stages of the HyperACE branch are made of, each over (batch, channel, frame, band)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def instance_norm(channels: int) -> nn.InstanceNorm2d:
    """Standardise each channel of each example over frames and bands, then scale and shift it by learned numbers.

    It keeps no running statistics: training and evaluation compute the same, and a state dict has no buffers of it.
    """
    return nn.InstanceNorm2d(channels, eps=1e-8, affine=True)


def resize(
    x: Float[Tensor, "batch channel frame band"], size: tuple[int, int]
) -> Float[Tensor, "batch channel resized_frame resized_band"]:
    """Interpolate linearly to ``size`` frames and bands, taking elements as areas (not aligning corners)."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class PointwiseConv(nn.Module):
    """Mix the channels of each element, normalise, SiLU."""

    def __init__(self, dim_in: int, dim_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim_in, dim_out, kernel_size=1, bias=False)
        self.bn = instance_norm(dim_out)

    def forward(self, x: Float[Tensor, "batch dim_in frame band"]) -> Float[Tensor, "batch dim_out frame band"]:
        return F.silu(self.bn(self.conv(x)))


class SeparableConv(nn.Module):
    """Convolve each channel alone (3 × 3), then mix the channels, normalise, SiLU.

    Args:
        dim_in: Channels of the input.
        dim_out: Channels of the output.
        stride: Frames and bands of the input for one of the output.
    """

    def __init__(self, dim_in: int, dim_out: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim_in, dim_in, kernel_size=3, stride=stride, padding=1, groups=dim_in, bias=False)
        self.pwconv = nn.Conv2d(dim_in, dim_out, kernel_size=1, bias=False)
        self.bn = instance_norm(dim_out)

    def forward(
        self, x: Float[Tensor, "batch dim_in frame band"]
    ) -> Float[Tensor, "batch dim_out strided_frame strided_band"]:
        return F.silu(self.bn(self.pwconv(self.dwconv(x))))


class SeparableBottleneck(nn.Module):
    """Two separable convolutions with a residual sum: YOLOv13's DS-Bottleneck :cite:p:`lei2025yolov13`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dsconv1 = SeparableConv(dim, dim)
        self.dsconv2 = SeparableConv(dim, dim)

    def forward(self, x: Float[Tensor, "batch dim frame band"]) -> Float[Tensor, "batch dim frame band"]:
        return x + self.dsconv2(self.dsconv1(x))


class CrossStage(nn.Module):
    """Bottlenecks beside a bypass, both mixed at the end: YOLOv13's DS-C3k :cite:p:`lei2025yolov13`, as wide inside as
    outside.

    Args:
        dim: Channels.
        depth: Number of bottlenecks.
    """

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        self.cv1 = PointwiseConv(dim, dim)
        self.cv2 = PointwiseConv(dim, dim)
        self.cv3 = PointwiseConv(2 * dim, dim)
        self.m = nn.Sequential(*(SeparableBottleneck(dim) for _ in range(depth)))

    def forward(self, x: Float[Tensor, "batch dim frame band"]) -> Float[Tensor, "batch dim frame band"]:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1))


class NarrowCrossStage(nn.Module):
    """A :class:`CrossStage` of half the output's channels: YOLOv13's DS-C3k2 :cite:p:`lei2025yolov13`.

    Args:
        dim_in: Channels of the input.
        dim_out: Channels of the output, an even number.
        depth: Number of bottlenecks.
    """

    def __init__(self, dim_in: int, dim_out: int, depth: int) -> None:
        super().__init__()
        self.cv1 = PointwiseConv(dim_in, dim_out // 2)
        self.m = CrossStage(dim_out // 2, depth)
        self.cv2 = PointwiseConv(dim_out // 2, dim_out)

    def forward(self, x: Float[Tensor, "batch dim_in frame band"]) -> Float[Tensor, "batch dim_out frame band"]:
        return self.cv2(self.m(self.cv1(x)))
