"""Transformer: checkpointing, values, keys, gradients, errors. test_against_loops has the chain of its parts."""

import inspect
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PoPE_pytorch import PoPE
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from hfbs_attention import Attention, FeedForward, ParametersAttention, ParametersTransformer, Transformer

SEEDS = st.integers(0, 2**32 - 1)
DIM, HEADS, DIM_HEAD = 12, 2, 4
KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "rope": lambda: {"rotary_embed": RotaryEmbedding(DIM_HEAD)},
    "pope": lambda: {"pope_embed": PoPE(DIM_HEAD, heads=HEADS)},
    "neither": dict,
    "learned rope": lambda: {"rotary_embed": RotaryEmbedding(DIM_HEAD, learned_freq=True)},
    "fixed mix": lambda: {"value_mix": "fixed", "rotary_embed": RotaryEmbedding(DIM_HEAD)},
    "learned mix": lambda: {"value_mix": "learned", "rotary_embed": RotaryEmbedding(DIM_HEAD)},
    "linear": lambda: {"linear_attn": True},
}


def built(kind: str, depth: int = 2, **keywords: Any) -> Transformer:
    return Transformer(dim=DIM, depth=depth, dim_head=DIM_HEAD, heads=HEADS, **KINDS[kind](), **keywords)


def residual_for(kind: str, batch: int, length: int) -> Tensor | None:
    return torch.randn(batch, HEADS, length, DIM_HEAD) if kind.endswith("mix") else None


@settings(max_examples=100)
@given(
    seed=SEEDS,
    kind=st.sampled_from(list(KINDS)),
    batch=st.integers(1, 7),
    length=st.integers(1, 9),
    in_cache=st.integers(1, 40),
    across=st.booleans(),
)
def test_groups_of_sequences_give_what_all_at_once_give(
    seed: int, kind: str, batch: int, length: int, in_cache: int, across: bool
) -> None:
    """And the same gradients; also where sequences lie across each other in memory."""
    torch.manual_seed(seed)
    transformer, residual = built(kind).eval(), residual_for(kind, batch, length)
    x = torch.randn(length, batch, DIM).transpose(0, 1) if across else torch.randn(batch, length, DIM)
    keywords = {} if kind == "linear" else {"return_values": True}

    def run(gradients: bool) -> tuple[Tensor, ...]:
        start = x.detach().requires_grad_(gradients)
        with torch.set_grad_enabled(gradients):
            result = transformer(start, residual, **keywords)
        outputs: tuple[Tensor, ...] = result if isinstance(result, tuple) else (result,)
        if not gradients:
            return outputs
        learned = [start, *(p for p in transformer.parameters() if p.requires_grad)]
        return (*outputs, *torch.autograd.grad(torch.stack([y.square().sum() for y in outputs]).sum(), learned))

    at_once = run(True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hfbs_attention._transformer.POSITIONS_IN_CACHE", in_cache)
        in_groups, without_gradients = run(True), run(False)
    torch.testing.assert_close(in_groups, at_once, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(without_gradients, at_once[: len(without_gradients)], rtol=1e-5, atol=1e-6)


@settings(max_examples=50)
@given(seed=SEEDS, kind=st.sampled_from(list(KINDS)), depth=st.integers(1, 3), dropout=st.sampled_from([0.0, 0.3]))
def test_checkpointing_changes_neither_output_nor_gradients(seed: int, kind: str, depth: int, dropout: float) -> None:
    torch.manual_seed(seed)
    plain = built(kind, depth, attn_dropout=dropout, ff_dropout=dropout)
    sparing = built(kind, depth, attn_dropout=dropout, ff_dropout=dropout, use_torch_checkpoint=True)
    sparing.load_state_dict(plain.state_dict())
    x, residual = torch.randn(2, 5, DIM), residual_for(kind, 2, 5)
    results = []
    for transformer in (plain, sparing):
        torch.manual_seed(seed)
        start = x.clone().requires_grad_()
        if kind == "linear":
            loss = transformer(start, residual).square().sum()
        else:
            y, values = transformer(start, residual, return_values=True)
            loss = y.square().sum() + values.square().sum()
        loss.backward()
        learned = [p.grad for p in transformer.parameters() if p.requires_grad]
        results.append((loss.detach(), start.grad, *learned))
    torch.testing.assert_close(results[1], results[0])


def bytes_kept(transformer: Transformer, x: Tensor) -> int:
    kept = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        transformer(x)
    return kept


@pytest.mark.parametrize("kind", ["rope", "pope", "linear"])
def test_checkpointing_keeps_less_for_the_backward_pass(kind: str) -> None:
    x = torch.randn(2, 64, DIM, requires_grad=True)
    plain, sparing = built(kind, 4), built(kind, 4, use_torch_checkpoint=True)
    assert bytes_kept(sparing, x) < 0.7 * bytes_kept(plain, x)
    assert bytes_kept(sparing.eval(), x) == bytes_kept(plain.eval(), x)


class Counted(TorchDispatchMode):
    """Counts what PyTorch is asked to do, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("kind", ["rope", "pope", "linear"])
def test_checkpointing_computes_no_product_and_no_attention_twice(kind: str, autocast: bool) -> None:
    x = torch.randn(64, 64, DIM, requires_grad=True)  # two groups
    counts = []
    for transformer in (built(kind, 2), built(kind, 2, use_torch_checkpoint=True)):
        with Counted() as counted:
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                y = transformer(x)
            y.float().sum().backward()
        counts.append(counted.calls)
    plain, sparing = counts
    assert sparing["gelu"] == 2 * plain["gelu"] > 0
    long = [name for name in plain if name in ("mm", "addmm", "bmm") or name.startswith("_scaled_dot_product")]
    assert len(long) >= 3
    assert [sparing[name] for name in long] == [plain[name] for name in long]


def bytes_held(transformer: Transformer, x: Tensor) -> int:
    """What a forward pass allocates and does not give back as long as its result is there."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        y = transformer(x)
    results: Any = profiler.profiler
    held = sum(event.nbytes() for event in results.kineto_results.events() if event.name() == "[memory]")
    assert y.requires_grad
    return held


@pytest.mark.unchecked
def test_checkpointing_keeps_no_product_that_only_enters_a_sum() -> None:
    x = torch.randn(2, 512, DIM, requires_grad=True)
    transformer = built("rope", 3, use_torch_checkpoint=True)
    held = bytes_held(transformer, x)
    for layer in transformer.layers:
        layer.dim = None
    assert held == pytest.approx(bytes_held(transformer, x) - 3 * x.nbytes, abs=x.nbytes // 10)


@settings(max_examples=50)
@given(seed=SEEDS, kind=st.sampled_from(list(KINDS)), length=st.integers(2, 7), norm_output=st.booleans())
def test_every_learned_parameter_gets_a_gradient(seed: int, kind: str, length: int, norm_output: bool) -> None:
    torch.manual_seed(seed)
    transformer = built(kind, norm_output=norm_output)
    y = transformer(torch.randn(2, length, DIM), residual_for(kind, 2, length))
    (y * torch.randn_like(y)).sum().backward()
    for name, parameter in transformer.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name


@settings(max_examples=50)
@given(seed=SEEDS, kind=st.sampled_from([kind for kind in KINDS if kind != "linear"]), depth=st.integers(1, 3))
def test_returned_values_are_those_of_the_first_layer(seed: int, kind: str, depth: int) -> None:
    torch.manual_seed(seed)
    transformer = built(kind, depth)
    x, residual = torch.randn(2, 5, DIM), residual_for(kind, 2, 5)
    first = transformer.layers[0][0]  # type: ignore[index]
    assert isinstance(first, Attention)
    y, values = transformer(x, residual, return_values=True)
    assert torch.equal(values, first(x, residual, return_values=True)[1])
    assert torch.equal(y, transformer(x, residual))


@settings(max_examples=50)
@given(seed=SEEDS, kind=st.sampled_from(list(KINDS)), batch=st.integers(2, 4))
def test_sequences_of_a_batch_do_not_see_each_other(seed: int, kind: str, batch: int) -> None:
    torch.manual_seed(seed)
    transformer = built(kind).double()
    x, residual = torch.randn(batch, 5, DIM).double(), residual_for(kind, batch, 5)
    residual = None if residual is None else residual.double()
    alone = [transformer(x[b : b + 1], None if residual is None else residual[b : b + 1]) for b in range(batch)]
    torch.testing.assert_close(transformer(x, residual), torch.cat(alone))


def test_the_values_of_one_transformer_feed_the_next() -> None:
    torch.manual_seed(0)
    first, second = built("rope"), built("learned mix")
    x, values = first(torch.randn(2, 5, DIM), return_values=True)
    second(x, values).square().sum().backward()
    assert first.layers[0][0].to_qkv.weight.grad.any()  # type: ignore[index, union-attr]


ATTENTION_KEYS = ["norm.gamma", "to_qkv.weight", "to_gates.weight", "to_gates.bias", "to_out.0.weight"]
MIX_KEYS = ["to_value_residual_mix.weight", "to_value_residual_mix.bias"]
KEYS = {
    "rope": [*ATTENTION_KEYS, "rotary_embed.freqs"],
    "pope": [*ATTENTION_KEYS, "pope_embed.bias", "pope_embed.inv_freqs"],
    "neither": ATTENTION_KEYS,
    "learned rope": [*ATTENTION_KEYS, "rotary_embed.freqs"],
    "fixed mix": [*ATTENTION_KEYS, "rotary_embed.freqs"],
    "learned mix": [*ATTENTION_KEYS, "rotary_embed.freqs", *MIX_KEYS],
    "linear": ["norm.gamma", "temperature", "to_qkv.0.weight", "to_out.1.weight"],
}
FEED_FORWARD_KEYS = ["net.0.gamma", "net.1.weight", "net.1.bias", "net.4.weight", "net.4.bias"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm_output", [True, False])
def test_state_dict_keys_are_those_of_published_checkpoints(kind: str, norm_output: bool) -> None:
    expected = {f"layers.{d}.0.{key}" for d in range(2) for key in KEYS[kind]}
    expected |= {f"layers.{d}.1.{key}" for d in range(2) for key in FEED_FORWARD_KEYS}
    expected |= {"norm.gamma"} if norm_output else set()
    assert set(built(kind, norm_output=norm_output).state_dict()) == expected


def test_state_dict_shapes_are_those_of_published_checkpoints() -> None:
    inner = HEADS * DIM_HEAD
    expected = {
        "norm.gamma": (DIM,),
        "to_qkv.weight": (3 * inner, DIM),
        "to_gates.weight": (HEADS, DIM),
        "to_gates.bias": (HEADS,),
        "to_out.0.weight": (DIM, inner),
        "rotary_embed.freqs": (DIM_HEAD // 2,),
        "to_value_residual_mix.weight": (HEADS, DIM),
        "to_value_residual_mix.bias": (HEADS,),
    }
    state = built("learned mix").layers[0][0].state_dict()  # type: ignore[index]
    assert {key: tuple(value.shape) for key, value in state.items()} == expected


def test_layers_share_one_embedding() -> None:
    transformer = built("learned rope", 3)
    assert sum(name.endswith("freqs") for name, _ in transformer.named_parameters()) == 1


@pytest.mark.parametrize(
    "keywords",
    [
        {"rotary_embed": RotaryEmbedding(DIM_HEAD)},
        {"pope_embed": PoPE(DIM_HEAD, heads=HEADS)},
        {"value_mix": "fixed"},
        {"sage_attention": True},
    ],
)
def test_linear_attention_refuses_what_it_cannot_honour(keywords: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"linear_attn=True takes no .*leave them at their defaults"):
        Transformer(dim=DIM, depth=1, linear_attn=True, **keywords)


def test_linear_attention_has_no_values() -> None:
    transformer, x = built("linear"), torch.randn(1, 5, DIM)
    with pytest.raises(ValueError, match="linear attention takes and gives no values; leave value_residual"):
        transformer(x, return_values=True)
    with pytest.raises(ValueError, match="linear attention takes and gives no values; leave value_residual"):
        transformer(x, torch.randn(1, HEADS, 5, DIM_HEAD))


@pytest.mark.parametrize("depth", [0, -1])
def test_refuses_a_depth_below_one(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"depth is a number of layers, at least 1, got {depth}"):
        Transformer(dim=DIM, depth=depth)


@pytest.mark.parametrize(
    ("record", "constructor"), [(ParametersAttention, Attention), (ParametersTransformer, Transformer)]
)
def test_records_of_keywords_agree_with_the_constructors(record: type, constructor: type) -> None:
    parameters = inspect.signature(constructor).parameters
    for name, kind in record.__annotations__.items():
        assert parameters[name].annotation == kind, name
        assert re.search(rf"^ +{name}: ", inspect.getdoc(constructor) or "", re.MULTILINE), f"{name} has no description"


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_refuses_a_feed_forward_dropout_that_is_no_share(share: float) -> None:
    with pytest.raises(ValueError, match=rf"ff_dropout is a share in \[0, 1\), got {share}"):
        FeedForward(8, ff_dropout=share)
