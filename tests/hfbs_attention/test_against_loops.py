"""Attention, LinearAttention, FeedForward and Transformer equal references that are written as loops over numbers.

The references know only lists of floats, in double precision, and the parameters by their state-dict keys.
"""

import cmath
import math
from collections.abc import Callable, Sequence

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PoPE_pytorch import PoPE
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

from hfbs_attention import Attention, FeedForward, LinearAttention, Transformer, ValueMix

type Vector = Sequence[float]
type Rows = Sequence[Vector]
"""A vector per position."""

SEEDS = st.integers(0, 2**32 - 1)
BATCHES = st.integers(1, 2)
LENGTHS = st.integers(1, 5)
DIMS = st.integers(1, 6)
HEADS = st.integers(1, 3)
DIM_HEADS = st.sampled_from([2, 4])
SCALES = st.none() | st.floats(0.05, 4.0)
MIXES: st.SearchStrategy[ValueMix] = st.sampled_from([None, "fixed", "learned"])


def dot(a: Vector, b: Vector) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def product(weight: Rows, x: Vector, bias: Vector | None = None) -> list[float]:
    return [dot(row, x) + (0.0 if bias is None else bias[i]) for i, row in enumerate(weight)]


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def l2(x: Vector) -> list[float]:
    return [value / max(math.sqrt(dot(x, x)), 1e-12) for value in x]


def rms(x: Vector, gamma: Vector) -> list[float]:
    return [value * math.sqrt(len(x)) * gain for value, gain in zip(l2(x), gamma, strict=True)]


def softmax_average(scores: Vector, values: Rows) -> list[float]:
    weights = [math.exp(score - max(scores)) for score in scores]
    return [dot(weights, column) / math.fsum(weights) for column in zip(*values, strict=True)]


class Parameters:
    """The parameters of a module as nested lists, found by state-dict key below a prefix."""

    def __init__(self, module: nn.Module) -> None:
        self.state = module.state_dict()

    def __call__(self, key: str) -> list:
        return self.state[key].tolist()

    def __contains__(self, key: str) -> bool:
        return key in self.state


def with_position(p: Parameters, x: Vector, position: int, head: int, is_key: bool) -> list[float]:
    if "rotary_embed.freqs" in p:
        turned = [
            complex(x[2 * i], x[2 * i + 1]) * cmath.exp(1j * position * frequency)
            for i, frequency in enumerate(p("rotary_embed.freqs"))
        ]
        return [part for number in turned for part in (number.real, number.imag)]
    if "pope_embed.inv_freqs" in p:
        offsets = [min(max(offset, -2 * math.pi), 0.0) if is_key else 0.0 for offset in p("pope_embed.bias")[head]]
        angles = [
            position * frequency + offset for frequency, offset in zip(p("pope_embed.inv_freqs"), offsets, strict=True)
        ]
        radii = [math.log1p(math.exp(value)) for value in x]
        return [r * turn(a) for r, a in zip(radii, angles, strict=True) for turn in (math.cos, math.sin)]
    return list(x)


def attention_by_loops(
    module: Attention, x: Rows, dim_head: int, scale: float | None, residual: Sequence[Rows] | None
) -> tuple[list[list[float]], list[list[list[float]]]]:
    """One sequence's update and its values, (head, position, features)."""
    p = Parameters(module)
    inner = module.heads * dim_head
    normed = [rms(row, p("norm.gamma")) for row in x]
    projected = [product(p("to_qkv.weight"), row) for row in normed]
    outputs: list[list[float]] = [[] for _ in x]
    all_values: list[list[list[float]]] = []
    for head in range(module.heads):
        q, k, values = (
            [row[part * inner + head * dim_head : part * inner + (head + 1) * dim_head] for row in projected]
            for part in range(3)
        )
        all_values.append(values)
        mixed = values
        if residual is not None:
            shares = [0.5] * len(x)
            if "to_value_residual_mix.weight" in p:
                weight, bias = p("to_value_residual_mix.weight")[head], p("to_value_residual_mix.bias")[head]
                shares = [sigmoid(dot(weight, row) + bias) for row in normed]
            mixed = [
                [(1 - share) * own + share * first for own, first in zip(values[i], residual[head][i], strict=True)]
                for i, share in enumerate(shares)
            ]
        q = [with_position(p, row, i, head, is_key=False) for i, row in enumerate(q)]
        k = [with_position(p, row, i, head, is_key=True) for i, row in enumerate(k)]
        for i, row in enumerate(normed):
            scores = [dot(q[i], key) * (dim_head**-0.5 if scale is None else scale) for key in k]
            gate = sigmoid(dot(p("to_gates.weight")[head], row) + p("to_gates.bias")[head])
            outputs[i] += [gate * value for value in softmax_average(scores, mixed)]
    return [product(p("to_out.0.weight"), row) for row in outputs], all_values


def linear_attention_by_loops(module: LinearAttention, x: Rows, heads: int, dim_head: int, scale: float) -> Rows:
    p = Parameters(module)
    inner = heads * dim_head
    projected = [product(p("to_qkv.0.weight"), rms(row, p("norm.gamma"))) for row in x]
    columns = list(zip(*projected, strict=True))
    features: list[list[float]] = []
    for head in range(heads):
        q, k, v = (columns[part * inner + head * dim_head : part * inner + (head + 1) * dim_head] for part in range(3))
        temperature = math.exp(p("temperature")[head][0][0])
        for feature in q:
            scores = [dot(l2(feature), l2(other)) * temperature * scale for other in k]
            features.append(softmax_average(scores, v))
    return [product(p("to_out.1.weight"), row) for row in zip(*features, strict=True)]


def feed_forward_by_loops(module: FeedForward, x: Vector) -> list[float]:
    p = Parameters(module)
    hidden = product(p("net.1.weight"), rms(x, p("net.0.gamma")), p("net.1.bias"))
    hidden = [value * 0.5 * (1.0 + math.erf(value / math.sqrt(2.0))) for value in hidden]
    return product(p("net.4.weight"), hidden, p("net.4.bias"))


def randomised[M: nn.Module](module: M) -> M:
    """In double precision, with every learned parameter random, gains and temperatures as well."""
    for parameter in module.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter)
    return module.double()


def positions(kind: str, dim_head: int, heads: int) -> dict[str, nn.Module]:
    if kind == "rope":
        return {"rotary_embed": RotaryEmbedding(4, custom_freqs=torch.rand(dim_head // 2))}
    return {"pope_embed": PoPE(dim_head, heads=heads)} if kind == "pope" else {}


def close(got: Tensor, expected: Sequence[object]) -> None:
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def batched[R](by_loops: Callable[[Rows], R], x: Tensor) -> list[R]:
    return [by_loops(sequence) for sequence in x.tolist()]


@given(
    SEEDS,
    BATCHES,
    LENGTHS,
    DIMS,
    HEADS,
    DIM_HEADS,
    SCALES,
    st.sampled_from(["rope", "pope", "neither"]),
    MIXES,
    st.booleans(),
)
def test_attention_equals_loops(
    seed: int,
    batch: int,
    length: int,
    dim: int,
    heads: int,
    dim_head: int,
    scale: float | None,
    kind: str,
    value_mix: ValueMix,
    flash: bool,
) -> None:
    torch.manual_seed(seed)
    embed = positions(kind, dim_head, heads)
    block = Attention(dim, dim_head, heads, scale=scale, flash=flash, value_mix=value_mix, **embed)  # type: ignore[arg-type]
    randomised(block)
    x = torch.randn(batch, length, dim, dtype=torch.float64)
    residual = None if value_mix is None else torch.randn(batch, heads, length, dim_head, dtype=torch.float64)
    expected = [
        attention_by_loops(block, x[b].tolist(), dim_head, scale, None if residual is None else residual[b].tolist())
        for b in range(batch)
    ]
    out, values = block(x, residual, return_values=True)
    close(out, [update for update, _ in expected])
    close(values, [own for _, own in expected])
    assert torch.equal(block(x, residual), out)


@given(SEEDS, BATCHES, LENGTHS, DIMS, HEADS, DIM_HEADS, st.floats(0.05, 10.0), st.booleans())
def test_linear_attention_equals_loops(
    seed: int, batch: int, length: int, dim: int, heads: int, dim_head: int, scale: float, flash: bool
) -> None:
    torch.manual_seed(seed)
    block = randomised(LinearAttention(dim, dim_head, heads, scale, flash=flash))
    x = torch.randn(batch, length, dim, dtype=torch.float64)
    close(block(x), batched(lambda rows: linear_attention_by_loops(block, rows, heads, dim_head, scale), x))


def test_linear_attention_scales_by_eight_unless_told() -> None:
    torch.manual_seed(0)
    block = randomised(LinearAttention(4, 2, 2))
    x = torch.randn(1, 5, 4, dtype=torch.float64)
    close(block(x), batched(lambda rows: linear_attention_by_loops(block, rows, 2, 2, 8.0), x))


@given(SEEDS, BATCHES, LENGTHS, DIMS, st.sampled_from([1.0, 1.5, 4.0]))
def test_feed_forward_equals_loops(seed: int, batch: int, length: int, dim: int, ff_mult: float) -> None:
    torch.manual_seed(seed)
    block = randomised(FeedForward(dim, ff_mult))
    x = torch.randn(batch, length, dim, dtype=torch.float64)
    close(block(x), batched(lambda rows: [feed_forward_by_loops(block, row) for row in rows], x))


@settings(max_examples=50)
@given(SEEDS, LENGTHS, DIMS, st.integers(1, 3), st.sampled_from(["rope", "pope", "neither", "linear"]), st.booleans())
def test_transformer_is_the_chain_of_its_parts(
    seed: int, length: int, dim: int, depth: int, kind: str, norm_output: bool
) -> None:
    torch.manual_seed(seed)
    embed = positions(kind, 4, 2)
    transformer = Transformer(
        dim=dim,
        depth=depth,
        dim_head=4,
        heads=2,
        ff_mult=2.0,
        norm_output=norm_output,
        linear_attn=kind == "linear",
        **embed,  # type: ignore[arg-type]
    )
    randomised(transformer)

    def by_loops(rows: Rows) -> Rows:
        for attention, feed_forward in transformer.layers:  # type: ignore[misc]
            if isinstance(attention, Attention):
                update, _ = attention_by_loops(attention, rows, 4, None, None)
            else:
                assert isinstance(attention, LinearAttention)
                update = linear_attention_by_loops(attention, rows, 2, 4, 8.0)
            rows = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(rows, update, strict=True)]
            assert isinstance(feed_forward, FeedForward)
            rows = [[a + b for a, b in zip(row, feed_forward_by_loops(feed_forward, row), strict=True)] for row in rows]
        return [rms(row, Parameters(transformer)("norm.gamma")) for row in rows] if norm_output else rows

    x = torch.randn(2, length, dim, dtype=torch.float64)
    close(transformer(x), batched(by_loops, x))
