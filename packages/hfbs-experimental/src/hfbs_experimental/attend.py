"""Attention stacks of research variants: the blocks, under the names of :mod:`hfbs_attention`'s, and each variant as a
:class:`hfbs_model.Variant`."""

from ._attention import Attention as Attention
from ._attention import LinearAttention as LinearAttention
from ._conformer import Conformer as Conformer
from ._connections import Generation as Generation
from ._transformer import Transformer as Transformer
from ._variants import BIASED_ATTENTION as BIASED_ATTENTION
from ._variants import CONFORMER as CONFORMER
from ._variants import HYPER_CONNECTIONS as HYPER_CONNECTIONS
from ._variants import MSST_RESIDUALS as MSST_RESIDUALS
from ._variants import VALUE_RESIDUAL as VALUE_RESIDUAL
