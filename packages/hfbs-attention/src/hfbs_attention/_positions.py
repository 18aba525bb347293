"""Positions of a sequence given to queries and keys: RoPE, which turns pairs of features, and PoPE, which turns
magnitudes.

The embedding modules of rotary-embedding-torch and PoPE-pytorch hold the parameters, under the keys that checkpoints
have. The angles are computed here, in float32 whatever the rest runs in: in half precision, positions beyond 2,048 are
not even representable.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Complex, Float
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor

from ._types import PoPE


def frequencies_of(embed: RotaryEmbedding | PoPE) -> Float[Tensor, " frequency"]:
    """The embedding's own tensor of angles in radians that one position more adds."""
    return embed.freqs if isinstance(embed, RotaryEmbedding) else embed.get_buffer("inv_freqs")


def positions_times(frequencies: Float[Tensor, " frequency"], length: int) -> Float[Tensor, "position frequency"]:
    """Angles in radians of positions 0 to ``length - 1`` at each frequency (radians a position), at least float32."""
    frequencies = frequencies.to(torch.promote_types(frequencies.dtype, torch.float32))
    positions = torch.arange(length, device=frequencies.device, dtype=frequencies.dtype)
    return torch.outer(positions, frequencies)


def rotate_pairs(
    x: Float[Tensor, "*batch position features"],
    cos: Float[Tensor, "position pair"],
    sin: Float[Tensor, "position pair"],
) -> Float[Tensor, "*batch position features"]:
    """Turn the features (2i, 2i + 1) by the i-th angle of their position, of which cosine and sine are given
    :cite:p:`su2021roformer`."""
    pairs = rearrange(x.to(cos.dtype), "... (pair two) -> ... pair two", two=2)
    if torch.compiler.is_compiling():  # which has no code for complex numbers, and fuses the real ones
        even, odd = pairs.unbind(-1)
        turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1)
    else:
        turned = torch.view_as_real(as_complex(pairs) * torch.complex(cos, sin))
    return turned.flatten(start_dim=-2).to(x.dtype)


def as_complex(pairs: Float[Tensor, "*batch two"]) -> Complex[Tensor, "*batch"]:
    """Pairs as complex numbers, without a copy where they lie in memory as those do."""
    in_place = pairs.stride(-1) == 1 and all(step % 2 == 0 for step in (*pairs.stride()[:-1], pairs.storage_offset()))
    return torch.view_as_complex(pairs if in_place else pairs.clone(memory_format=torch.contiguous_format))


def with_rotary(
    embed: RotaryEmbedding, q: Float[Tensor, "*batch position features"], k: Float[Tensor, "*batch position features"]
) -> tuple[Float[Tensor, "*batch position features"], Float[Tensor, "*batch position features"]]:
    """Queries and keys turned by position, so that products depend on the distance :cite:p:`su2021roformer`."""
    angles = positions_times(frequencies_of(embed), q.shape[-2]) / embed.interpolate_factor
    cos, sin = angles.cos(), angles.sin()  # several at once, where PyTorch's polar goes one by one
    return rotate_pairs(q, cos, sin), rotate_pairs(k, cos, sin)


def clamp(x: Float[Tensor, "*shape"], low: float, high: float) -> Float[Tensor, "*shape"]:
    """Clamp as torch does, but with gradients at the bounds: offsets start at one, and without would never leave it."""
    return torch.where((x >= low) & (x <= high), x, x.detach().clamp(low, high))


def with_pope(
    embed: PoPE, q: Float[Tensor, "*batch position features"], k: Float[Tensor, "*batch position features"]
) -> tuple[Float[Tensor, "*batch position doubled"], Float[Tensor, "*batch position doubled"]]:
    """Queries and keys as polar coordinates: softplus gives the radius, the position the angle
    :cite:p:`gopalakrishnan2025pope`.

    Each feature becomes two, so the result is twice as wide; the keys' angles have a learned offset in [−2π, 0].
    """
    angles = positions_times(frequencies_of(embed), q.shape[-2])
    offset = clamp(rearrange(embed.bias.to(angles.dtype), "head feature -> head 1 feature"), -2.0 * torch.pi, 0.0)
    return polar(q, angles), polar(k, angles + offset)


def polar(
    x: Float[Tensor, "*batch position features"], angles: Float[Tensor, "*#batch position features"]
) -> Float[Tensor, "*batch position doubled"]:
    """Cartesian coordinates, interleaved, of points with radius softplus(x) at the given angles."""
    radius = F.softplus(x.to(angles.dtype))
    points = torch.stack((radius * angles.cos(), radius * angles.sin()), dim=-1)
    return points.flatten(start_dim=-2).to(x.dtype)
