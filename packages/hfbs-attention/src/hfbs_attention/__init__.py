"""Attention blocks of band-split rotary transformers, usable without the rest of the workspace.

The data's way through :class:`Transformer`: :class:`RMSNorm` → :class:`Attention` (RoPE or PoPE → :class:`Attend` →
gates) → :class:`RMSNorm` → :class:`FeedForward`, layer by layer. :class:`LinearAttention` may take the place of
:class:`Attention`.
"""

from ._attend import Attend as Attend
from ._attention import Attention as Attention
from ._feedforward import FeedForward as FeedForward
from ._linear_attention import LinearAttention as LinearAttention
from ._norm import RMSNorm as RMSNorm
from ._norm import l2_normalize as l2_normalize
from ._recompute import recomputed as recomputed
from ._transformer import POSITIONS_IN_CACHE as POSITIONS_IN_CACHE
from ._transformer import Transformer as Transformer
from ._types import FlashAttentionConfig as FlashAttentionConfig
from ._types import ParametersAttention as ParametersAttention
from ._types import ParametersTransformer as ParametersTransformer
from ._types import ValueMix as ValueMix
