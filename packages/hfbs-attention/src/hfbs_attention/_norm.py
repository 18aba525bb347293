"""Root-mean-square normalisation as the published band-split checkpoints mean it."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def l2_normalize(x: Float[Tensor, "... features"]) -> Float[Tensor, "... features"]:
    """Divide by the Euclidean norm of the last axis, which is taken as at least 1e-12.

    The norm is computed in float32 where ``x`` is in half precision: 1e-12 is zero in float16, and silence would become
    NaN.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    return F.normalize(x.to(wide), dim=-1).to(x.dtype)


class RMSNorm(nn.Module):
    r"""Scale each vector to norm :math:`\sqrt{d}`, then each feature by a learned gain :cite:p:`zhang2019rmsnorm`.

    This is :math:`x / \max(\lVert x \rVert_2, 10^{-12}) \cdot \sqrt{d} \cdot \gamma`. :class:`torch.nn.RMSNorm` adds
    its epsilon below the root instead and differs by up to 70 % in quiet bands, so it does not reproduce published
    weights.

    Args:
        dim: Number of features :math:`d` of the last axis.

    Raises:
        ValueError: The input's last axis has another number of features.

    Example:
        >>> RMSNorm(dim=4)(torch.tensor([3.0, 0.0, 4.0, 0.0])).detach()
        tensor([1.2000, 0.0000, 1.6000, 0.0000])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = dim**0.5
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        """Return ``x`` normalised, (…, dim), in the precision of ``x``."""
        if x.shape[-1] != self.gamma.numel():
            raise ValueError(f"RMSNorm(dim={self.gamma.numel()}) takes that many features, got {x.shape[-1]}")
        wide = torch.promote_types(x.dtype, torch.float32)
        linalg: Any = torch.linalg  # which has no types
        norm = cast("Tensor", linalg.vector_norm(x.to(wide), dim=-1, keepdim=True))
        return (x * (self.scale / norm.clamp_min(1e-12)) * self.gamma).to(x.dtype)
