"""torch.compile takes every kind of transformer as one graph, which gives what eager execution gives."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from PoPE_pytorch import PoPE
from rotary_embedding_torch import RotaryEmbedding

from hfbs_attention import Transformer

KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "rope": lambda: {"rotary_embed": RotaryEmbedding(4)},
    "pope": lambda: {"pope_embed": PoPE(4, heads=2)},
    "learned mix": lambda: {"value_mix": "learned"},
    "linear": lambda: {"linear_attn": True},
}


@pytest.mark.compiled
@pytest.mark.parametrize("kind", KINDS)
def test_one_graph_gives_what_eager_execution_gives(kind: str) -> None:
    torch.compiler.reset()
    torch.manual_seed(0)
    transformer = Transformer(dim=6, depth=1, dim_head=4, heads=2, **KINDS[kind]())
    x = torch.randn(2, 5, 6)
    residual = torch.randn(2, 2, 5, 4) if kind.endswith("mix") else None
    # Whether the graph is whole does not depend on the compiler behind it, and this one needs no C++.
    compiled = torch.compile(transformer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, residual), transformer(x, residual))
