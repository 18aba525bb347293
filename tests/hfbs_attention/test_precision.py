"""Half precision, by casting the module or by autocast, stays within a tolerance of float32, however long the sequence.

The tolerance is of the whole output, ‖half − single‖ / ‖single‖: 0.5 % for float16, 3 % for bfloat16, which has three
bits less.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from PoPE_pytorch import PoPE
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor

from hfbs_attention import Attend, Transformer

DIM, HEADS, DIM_HEAD = 48, 4, 16
TOLERANCES = {torch.float16: 0.005, torch.bfloat16: 0.03}
KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "rope": lambda: {"rotary_embed": RotaryEmbedding(DIM_HEAD)},
    "pope": lambda: {"pope_embed": PoPE(DIM_HEAD, heads=HEADS)},
    "fixed mix": lambda: {"value_mix": "fixed"},
    "learned mix": lambda: {"value_mix": "learned"},
    "linear": lambda: {"linear_attn": True},
}


def case(kind: str, length: int) -> tuple[Transformer, Tensor, Tensor | None]:
    torch.manual_seed(0)
    transformer = Transformer(dim=DIM, depth=2, dim_head=DIM_HEAD, heads=HEADS, **KINDS[kind]())
    for name, parameter in transformer.named_parameters():
        if "to_qkv" in name:
            # Sharp attention, as trained models have it: else the average over all positions hides their errors.
            parameter.data.mul_(4.0)
    residual = torch.randn(1, HEADS, length, DIM_HEAD) if kind.endswith("mix") else None
    return transformer, torch.randn(1, length, DIM), residual


def relative(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


@torch.no_grad()
@pytest.mark.parametrize("length", [7, 1500])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_cast_module_stays_near_float32(kind: str, dtype: torch.dtype, length: int) -> None:
    transformer, x, residual = case(kind, length)
    half = copy.deepcopy(transformer).to(dtype)(x.to(dtype), None if residual is None else residual.to(dtype))
    assert half.dtype == dtype
    assert relative(half, transformer(x, residual)) < TOLERANCES[dtype]


@pytest.mark.parametrize("flash", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_autocast_stays_near_float32_and_trains(kind: str, flash: bool) -> None:
    transformer, x, residual = case(kind, 600)
    for module in transformer.modules():
        if isinstance(module, Attend):
            module.flash = flash
    with torch.autocast("cpu", torch.bfloat16):
        cast = transformer(x, residual)
    assert relative(cast.detach(), transformer(x, residual).detach()) < TOLERANCES[torch.bfloat16]
    cast.float().square().mean().backward()
    for name, parameter in transformer.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


@torch.no_grad()
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("kind", ["rope", "pope", "linear"])
def test_silence_in_half_precision_gives_no_nan(kind: str, dtype: torch.dtype) -> None:
    transformer, x, _ = case(kind, 9)
    assert transformer.to(dtype)(torch.zeros_like(x, dtype=dtype)).isfinite().all()
