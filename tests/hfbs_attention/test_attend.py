"""Attend: every path computes softmax(q kᵀ · scale) v."""

import math
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend

from hfbs_attention import Attend, FlashAttentionConfig, Transformer

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 7)
SCALES = st.none() | st.floats(0.01, 10.0)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@given(SEEDS, SIZES, SIZES, SIZES, SIZES, SIZES, SIZES, SCALES)
def test_fused_path_equals_explicit_path_in_values_and_gradients(
    seed: int, batch: int, heads: int, queries: int, keys: int, features: int, values: int, scale: float | None
) -> None:
    torch.manual_seed(seed)
    q, k = drawn(batch, heads, queries, features), drawn(batch, heads, keys, features)
    v = drawn(batch, heads, keys, values)
    explicit, fused = Attend(scale=scale, flash=False)(q, k, v), Attend(scale=scale)(q, k, v)
    torch.testing.assert_close(fused, explicit)
    weights = torch.randn_like(explicit)
    for got, expected in zip(
        torch.autograd.grad(fused, (q, k, v), weights), torch.autograd.grad(explicit, (q, k, v), weights), strict=True
    ):
        torch.testing.assert_close(got, expected)


@given(SEEDS, SIZES, SIZES, SIZES, st.floats(0.01, 10.0))
def test_explicit_path_equals_loops(seed: int, queries: int, keys: int, features: int, scale: float) -> None:
    torch.manual_seed(seed)
    q, k, v = drawn(1, 1, queries, features), drawn(1, 1, keys, features), drawn(1, 1, keys, 3)
    got = Attend(scale=scale, flash=False)(q, k, v)[0, 0].tolist()
    for query, row in zip(q[0, 0].tolist(), got, strict=True):
        scores = [scale * math.fsum(a * b for a, b in zip(query, key, strict=True)) for key in k[0, 0].tolist()]
        weights = [math.exp(score - max(scores)) for score in scores]
        for value, column in zip(row, v[0, 0].mT.tolist(), strict=True):
            average = math.fsum(w * x for w, x in zip(weights, column, strict=True)) / math.fsum(weights)
            assert value == pytest.approx(average, rel=1e-9, abs=1e-9)


@given(SEEDS, st.booleans(), st.booleans(), st.booleans())
def test_choice_of_kernels_leaves_the_result_alone(seed: int, flash: bool, efficient: bool, cudnn: bool) -> None:
    torch.manual_seed(seed)
    q, k, v = drawn(2, 3, 5, 8), drawn(2, 3, 5, 8), drawn(2, 3, 5, 8)
    chosen = FlashAttentionConfig(flash, enable_math=True, enable_mem_efficient=efficient, enable_cudnn=cudnn)
    torch.testing.assert_close(Attend(backends=chosen)(q, k, v), Attend(flash=False)(q, k, v))


@pytest.mark.parametrize(
    ("chosen", "kernels"),
    [
        (FlashAttentionConfig(True, False, False, False), "flash"),
        (FlashAttentionConfig(False, True, False, False), "math"),
        (FlashAttentionConfig(False, False, True, True), "mem_efficient cudnn"),
    ],
)
def test_only_the_chosen_kernels_are_enabled(
    monkeypatch: pytest.MonkeyPatch, chosen: FlashAttentionConfig, kernels: str
) -> None:
    seen: list[str] = []

    def spy(q: Tensor, k: Tensor, v: Tensor, **keywords: Any) -> Tensor:
        for kernel in ("flash", "math", "mem_efficient", "cudnn"):
            if getattr(torch.backends.cuda, f"{kernel}_sdp_enabled")():
                seen.append(kernel)
        return v

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    Attend(backends=chosen)(drawn(1, 1, 2, 2), drawn(1, 1, 2, 2), drawn(1, 1, 2, 2))
    assert seen == kernels.split()


def test_kernels_follow_the_order_of_lucidrains_record() -> None:
    assert FlashAttentionConfig(False, True, False, False).backends == [SDPBackend.MATH]
    assert FlashAttentionConfig(True, False, False, False).backends == [SDPBackend.FLASH_ATTENTION]
    assert FlashAttentionConfig(False, False, True, False).backends == [SDPBackend.EFFICIENT_ATTENTION]
    assert len(FlashAttentionConfig().backends) == 4


@pytest.mark.parametrize("flash", [True, False])
def test_dropout_acts_in_training_only_and_keeps_the_mean(flash: bool) -> None:
    torch.manual_seed(0)
    attend = Attend(0.5, flash=flash)
    zeros, ones = torch.zeros(8, 8, 16, 4), torch.ones(8, 8, 16, 4)
    torch.testing.assert_close(attend.eval()(zeros, zeros, ones), ones)
    trained = attend.train()(zeros, zeros, ones)
    # Sixteen equal weights of 1/16, each dropped or doubled.
    torch.testing.assert_close(trained * 8, (trained * 8).round())
    assert 0.9 < trained.mean() < 1.1
    assert trained.std() > 0.1


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_refuses_a_dropout_that_is_no_share(share: float) -> None:
    with pytest.raises(ValueError, match=rf"attn_dropout is a share in \[0, 1\), got {share}"):
        Attend(share)


def test_refuses_a_choice_of_kernels_that_nothing_would_honour() -> None:
    with pytest.raises(ValueError, match=r"backends chooses between PyTorch's kernels; it needs flash=True"):
        Attend(flash=False, backends=FlashAttentionConfig())
    with pytest.raises(ValueError, match=r"backends enables no kernel; .*enable_math works everywhere"):
        Attend(backends=FlashAttentionConfig(False, False, False, False))
    with pytest.raises(ValueError, match=r"SageAttention has no dropout, got attn_dropout=0.1"):
        Attend(0.1, sage_attention=True)


def test_refuses_to_spell_out_what_sageattention_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"sage_attention=True runs SageAttention's kernels.*got flash=False"):
        Attend(flash=False, sage_attention=True)


def test_missing_sageattention_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sageattention", None)
    with pytest.raises(ImportError, match=r"needs the package SageAttention.*pip install sageattention"):
        Attend(sage_attention=True)


def test_sageattention_that_lacks_a_dependency_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sageattention.py").write_text("import hfbs_no_such_compiler\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sageattention", raising=False)
    with pytest.raises(ModuleNotFoundError, match="No module named 'hfbs_no_such_compiler'"):
        Attend(sage_attention=True)


@pytest.fixture
def sage_calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def sageattn(q: Tensor, k: Tensor, v: Tensor, **keywords: Any) -> Tensor:
        calls.append({"shapes": [tuple(t.shape) for t in (q, k, v)], **keywords})
        return v.detach()

    module = ModuleType("sageattention")
    module.__dict__["sageattn"] = sageattn
    monkeypatch.setitem(sys.modules, "sageattention", module)
    return calls


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [None, 0.25])
def test_sageattention_is_called_with_its_layout_and_scale(
    sage_calls: list[dict[str, Any]], dtype: torch.dtype, scale: float | None
) -> None:
    with FakeTensorMode():
        q = torch.empty(2, 3, 5, 64, device="cuda", dtype=dtype)
        out = Attend(scale=scale, sage_attention=True)(q, q, q)
    assert out.shape == q.shape
    shapes = [(2, 3, 5, 64)] * 3
    assert sage_calls == [{"shapes": shapes, "tensor_layout": "HND", "is_causal": False, "sm_scale": scale}]


def test_a_transformer_hands_every_layer_to_sageattention(sage_calls: list[dict[str, Any]]) -> None:
    transformer = Transformer(dim=8, depth=3, dim_head=16, heads=2, sage_attention=True)
    attends = [module for module in transformer.modules() if isinstance(module, Attend)]
    assert [attend.scale for attend in attends] == [0.25] * 3
    assert {attend.sage for attend in attends} == {import_module("sageattention").sageattn}


def test_sageattention_refuses_what_it_cannot_compute(sage_calls: list[dict[str, Any]]) -> None:
    attend = Attend(sage_attention=True)
    half = torch.zeros(1, 1, 2, 4, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"runs on CUDA in float16 or bfloat16, got torch.float16 on cpu; .*autocast"):
        attend(half, half, half)
    with FakeTensorMode():
        single = torch.empty(1, 1, 2, 4, device="cuda")
        with pytest.raises(ValueError, match=r"got torch.float32 on cuda"):
            attend(single, single, single)
    assert sage_calls == []


def test_sageattention_refuses_to_lose_gradients(sage_calls: list[dict[str, Any]]) -> None:
    """Its kernels have no backward pass: training would go on, with queries, keys and values never learning."""
    with FakeTensorMode():
        q = torch.empty(1, 1, 2, 4, device="cuda", dtype=torch.float16, requires_grad=True)
        with pytest.raises(ValueError, match=r"SageAttention has no backward pass; .*torch.no_grad\(\)"):
            Attend(sage_attention=True)(q, q, q)
    assert sage_calls == []
