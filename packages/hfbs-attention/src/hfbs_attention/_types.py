"""Typed records of keywords, and the words for choices, that travel between constructors."""

from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

from rotary_embedding_torch import RotaryEmbedding
from torch import nn
from torch.nn.attention import SDPBackend

if TYPE_CHECKING:
    from PoPE_pytorch import PoPE as PoPE
else:
    # For checkers of types at run time: importing PoPE_pytorch takes longer than PyTorch, and few models have PoPE.
    PoPE = nn.Module

type ValueMix = Literal["fixed", "learned"] | None
"""How an attention layer mixes the first layer's values into its own: by half, by a learned gate, or not at all."""


class FlashAttentionConfig(NamedTuple):
    """Kernels that :func:`torch.nn.functional.scaled_dot_product_attention` may choose from.

    The order and the names of the first three fields are those of lucidrains' record of that name.
    """

    enable_flash: bool = True
    enable_math: bool = True
    enable_mem_efficient: bool = True
    enable_cudnn: bool = True

    @property
    def backends(self) -> list[SDPBackend]:
        """The enabled kernels as :func:`torch.nn.attention.sdpa_kernel` takes them."""
        kernels = (
            SDPBackend.FLASH_ATTENTION,
            SDPBackend.MATH,
            SDPBackend.EFFICIENT_ATTENTION,
            SDPBackend.CUDNN_ATTENTION,
        )
        return [kernel for kernel, enabled in zip(kernels, self, strict=True) if enabled]


class ParametersAttention(TypedDict):
    """Keywords of :class:`Attention`."""

    dim: int
    dim_head: int
    heads: int
    attn_dropout: float
    rotary_embed: RotaryEmbedding | None
    pope_embed: PoPE | None
    scale: float | None
    flash: bool
    sage_attention: bool


class ParametersTransformer(TypedDict):
    """Keywords of :class:`Transformer` that all transformers of one model share."""

    dim: int
    dim_head: int
    heads: int
    attn_dropout: float
    ff_dropout: float
    ff_mult: float
    norm_output: bool
    flash_attn: bool
    use_torch_checkpoint: bool
