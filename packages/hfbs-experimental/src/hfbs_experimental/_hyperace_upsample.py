"""From bands to bins: the last part of the HyperACE branch, in its two published versions."""

from itertools import pairwise

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ._hyperace_blocks import SeparableConv, instance_norm, resize

_BOTTLENECK = 4
_DEPTH = 2


def _norm_and_silu(channels: int) -> tuple[nn.Module, nn.Module]:
    return instance_norm(channels), nn.SiLU()


class TimeFrequencyBlock(nn.Module):
    """Convolutions over time and frequency around a bottleneck over the whole frequency axis, with residual sums.

    Args:
        dim: Channels.
        num_frequencies: Length of the frequency axis.
    """

    def __init__(self, dim: int, num_frequencies: int) -> None:
        super().__init__()
        narrow = num_frequencies // _BOTTLENECK
        self.tfc1 = nn.Sequential(*_norm_and_silu(dim), nn.Conv2d(dim, dim, kernel_size=3, padding=1, bias=False))
        self.tdf = nn.Sequential(
            *_norm_and_silu(dim),
            nn.Linear(num_frequencies, narrow, bias=False),
            *_norm_and_silu(dim),
            nn.Linear(narrow, num_frequencies, bias=False),
        )
        self.tfc2 = nn.Sequential(*_norm_and_silu(dim), nn.Conv2d(dim, dim, kernel_size=3, padding=1, bias=False))
        self.shortcut = nn.Conv2d(dim, dim, kernel_size=1, bias=False)

    def forward(self, x: Float[Tensor, "batch dim frame frequency"]) -> Float[Tensor, "batch dim frame frequency"]:
        y = self.tfc1(x)
        return self.tfc2(y + self.tdf(y)) + self.shortcut(x)


class TimeFrequencyBlocks(nn.Module):
    """Two :class:`TimeFrequencyBlock`, one after the other."""

    def __init__(self, dim: int, num_frequencies: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(TimeFrequencyBlock(dim, num_frequencies) for _ in range(_DEPTH))

    def forward(self, x: Float[Tensor, "batch dim frame frequency"]) -> Float[Tensor, "batch dim frame frequency"]:
        for block in self.blocks:
            x = block(x)
        return x


class FrequencyShuffle(nn.Module):
    """Twice as many frequencies: of each pair of channels, one becomes the even and one the odd frequencies.

    Args:
        dim_in: Channels of the input.
        dim_out: Channels of the output.
        num_frequencies: Frequencies of the output, for the blocks after it; None for no blocks.
    """

    def __init__(self, dim_in: int, dim_out: int, num_frequencies: int | None) -> None:
        super().__init__()
        self.conv = SeparableConv(dim_in, 2 * dim_out)
        # An identity has no keys.
        self.out_conv = nn.Identity() if num_frequencies is None else TimeFrequencyBlocks(dim_out, num_frequencies)

    def forward(
        self, x: Float[Tensor, "batch dim_in frame frequency"]
    ) -> Float[Tensor, "batch dim_out frame doubled_frequency"]:
        return self.out_conv(rearrange(self.conv(x), "b (c two) t f -> b c t (f two)", two=2))


class UpsampleHead(nn.Module):
    """From features of bands to what each bin of each audio channel is multiplied by.

    Four doublings of the frequency axis, then interpolation to the bins.

    Args:
        dim: Channels of the input, a multiple of 16 (version 2) or 4 (version 1).
        dim_out: Channels of the output.
        num_bands: Length of the frequency axis of the input.
        num_bins: Length of that of the output.
        with_blocks: Version 2: halve the channels each time, and refine by :class:`TimeFrequencyBlocks`.
    """

    def __init__(self, dim: int, dim_out: int, num_bands: int, num_bins: int, *, with_blocks: bool) -> None:
        super().__init__()
        self.num_bins = num_bins
        shares = (1, 2, 4, 8, 16) if with_blocks else (1, 1, 2, 2, 4)
        for index, (before, after) in enumerate(pairwise(shares), start=1):
            frequencies = num_bands * 2**index if with_blocks else None
            self.add_module(f"block{index}", FrequencyShuffle(dim // before, dim // after, frequencies))
        size = 3 if with_blocks else 1
        self.final_conv = nn.Conv2d(dim // shares[-1], dim_out, kernel_size=size, padding=size // 2, bias=False)

    def forward(self, x: Float[Tensor, "batch dim frame band"]) -> Float[Tensor, "batch dim_out frame bin"]:
        for index in range(1, 5):
            x = self.get_submodule(f"block{index}")(x)
        return self.final_conv(resize(x, (x.shape[-2], self.num_bins)))
