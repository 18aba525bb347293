"""The FNO mask head: a Fourier neural operator along time for each band, in place of its small network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from hfbs_model import Parts, Variant

from ._mask_keys import count_of, keywords_of, shape_of

# torch.fft has no types.
_rfft = cast("Callable[..., Tensor]", torch.fft.rfft)  # pyright: ignore[reportUnknownMemberType]
_irfft = cast("Callable[..., Tensor]", torch.fft.irfft)  # pyright: ignore[reportUnknownMemberType]


@dataclass(frozen=True)
class FNOSettings:
    """Sizes of the operators; the defaults are those of the published checkpoint.

    Attributes:
        num_modes: Fourier modes along time that are kept, the constant one with them.
        num_blocks: Fourier layers.
        lifting_ratio: Hidden features before and after the Fourier layers as a multiple of ``dim``.
        mlp_ratio: Hidden features within a Fourier layer as a multiple of ``dim``.
    """

    num_modes: int = 33
    num_blocks: int = 3
    lifting_ratio: float = 2.0
    mlp_ratio: float = 0.5

    def __post_init__(self) -> None:
        for name in ("num_modes", "num_blocks"):
            size = getattr(self, name)
            if size < 1:
                raise ValueError(f"{name} is at least 1, got {size}")


class _DenseTensor(nn.Module):
    """A complex parameter under the name that checkpoints have."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.tensor = nn.Parameter(torch.randn(*shape, dtype=torch.complex64) / shape[0])


class _SpectralConv(nn.Module):
    """Multiply the lowest Fourier modes of each channel by learned complex numbers, and set the others to zero."""

    def __init__(self, dim: int, num_modes: int) -> None:
        super().__init__()
        self.weight = _DenseTensor(dim, num_modes)
        self.bias = nn.Parameter(torch.zeros(dim, 1))

    def forward(self, x: Float[Tensor, "batch dim frame"]) -> Float[Tensor, "batch dim frame"]:
        spectrum = _rfft(x.float(), norm="forward")
        kept = min(spectrum.shape[-1], self.weight.tensor.shape[-1])
        product = spectrum[..., :kept] * self.weight.tensor[..., :kept]
        parts = torch.view_as_real(product)
        # A real signal has nothing imaginary at 0 and at half the rate. A processor's inverse ignores what there is;
        # cuFFT's does not where it transforms several signals at once.
        parts[..., 0, 1] = 0.0
        if 2 * (kept - 1) == x.shape[-1]:
            parts[..., -1, 1] = 0.0
        return _irfft(product, n=x.shape[-1], norm="forward").to(x.dtype) + self.bias


class _PointwiseMLP(nn.Module):
    """Two layers over the channels of each frame, with GELU between."""

    def __init__(self, dim_in: int, dim_hidden: int, dim_out: int) -> None:
        super().__init__()
        self.fcs = nn.ModuleList([nn.Conv1d(dim_in, dim_hidden, 1), nn.Conv1d(dim_hidden, dim_out, 1)])

    def forward(self, x: Float[Tensor, "batch dim_in frame"]) -> Float[Tensor, "batch dim_out frame"]:
        first, second = self.fcs
        return second(F.gelu(first(x)))


class _PointwiseSkip(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(dim, dim, 1, bias=False)

    def forward(self, x: Float[Tensor, "batch dim frame"]) -> Float[Tensor, "batch dim frame"]:
        return self.conv(x)


class _SoftGate(nn.Module):
    """Multiply each channel by a learned number."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dim, 1))

    def forward(self, x: Float[Tensor, "batch dim frame"]) -> Float[Tensor, "batch dim frame"]:
        return x * self.weight


class _Blocks(nn.Module):
    """Fourier layers, each with a pointwise network and two skips, held in lists as checkpoints have them."""

    def __init__(self, dim: int, settings: FNOSettings) -> None:
        super().__init__()
        hidden, indices = round(dim * settings.mlp_ratio), range(settings.num_blocks)
        self.convs = nn.ModuleList(_SpectralConv(dim, settings.num_modes) for _ in indices)
        self.fno_skips = nn.ModuleList(_PointwiseSkip(dim) for _ in indices)
        self.channel_mlp = nn.ModuleList(_PointwiseMLP(dim, hidden, dim) for _ in indices)
        self.channel_mlp_skips = nn.ModuleList(_SoftGate(dim) for _ in indices)

    def forward(self, x: Float[Tensor, "batch dim frame"]) -> Float[Tensor, "batch dim frame"]:
        layers = list(zip(self.convs, self.fno_skips, self.channel_mlp, self.channel_mlp_skips, strict=True))
        for index, (conv, skip, mlp, gate) in enumerate(layers, start=1):
            last = index == len(layers)
            y = conv(x) + skip(x)
            y = mlp(y if last else F.gelu(y)) + gate(x)
            x = y if last else F.gelu(y)
        return x


class FourierOperator(nn.Module):
    """A Fourier neural operator along time :cite:p:`li2021fourierneuraloperator`, separable: each channel's modes are
    scaled alone.

    Args:
        dim: Channels of the input.
        dim_out: Channels of the output.
        settings: Sizes.

    Raises:
        ValueError: A ratio that leaves no hidden feature.
    """

    def __init__(self, dim: int, dim_out: int, settings: FNOSettings) -> None:
        super().__init__()
        for name in ("lifting_ratio", "mlp_ratio"):
            if round(dim * getattr(settings, name)) < 1:
                raise ValueError(f"{name} × dim is at least one feature, got {getattr(settings, name)} × {dim}")
        hidden = round(dim * settings.lifting_ratio)
        self.fno_blocks = _Blocks(dim, settings)
        self.lifting = _PointwiseMLP(dim + 1, hidden, dim)
        self.projection = _PointwiseMLP(dim, hidden, dim_out)

    def forward(self, x: Float[Tensor, "batch dim frame"]) -> Float[Tensor, "batch dim_out frame"]:
        frames = x.shape[-1]
        positions = torch.arange(frames, device=x.device, dtype=torch.float32) / frames
        positions = positions.to(x.dtype).expand(x.shape[0], 1, frames)
        return self.projection(self.fno_blocks(self.lifting(torch.cat((x, positions), dim=1))))


class FNOMaskEstimator(nn.Module):
    """Mask estimator with a Fourier neural operator per band :cite:p:`li2021fourierneuraloperator`, which sees all
    frames, gated :cite:p:`dauphin2017glu`.

    It is the head of unwa's BS-RoFormer FNO and has its keys: ``to_freqs.{band}.0.fno_blocks.…``. The operator gives
    the output of neuraloperator 2.0 within 1e-6; how the head puts operators together is by key, shape and published
    descriptions only. Choose half precision by autocast: converting the module's ``dtype`` makes its complex weights
    real.

    Args:
        dim: Features of a token.
        dim_inputs: Output features of each band: 2 (real, imaginary) × channels × bins.
        depth: Taken since separators give it; the operators have no hidden layers but those in ``settings``.
        mlp_expansion_factor: Likewise.
        settings: Sizes of the operators.
    """

    def __init__(
        self,
        dim: int,
        dim_inputs: Sequence[int],
        *,
        depth: int = 1,  # noqa: ARG002
        mlp_expansion_factor: int = 4,  # noqa: ARG002
        settings: FNOSettings = FNOSettings(),
    ) -> None:
        super().__init__()
        self.dim_inputs = tuple(dim_inputs)
        self.to_freqs = nn.ModuleList(
            nn.Sequential(FourierOperator(dim, 2 * width, settings), nn.GLU(dim=-2)) for width in dim_inputs
        )

    def forward(self, x: Float[Tensor, "batch frame band dim"]) -> Float[Tensor, "batch frame features"]:
        """Masks of all bands one after the other, as :class:`hfbs_model.MaskEstimator` gives them."""
        tokens = rearrange(x, "b t f d -> b f d t").unbind(1)
        masks = [operator(token) for operator, token in zip(self.to_freqs, tokens, strict=True)]
        return rearrange(torch.cat(masks, dim=1), "b features t -> b t features")


def infer(weights: Mapping[str, Tensor]) -> dict[str, object]:
    """Keywords of :func:`build`; names and shapes tell them all, ratios but for rounding.

    Raises:
        ValueError: Operators of another generation of neuraloperator, or ones that mix channels in the spectrum.
    """
    operator = "to_freqs.0.0"
    modes = shape_of(weights, f"{operator}.fno_blocks.convs.0.weight.tensor")
    if len(modes) != 2:
        raise ValueError(
            f"the fno head has one complex number per channel and mode, got spectral weights of shape {modes}; "
            "operators with separable=False are not supported"
        )
    dim = modes[0]
    return {
        "fno_num_modes": modes[1],
        "fno_num_blocks": count_of(weights, f"{operator}.fno_blocks.convs"),
        "fno_lifting_ratio": shape_of(weights, f"{operator}.lifting.fcs.0.weight")[0] / dim,
        "fno_mlp_ratio": shape_of(weights, f"{operator}.fno_blocks.channel_mlp.0.fcs.0.weight")[0] / dim,
    }


def build(
    base: Parts, *, fno_num_modes: int, fno_num_blocks: int, fno_lifting_ratio: float, fno_mlp_ratio: float
) -> Parts:
    """The parts with :class:`FNOMaskEstimator` in the mask estimator's place; the keywords are the attributes of
    :class:`FNOSettings`."""
    settings = FNOSettings(
        num_modes=fno_num_modes,
        num_blocks=fno_num_blocks,
        lifting_ratio=fno_lifting_ratio,
        mlp_ratio=fno_mlp_ratio,
    )
    parts = replace(base, mask_estimator=partial(FNOMaskEstimator, settings=settings))
    return parts.built_by("fno", **keywords_of(settings, "fno"))


FNO = Variant(infer, build)
""":class:`FNOMaskEstimator` for each stem, found by ``fno_blocks``."""
