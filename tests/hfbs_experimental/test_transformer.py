"""Transformer: against chains of the hyper-connections library, against the stable one, and its laws."""

import re
from typing import Any

import pytest
import torch
from hyper_connections import HyperConnections, ManifoldConstrainedHyperConnections
from hypothesis import given, settings
from hypothesis import strategies as st
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

import hfbs_attention
from hfbs_attention import FeedForward
from hfbs_experimental.attend import Attention, Transformer

from .conftest import away_from_start

DIM, HEADS, DIM_HEAD = 12, 2, 4
SEEDS = st.integers(0, 2**32 - 1)
GENERATIONS = st.sampled_from(["2024", "manifold"])
ALPHAS = {
    "2024": {
        "static_alpha",
        "dynamic_alpha_fn",
        "dynamic_alpha_scale",
        "static_beta",
        "dynamic_beta_fn",
        "dynamic_beta_scale",
        "norm.gamma",
    },
    "manifold": {
        "static_alpha",
        "dynamic_alpha_fn",
        "pre_branch_scale",
        "residual_scale",
        "static_beta",
        "dynamic_beta_fn",
        "h_post_scale",
        "norm.gamma",
    },
}
ATTENTION = {"norm.gamma", "to_qkv.weight", "to_gates.weight", "to_gates.bias", "to_out.0.weight"}
FEED_FORWARD = {"net.0.gamma", "net.1.weight", "net.1.bias", "net.4.weight", "net.4.bias"}


def built(depth: int = 2, **keywords: Any) -> Transformer:
    return away_from_start(Transformer(dim=DIM, depth=depth, dim_head=DIM_HEAD, heads=HEADS, **keywords))


@settings(max_examples=20)
@given(
    seed=SEEDS,
    streams=st.integers(1, 4),
    fracs=st.sampled_from([1, 2, 3]),
    generation=GENERATIONS,
    iterations=st.integers(1, 4),
    depth=st.integers(1, 2),
)
def test_hyper_connections_are_the_librarys(
    seed: int, streams: int, fracs: int, generation: Any, iterations: int, depth: int
) -> None:
    torch.manual_seed(seed)
    keywords: dict[str, Any] = {"num_residual_streams": streams, "num_residual_fracs": fracs}
    connected = streams > 1 or fracs > 1
    if connected:
        keywords |= {"hyper_connections": generation}
        keywords |= {"sinkhorn_iters": iterations} if generation == "manifold" else {}
    ours = built(depth, norm_output=False, **keywords)

    def wrapped(branch: nn.Module) -> nn.Module:
        if not connected:
            return branch
        if generation == "2024":
            return HyperConnections(streams, dim=DIM, branch=branch, num_fracs=fracs)
        return ManifoldConstrainedHyperConnections(
            streams, dim=DIM, branch=branch, num_fracs=fracs, sinkhorn_iters=iterations
        )

    chain = nn.ModuleList(
        nn.ModuleList([wrapped(Attention(DIM, DIM_HEAD, HEADS)), wrapped(FeedForward(DIM))]) for _ in range(depth)
    )
    chain.load_state_dict({name.removeprefix("layers."): value for name, value in ours.state_dict().items()})
    x = expected = torch.randn(2 * streams, 5, DIM)
    for pair in chain:
        assert isinstance(pair, nn.ModuleList)
        for block in pair:
            expected = block(expected) if connected else block(expected) + expected
    torch.testing.assert_close(ours(x), expected)


@pytest.mark.parametrize("generation", ALPHAS)
def test_keys_are_upstreams(generation: Any) -> None:
    model = Transformer(dim=DIM, depth=1, num_residual_streams=3, hyper_connections=generation, norm_output=True)
    connected = {
        f"layers.0.{part}.{name}"
        for part, branch in ((0, ATTENTION), (1, FEED_FORWARD))
        for name in ALPHAS[generation] | {f"branch.{name}" for name in branch}
    }
    assert model.state_dict().keys() == connected | {"norm.gamma"}
    one = Transformer(dim=DIM, depth=1, num_residual_streams=1, norm_output=False)
    plain = {f"layers.0.{part}.{name}" for part, branch in ((0, ATTENTION), (1, FEED_FORWARD)) for name in branch}
    assert one.state_dict().keys() == plain


def test_shapes_of_the_alphas_tell_generation_and_streams() -> None:
    shapes = {
        generation: built(1, num_residual_streams=3, hyper_connections=generation)
        .state_dict()["layers.0.0.dynamic_alpha_fn"]
        .shape
        for generation in ALPHAS
    }
    assert shapes == {"2024": (DIM, 4), "manifold": (1, DIM, 4)}


@settings(max_examples=20)
@given(seed=SEEDS, mix=st.sampled_from([None, "fixed", "learned"]), linear=st.booleans(), norm_output=st.booleans())
def test_without_its_additions_it_is_the_stable_transformer(
    seed: int, mix: Any, linear: bool, norm_output: bool
) -> None:
    torch.manual_seed(seed)
    keywords: dict[str, Any] = {"norm_output": norm_output}
    keywords |= {"linear_attn": True} if linear else {"value_mix": mix, "rotary_embed": RotaryEmbedding(DIM_HEAD)}
    ours = built(**keywords)
    stable = hfbs_attention.Transformer(dim=DIM, depth=2, dim_head=DIM_HEAD, heads=HEADS, **keywords)
    stable.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, DIM)
    residual = None if mix is None or linear else torch.randn(2, HEADS, 5, DIM_HEAD)
    torch.testing.assert_close(ours(x, residual), stable(x, residual))
    if not linear:
        torch.testing.assert_close(ours(x, residual, return_values=True), stable(x, residual, return_values=True))


@settings(max_examples=15)
@given(seed=SEEDS, streams=st.integers(2, 4), generation=GENERATIONS)
def test_one_batch_element_does_not_see_another(seed: int, streams: int, generation: Any) -> None:
    torch.manual_seed(seed)
    model = built(num_residual_streams=streams, hyper_connections=generation)
    first, second = torch.randn(2, streams, 5, DIM).unbind()
    both = model(torch.cat((first, second)))
    torch.testing.assert_close(both, torch.cat((model(first), model(second))))


@settings(max_examples=10)
@given(seed=SEEDS, streams=st.integers(1, 3), value_mix=st.sampled_from([None, "learned"]))
def test_recomputing_changes_neither_output_nor_gradients(seed: int, streams: int, value_mix: Any) -> None:
    torch.manual_seed(seed)
    plain = built(num_residual_streams=streams, value_mix=value_mix)
    sparing = built(num_residual_streams=streams, value_mix=value_mix, use_torch_checkpoint=True)
    sparing.load_state_dict(plain.state_dict())
    x = torch.randn(2 * streams, 5, DIM)
    residual = None if value_mix is None else torch.randn(2, HEADS, 5, DIM_HEAD)
    results: list[tuple[Tensor, ...]] = []
    for model in (plain.train(), sparing.train()):
        out, values = model(x, residual, return_values=True)
        (out.square().sum() + values.square().sum()).backward()
        results.append((out.detach(), *(p.grad for p in model.parameters() if p.grad is not None)))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("generation", ALPHAS)
@pytest.mark.parametrize("linear", [False, True])
def test_every_parameter_learns(generation: Any, linear: bool) -> None:
    torch.manual_seed(0)
    model = built(
        num_residual_streams=2,
        hyper_connections=generation,
        lucidrains_mel_values=True,
        value_mix="learned",
        linear_attn=linear,
        bias=not linear,
    )
    residual = torch.randn(2, HEADS, DIM_HEAD, 5) if linear else torch.randn(2, HEADS, 5, DIM_HEAD)
    model(torch.randn(4, 5, DIM), residual).square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("sums", [False, True])
def test_residual_sums_are_added_or_not_whatever_the_connections(streams: int, sums: bool) -> None:
    torch.manual_seed(0)
    model = built(1, num_residual_streams=streams, residual_sums=sums, norm_output=False)
    x = torch.randn(2 * streams, 5, DIM)
    (layer,) = model.layers
    assert isinstance(layer, nn.ModuleList)
    attention, feed_forward = layer
    middle = attention(x) + x if sums else attention(x)
    expected = feed_forward(middle) + middle if sums else feed_forward(middle)
    torch.testing.assert_close(model(x), expected)


def test_the_same_seed_builds_the_same_transformer() -> None:
    states: list[dict[str, Tensor]] = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(Transformer(dim=DIM, depth=6, num_residual_streams=4).state_dict())
    torch.testing.assert_close(states[0], states[1])
    read = {int(states[0][f"layers.{d}.0.static_alpha"][:, 0].argmax()) for d in range(6)}
    assert len(read) > 1


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"depth": 0}, "depth is a number of layers, at least 1, got 0"),
    ({"num_residual_streams": 0}, "num_residual_streams is at least 1, got 0"),
    ({"num_residual_fracs": 0}, "num_residual_fracs is at least 1, got 0"),
    ({"num_residual_fracs": 5}, "num_residual_fracs divides dim, got 5 for dim=12"),
    ({"hyper_connections": "2024"}, "hyper_connections='2024' needs num_residual_streams of at least 2; set it"),
    ({"sinkhorn_iters": 2}, "sinkhorn_iters=2 needs num_residual_streams of at least 2; set it, often 4, or leave"),
    (
        {"num_residual_streams": 2, "hyper_connections": "2024", "sinkhorn_iters": 2},
        "hyper_connections='2024' iterates nothing, got sinkhorn_iters=2; leave it out",
    ),
    ({"num_residual_streams": 2, "sinkhorn_iters": 0}, "sinkhorn_iters is at least 1, got 0"),
    (
        {"num_residual_streams": 2, "hyper_connections": "2025"},
        "hyper_connections is '2024' or 'manifold', got '2025'",
    ),
    ({"linear_attn": True, "bias": True}, "takes no rotary_embed, pope_embed, sage_attention or bias"),
    ({"linear_attn": True, "value_mix": "learned"}, "as lucidrains' Mel-Band RoFormer does only"),
    ({"linear_attn": True, "value_mix": "fixed", "lucidrains_mel_values": True}, "got value_mix='fixed'"),
    ({"value_mix": "fixed", "lucidrains_mel_values": True}, "swapped_value_mix=True is a way of value_mix='learned'"),
]


@pytest.mark.parametrize(("keywords", "message"), REFUSALS)
@pytest.mark.usefixtures("as_users_run")
def test_refuses_what_contradicts_itself(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Transformer(**{"dim": DIM, "depth": 1} | keywords)


@pytest.mark.usefixtures("as_users_run")
def test_refuses_a_batch_that_is_no_multiple_of_the_streams_and_values_that_are_none() -> None:
    with pytest.raises(ValueError, match="the batch holds 2 streams of each sequence, got 3 sequences; expand them"):
        built(num_residual_streams=2)(torch.randn(3, 5, DIM))
    with pytest.raises(ValueError, match="linear attention gives values with lucidrains_mel_values=True only"):
        built(linear_attn=True)(torch.randn(2, 5, DIM), return_values=True)
