"""Attention: its symmetries, its values, its errors."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PoPE_pytorch import PoPE
from rotary_embedding_torch import RotaryEmbedding

from hfbs_attention import Attention, FeedForward, LinearAttention
from hfbs_attention._feedforward import ff_mult_of

SEEDS = st.integers(0, 2**32 - 1)
BLOCKS: dict[str, Callable[[], torch.nn.Module]] = {
    "rope": lambda: Attention(10, 4, 3, rotary_embed=RotaryEmbedding(4)),
    "pope": lambda: Attention(10, 4, 3, pope_embed=PoPE(4, heads=3)),
    "linear": lambda: LinearAttention(10, 4, 3),
    "feed forward": lambda: FeedForward(10),
}


@given(seed=SEEDS, length=st.integers(1, 12), linear=st.booleans(), data=st.data())
def test_without_positions_permuting_the_sequence_permutes_the_output(
    seed: int, length: int, linear: bool, data: st.DataObject
) -> None:
    torch.manual_seed(seed)
    block = (LinearAttention(10, 4, 3) if linear else Attention(10, 4, 3)).double()
    x = torch.randn(2, length, 10, dtype=torch.float64)
    order = data.draw(st.permutations(range(length)))
    torch.testing.assert_close(block(x[:, order]), block(x)[:, order])


@pytest.mark.parametrize("embed", ["rotary_embed", "pope_embed"])
def test_with_positions_the_order_matters(embed: str) -> None:
    torch.manual_seed(0)
    positions = {"rotary_embed": RotaryEmbedding(4), "pope_embed": PoPE(4, heads=3)}[embed]
    block = Attention(10, 4, 3, scale=8.0, **{embed: positions})  # type: ignore[arg-type]
    x = torch.randn(1, 6, 10)
    # Reversing would not do: without offsets, PoPE does not tell before from after.
    assert (block(x.roll(2, 1)) - block(x).roll(2, 1)).norm() > 1e-3 * block(x).norm()


@given(seed=SEEDS, batch=st.integers(2, 5), length=st.integers(1, 9), kind=st.sampled_from(list(BLOCKS)))
def test_sequences_of_a_batch_do_not_see_each_other(seed: int, batch: int, length: int, kind: str) -> None:
    torch.manual_seed(seed)
    block = BLOCKS[kind]().double()
    x = torch.randn(batch, length, 10, dtype=torch.float64)
    alone = torch.cat([block(sequence[None]) for sequence in x])
    torch.testing.assert_close(block(x), alone)


@given(seed=SEEDS, length=st.integers(1, 9))
def test_the_fixed_mix_is_the_learned_mix_of_an_even_gate(seed: int, length: int) -> None:
    torch.manual_seed(seed)
    learned, fixed = Attention(6, 4, 2, value_mix="learned"), Attention(6, 4, 2, value_mix="fixed")
    assert learned.to_value_residual_mix is not None
    torch.nn.init.zeros_(learned.to_value_residual_mix.weight)
    torch.nn.init.zeros_(learned.to_value_residual_mix.bias)
    fixed.load_state_dict(learned.state_dict(), strict=False)
    x, residual = torch.randn(2, length, 6), torch.randn(2, 2, length, 4)
    torch.testing.assert_close(fixed(x, residual), learned(x, residual))


def test_values_are_those_before_mixing() -> None:
    torch.manual_seed(0)
    block = Attention(6, 4, 2, value_mix="fixed")
    x = torch.randn(1, 5, 6)
    _, values = block(x, torch.zeros(1, 2, 5, 4), return_values=True)
    _, same_values = block(x, torch.ones(1, 2, 5, 4), return_values=True)
    assert values.shape == (1, 2, 5, 4)
    assert torch.equal(values, same_values)


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    block = Attention(32, 8, 4, attn_dropout=0.5)
    x = torch.randn(2, 9, 32)
    assert 0.4 < (block(x) == 0).float().mean() < 0.6
    assert torch.equal(block.eval()(x), block(x))
    assert (block(x) != 0).all()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"dim": 0}, "dim is a number of features or heads, at least 1, got 0"),
        ({"heads": 0}, "heads is a number of features or heads, at least 1, got 0"),
        ({"dim_head": -4}, "dim_head is a number of features or heads, at least 1, got -4"),
        ({"attn_dropout": 1.0}, r"attn_dropout is a share in \[0, 1\), got 1.0"),
        (
            {"rotary_embed": RotaryEmbedding(4), "pope_embed": PoPE(4, heads=2)},
            "rotary_embed and pope_embed both give the positions; pass one of them, or neither",
        ),
        ({"rotary_embed": RotaryEmbedding(8)}, r"dim_head=4 needs 2 frequencies, got 4; build it with RotaryEmbedding"),
        ({"rotary_embed": RotaryEmbedding(4, use_xpos=True)}, "use_xpos=True is not supported.*use_xpos=False"),
        ({"pope_embed": PoPE(4, heads=3)}, r"\(2, 4\), got \(3, 4\); build it with PoPE\(dim_head, heads=heads\)"),
        ({"pope_embed": PoPE(4, heads=2), "sage_attention": True}, "PoPE doubles them; set sage_attention=False"),
    ],
)
def test_refuses_what_does_not_fit_together(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Attention(**{"dim": 6, "dim_head": 4, "heads": 2, **keywords})


@pytest.mark.compiled
def test_refuses_an_unknown_mix_of_values() -> None:
    """Not where types are checked at run time, which refuses it first."""
    with pytest.raises(ValueError, match="value_mix is None, 'fixed' or 'learned', got 'half'"):
        Attention(6, 4, 2, value_mix="half")  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", [{"dim": 0}, {"heads": 0}, {"dim_head": 0}])
def test_linear_attention_refuses_sizes_below_one(sizes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is a number of features or heads, at least 1, got 0"):
        LinearAttention(**{"dim": 6, "dim_head": 4, "heads": 2, **sizes})


@pytest.mark.parametrize("dim", [8, 88, 360, 1024])
def test_each_number_of_hidden_features_has_a_multiple_that_gives_it(dim: int) -> None:
    assert [int(dim * ff_mult_of(dim, features)) for features in range(1, 4 * dim)] == [*range(1, 4 * dim)]


@pytest.mark.parametrize(("dim", "ff_mult"), [(0, 4.0), (3, 0.25), (3, -1.0)])
def test_feed_forward_refuses_an_empty_hidden_layer(dim: int, ff_mult: float) -> None:
    with pytest.raises(ValueError, match=rf"number of hidden features, at least 1, got {ff_mult} × {dim}"):
        FeedForward(dim, ff_mult)


def test_value_residual_is_needed_exactly_where_it_is_mixed() -> None:
    x, residual = torch.randn(1, 5, 6), torch.randn(1, 2, 5, 4)
    with pytest.raises(ValueError, match="value_mix='learned' needs the first layer's values; pass value_residual"):
        Attention(6, 4, 2, value_mix="learned")(x)
    with pytest.raises(ValueError, match="value_mix='fixed' needs the first layer's values; pass value_residual"):
        Attention(6, 4, 2, value_mix="fixed")(x)
    with pytest.raises(ValueError, match="given to an Attention that mixes none; build it with value_mix='learned'"):
        Attention(6, 4, 2)(x, residual)


@pytest.mark.parametrize("embed", ["rotary_embed", "pope_embed"])
def test_copies_and_pickles_compute_the_same(embed: str) -> None:
    positions = {"rotary_embed": RotaryEmbedding(4), "pope_embed": PoPE(4, heads=2)}[embed]
    block = Attention(6, 4, 2, value_mix="learned", **{embed: positions})  # type: ignore[arg-type]
    x, residual = torch.randn(1, 5, 6), torch.randn(1, 2, 5, 4)
    expected = block(x, residual)
    assert torch.equal(copy.deepcopy(block)(x, residual), expected)
    assert torch.equal(pickle.loads(pickle.dumps(block))(x, residual), expected)
