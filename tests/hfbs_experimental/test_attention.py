"""Attention with biases and with lucidrains' mix of values, against its formula; what contradicts itself is refused."""

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PoPE_pytorch import PoPE
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor

import hfbs_attention
from hfbs_experimental.attend import Attention, LinearAttention

from .conftest import away_from_start

DIM, HEADS, DIM_HEAD = 12, 2, 4
SEEDS = st.integers(0, 2**32 - 1)


def positions(kind: str) -> dict[str, Any]:
    return {
        "rope": {"rotary_embed": RotaryEmbedding(DIM_HEAD)},
        "pope": {"pope_embed": PoPE(DIM_HEAD, heads=HEADS)},
        "none": {},
    }[kind]


def attention(kind: str = "none", **keywords: Any) -> Attention:
    return away_from_start(Attention(DIM, DIM_HEAD, HEADS, **positions(kind), **keywords))


@settings(max_examples=30)
@given(seed=SEEDS, kind=st.sampled_from(["rope", "pope", "none"]), mix=st.sampled_from([None, "fixed", "learned"]))
def test_without_its_additions_it_is_the_stable_attention(seed: int, kind: str, mix: Any) -> None:
    torch.manual_seed(seed)
    ours = attention(kind, value_mix=mix)
    stable = hfbs_attention.Attention(DIM, DIM_HEAD, HEADS, **positions(kind), value_mix=mix)
    stable.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, DIM)
    residual = None if mix is None else torch.randn(2, HEADS, 5, DIM_HEAD)
    results = [block(x, residual, return_values=True) for block in (ours, stable)]
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_biases_start_at_zero_where_they_change_nothing() -> None:
    torch.manual_seed(0)
    plain = Attention(DIM, DIM_HEAD, HEADS)
    biased = Attention(DIM, DIM_HEAD, HEADS, bias=True)
    assert biased.state_dict().keys() - plain.state_dict().keys() == {"to_qkv.bias", "to_out.0.bias"}
    biased.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(2, 5, DIM)
    torch.testing.assert_close(biased(x), plain(x))


@settings(max_examples=30)
@given(seed=SEEDS)
def test_biases_are_added_to_queries_keys_values_and_output(seed: int) -> None:
    torch.manual_seed(seed)
    block = attention(bias=True)
    x = torch.randn(2, 5, DIM)
    normed = block.norm(x)
    q, k, v = (
        F.linear(normed, weight, bias).unflatten(-1, (HEADS, DIM_HEAD)).transpose(1, 2)
        for weight, bias in zip(block.to_qkv.weight.chunk(3), block.to_qkv.bias.chunk(3), strict=True)
    )
    attended = (q @ k.transpose(-1, -2) * DIM_HEAD**-0.5).softmax(dim=-1) @ v
    gated = attended * block.to_gates(normed).transpose(1, 2).unsqueeze(-1).sigmoid()
    last = block.to_out[0]
    assert isinstance(last, torch.nn.Linear)
    expected = F.linear(gated.transpose(1, 2).flatten(-2), last.weight, last.bias)
    out, values = block(x, return_values=True)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(values, v)


@settings(max_examples=30)
@given(seed=SEEDS, kind=st.sampled_from(["rope", "pope", "none"]), bias=st.booleans())
def test_the_swapped_mix_goes_from_the_values_to_the_gate_by_the_residual(seed: int, kind: str, bias: bool) -> None:
    torch.manual_seed(seed)
    swapped = attention(kind, bias=bias, value_mix="learned", swapped_value_mix=True)
    x, residual = torch.randn(2, 5, DIM), torch.randn(2, HEADS, 5, DIM_HEAD)

    mix = swapped.learned_value_residual_mix
    assert mix is not None
    gate = mix[0](swapped.norm(x)).sigmoid().transpose(1, 2).unsqueeze(-1)
    plain = attention(kind, bias=bias)
    plain.load_state_dict(
        {name: value for name, value in swapped.state_dict().items() if "learned_value_residual_mix" not in name}
    )
    _, own = plain(x, return_values=True)
    mixed = own + residual * (gate - own)

    # The stable mix, learned to take the residual as a whole, takes what has been mixed above.
    taker = attention(kind, bias=bias, value_mix="learned")
    taker.load_state_dict(plain.state_dict(), strict=False)
    assert taker.to_value_residual_mix is not None
    taker.to_value_residual_mix.bias.data.fill_(100.0)
    out, values = swapped(x, residual, return_values=True)
    torch.testing.assert_close(out, taker(x, mixed))
    torch.testing.assert_close(values, own)
    assert {"learned_value_residual_mix.0.weight", "learned_value_residual_mix.0.bias"} <= swapped.state_dict().keys()


@settings(max_examples=30)
@given(seed=SEEDS)
def test_linear_attention_weights_the_residual_by_its_gate(seed: int) -> None:
    torch.manual_seed(seed)
    block = away_from_start(LinearAttention(DIM, DIM_HEAD, HEADS, mix_values=True))
    x, residual = torch.randn(2, 5, DIM), torch.randn(2, HEADS, DIM_HEAD, 5)
    normed = block.norm(x)
    q, k, own = block.to_qkv(normed)
    assert block.learned_value_residual_mix is not None
    gate = block.learned_value_residual_mix[0](normed).sigmoid().transpose(1, 2).unsqueeze(-2)
    mixed = own + gate * (residual - own)
    q, k = F.normalize(q, dim=-1) * block.temperature.exp(), F.normalize(k, dim=-1)
    attended = (q @ k.transpose(-1, -2) * 8.0).softmax(dim=-1) @ mixed
    out, values = block(x, residual, return_values=True)
    torch.testing.assert_close(out, block.to_out(attended))
    torch.testing.assert_close(values, own)


def test_linear_attention_without_a_mix_is_the_stable_one() -> None:
    torch.manual_seed(0)
    ours = away_from_start(LinearAttention(DIM, DIM_HEAD, HEADS))
    stable = hfbs_attention.LinearAttention(DIM, DIM_HEAD, HEADS)
    stable.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, DIM)
    torch.testing.assert_close(ours(x), stable(x))


def test_every_parameter_of_mixing_attention_learns() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, DIM)
    blocks: list[tuple[torch.nn.Module, Tensor]] = [
        (attention(bias=True, value_mix="learned", swapped_value_mix=True), torch.randn(2, HEADS, 5, DIM_HEAD)),
        (away_from_start(LinearAttention(DIM, DIM_HEAD, HEADS, mix_values=True)), torch.randn(2, HEADS, DIM_HEAD, 5)),
    ]
    for block, residual in blocks:
        block(x, residual).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())


@pytest.mark.usefixtures("as_users_run")
def test_refuses_a_swapped_mix_that_is_not_learned() -> None:
    for mix in (None, "fixed"):
        message = f"swapped_value_mix=True is a way of value_mix='learned', got value_mix={mix!r}"
        with pytest.raises(ValueError, match=re.escape(message)):
            Attention(DIM, DIM_HEAD, HEADS, value_mix=mix, swapped_value_mix=True)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_silence_is_finite_in_half_precision(half: torch.dtype) -> None:
    torch.manual_seed(0)
    block = away_from_start(LinearAttention(DIM, DIM_HEAD, HEADS, mix_values=True)).to(half)
    swapped = attention("rope", value_mix="learned", swapped_value_mix=True).to(half)
    silence = torch.zeros(2, 5, DIM, dtype=half)
    assert block(silence, torch.zeros(2, HEADS, DIM_HEAD, 5, dtype=half)).isfinite().all()
    assert swapped(silence, torch.zeros(2, HEADS, 5, DIM_HEAD, dtype=half)).isfinite().all()


@pytest.mark.usefixtures("as_users_run")
def test_values_are_given_if_and_only_if_they_are_mixed() -> None:
    x, values = torch.randn(1, 3, DIM), torch.randn(1, HEADS, DIM_HEAD, 3)
    with pytest.raises(ValueError, match="if and only if it was built with mix_values=True, got one"):
        LinearAttention(DIM, DIM_HEAD, HEADS)(x, values)
    with pytest.raises(ValueError, match="if and only if it was built with mix_values=True, got none"):
        LinearAttention(DIM, DIM_HEAD, HEADS, mix_values=True)(x)
    with pytest.raises(ValueError, match="value_mix='learned' needs the first layer's values; pass value_residual"):
        Attention(DIM, DIM_HEAD, HEADS, value_mix="learned", swapped_value_mix=True)(x)
    with pytest.raises(ValueError, match="value_residual was given to an Attention that mixes none"):
        Attention(DIM, DIM_HEAD, HEADS)(x, values.transpose(-1, -2))
