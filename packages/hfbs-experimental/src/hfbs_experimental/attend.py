"""Attention blocks as research variants have them, under the names of :mod:`hfbs_attention`'s."""

from ._attention import Attention as Attention
from ._attention import LinearAttention as LinearAttention
from ._conformer import Conformer as Conformer
from ._transformer import Transformer as Transformer
