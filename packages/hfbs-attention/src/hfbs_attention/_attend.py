"""Scaled dot-product attention: PyTorch's kernels, SageAttention, or spelled out."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import sdpa_kernel

from ._sizes import check_share
from ._types import FlashAttentionConfig


class Attend(nn.Module):
    """Average values by the softmax of scaled query-key products :cite:p:`vaswani2017attention`.

    Args:
        attn_dropout: Share of attention weights dropped in training, in [0, 1).
        scale: Factor of the products; None means 1/√(features of a query).
        flash: True runs PyTorch's fused kernels :cite:p:`dao2022flashattention`, False the explicit path, which is the
            reference.
        sage_attention: Run SageAttention's quantised kernels instead (CUDA, half precision, no dropout, no gradients).
        backends: Which of PyTorch's kernels may be chosen; None leaves the choice to PyTorch.

    Raises:
        ValueError: A dropout outside [0, 1), or a choice that the path taken cannot honour.
        ImportError: SageAttention was asked for and is not installed.
    """

    def __init__(
        self,
        attn_dropout: float = 0.0,
        scale: float | None = None,
        *,
        flash: bool = True,
        sage_attention: bool = False,
        backends: FlashAttentionConfig | None = None,
    ) -> None:
        super().__init__()
        check_share("attn_dropout", attn_dropout)
        if sage_attention and not flash:
            raise ValueError(
                "sage_attention=True runs SageAttention's kernels, flash=False spells attention out, "
                "got flash=False with sage_attention=True; set one of them back"
            )
        if sage_attention and attn_dropout > 0.0:
            raise ValueError(f"SageAttention has no dropout, got attn_dropout={attn_dropout}; set it to 0.0")
        if backends is not None and (sage_attention or not flash):
            raise ValueError("backends chooses between PyTorch's kernels; it needs flash=True and sage_attention=False")
        if backends is not None and not backends.backends:
            raise ValueError("backends enables no kernel; enable at least one, enable_math works everywhere")
        self.attn_dropout = attn_dropout
        self.scale = scale
        self.flash = flash
        self.backends = backends
        self.sage = _sage_kernel() if sage_attention else None

    def forward(
        self,
        q: Float[Tensor, "batch head query features"],
        k: Float[Tensor, "batch head key features"],
        v: Float[Tensor, "batch head key values"],
    ) -> Float[Tensor, "batch head query values"]:
        """Return one average of the values per query, (batch, head, query, values).

        Raises:
            ValueError: SageAttention was asked for and cannot compute this, or would lose its gradients.
        """
        if self.sage is not None:
            return self._by_sage(self.sage, q, k, v)
        if not self.flash:
            return self._explicit(q, k, v)
        dropout = self.attn_dropout if self.training else 0.0
        if self.backends is None:
            return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=self.scale)
        with sdpa_kernel(self.backends.backends):
            return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=self.scale)

    def _explicit(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scale = q.shape[-1] ** -0.5 if self.scale is None else self.scale
        weights = torch.einsum("b h i d, b h j d -> b h i j", q, k).mul(scale).softmax(dim=-1)
        weights = F.dropout(weights, self.attn_dropout, self.training)
        return torch.einsum("b h i j, b h j d -> b h i d", weights, v)

    def _by_sage(self, kernel: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if not q.is_cuda or q.dtype not in (torch.float16, torch.bfloat16):
            raise ValueError(
                f"SageAttention runs on CUDA in float16 or bfloat16, got {q.dtype} on {q.device.type}; "
                "move and cast the model, run it under torch.autocast, or set sage_attention=False"
            )
        if torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad):
            raise ValueError(
                "SageAttention has no backward pass; run the model under torch.no_grad(), or set sage_attention=False"
            )
        return kernel(q, k, v, tensor_layout="HND", is_causal=False, sm_scale=self.scale)


def _sage_kernel() -> Callable[..., Tensor]:
    try:
        return cast("Callable[..., Tensor]", import_module("sageattention").sageattn)
    except ModuleNotFoundError as missing:
        if missing.name != "sageattention":
            raise
        raise ImportError(
            "sage_attention=True needs the package SageAttention, which is not installed: "
            "pip install sageattention, or set sage_attention=False"
        ) from missing
