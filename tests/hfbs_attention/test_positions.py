"""RoPE and PoPE: equal to the packages that name the keys, exact at any position, and relative."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PoPE_pytorch import PoPE, flash_attn_with_pope
from PoPE_pytorch.pope import apply_pope_to_qk
from rotary_embedding_torch import RotaryEmbedding

from hfbs_attention import Attend, Attention
from hfbs_attention._positions import positions_times, rotate_pairs, with_pope, with_rotary

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 6)
HALVES = [torch.float16, torch.bfloat16]


def pope(dim_head: int, heads: int) -> PoPE:
    """With offsets inside and outside the range that they are clamped to."""
    embed = PoPE(dim_head, heads=heads)
    torch.nn.init.uniform_(embed.bias, -9.0, 3.0)
    return embed


@given(
    seed=SEEDS,
    batch=SIZES,
    heads=SIZES,
    length=st.integers(1, 40),
    pairs=st.integers(1, 9),
    interpolate_factor=st.sampled_from([1.0, 1.7, 4.0]),
    offset=st.integers(0, 2),
)
def test_rope_equals_rotary_embedding_torch(
    seed: int, batch: int, heads: int, length: int, pairs: int, interpolate_factor: float, offset: int
) -> None:
    """Also on views that do not lie in memory as complex numbers do."""
    torch.manual_seed(seed)
    # theta's rescaling divides by dim − 2.
    embed = RotaryEmbedding(2 * pairs + 2, interpolate_factor=interpolate_factor)
    q, k = torch.randn(2, batch, heads, length, 2 * pairs + 2 + offset)[..., offset:]
    turned_q, turned_k = with_rotary(embed, q, k)
    torch.testing.assert_close(turned_q, embed.rotate_queries_or_keys(q), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(turned_k, embed.rotate_queries_or_keys(k), rtol=1e-5, atol=1e-5)


@given(seed=SEEDS, batch=SIZES, heads=SIZES, length=st.integers(1, 40), features=st.integers(1, 9))
def test_pope_equals_pope_pytorch(seed: int, batch: int, heads: int, length: int, features: int) -> None:
    torch.manual_seed(seed)
    embed = pope(features, heads)
    q, k, v = torch.randn(3, batch, heads, length, features)
    polar_q, polar_k = with_pope(embed, q, k)
    expected_q, expected_k = apply_pope_to_qk(embed(length), q, k)
    torch.testing.assert_close(polar_q, expected_q, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(polar_k, expected_k, rtol=1e-5, atol=1e-5)
    scale = features**-0.5
    expected = flash_attn_with_pope(q, k, v, pos_emb=embed(length), softmax_scale=scale)
    torch.testing.assert_close(Attend(scale=scale)(polar_q, polar_k, v), expected, rtol=1e-5, atol=1e-5)


@given(seed=SEEDS, length=st.integers(2, 60), pairs=st.integers(1, 8), use_pope=st.booleans())
def test_scores_depend_on_the_distance_alone(seed: int, length: int, pairs: int, use_pope: bool) -> None:
    torch.manual_seed(seed)
    q, k = torch.randn(2, 1, 1, 1, 2 * pairs, dtype=torch.float64).expand(-1, -1, -1, length, -1)
    if use_pope:
        q, k = with_pope(pope(2 * pairs, 1).double(), q, k)
    else:
        q, k = with_rotary(RotaryEmbedding(4, custom_freqs=torch.rand(pairs)).double(), q, k)
    scores = (q @ k.mT)[0, 0]
    for distance in range(1 - length, length):
        diagonal = scores.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))


@given(seed=SEEDS, length=st.integers(1, 20), features=st.sampled_from([2, 8]))
def test_rope_keeps_lengths(seed: int, length: int, features: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(2, 3, length, features, dtype=torch.float64)
    angles = torch.randn(length, features // 2, dtype=torch.float64)
    turned = rotate_pairs(x, angles.cos(), angles.sin())
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


@given(dtype=st.sampled_from(HALVES), position=st.integers(0, 8000), frequency=st.floats(0.2, 1.0))
def test_half_precision_tells_far_positions_apart(dtype: torch.dtype, position: int, frequency: float) -> None:
    angles = positions_times(torch.tensor([frequency], dtype=torch.float32), position + 2)
    assert angles.dtype == torch.float32
    along_x = torch.tensor([[1.0, 0.0]], dtype=dtype).expand(position + 2, 2)
    turned = rotate_pairs(along_x, angles.cos(), angles.sin())[position:].double()
    exact = torch.tensor([position, position + 1], dtype=torch.float64) * float(torch.tensor(frequency))
    tolerance = torch.finfo(dtype).eps + 8001 * torch.finfo(torch.float32).eps
    torch.testing.assert_close(turned, torch.stack((exact.cos(), exact.sin()), -1), rtol=0, atol=tolerance)
    assert (turned[0] - turned[1]).norm() > 0.15


@pytest.mark.parametrize("dtype", HALVES)
def test_casting_a_module_leaves_its_frequencies_in_float32(dtype: torch.dtype) -> None:
    """Off by one part in 2,048, a frequency turns position 2,048 by a whole radian too much."""
    rotary, polar = RotaryEmbedding(16), PoPE(16, heads=2)
    blocks = torch.nn.ModuleList(
        Attention(8, 16, 2, **embed)  # type: ignore[arg-type]
        for embed in ({"rotary_embed": rotary}, {"rotary_embed": rotary}, {"pope_embed": polar})
    )
    freqs, inv_freqs = rotary.freqs.clone(), polar.get_buffer("inv_freqs").clone()
    blocks.to(dtype)
    assert torch.equal(rotary.freqs, freqs)
    assert torch.equal(polar.get_buffer("inv_freqs"), inv_freqs)
    assert {p.dtype for p in blocks.parameters() if p is not rotary.freqs} == {dtype}
    assert blocks[0].rotary_embed.freqs is blocks[1].rotary_embed.freqs  # type: ignore[union-attr]
    assert blocks.double()[0].rotary_embed.freqs.dtype == torch.float64  # type: ignore[union-attr]
    assert blocks.to("meta")[2].pope_embed.inv_freqs.device.type == "meta"  # type: ignore[union-attr]


def test_offsets_learn_from_the_bound_where_they_start() -> None:
    embed = PoPE(8, heads=2)
    assert not embed.bias.any()
    q, k = with_pope(embed, *torch.randn(2, 1, 2, 5, 8))
    (q @ k.mT).square().sum().backward()
    assert embed.bias.grad is not None
    assert embed.bias.grad.abs().min() > 0


def test_learned_frequencies_learn() -> None:
    embed = RotaryEmbedding(8, learned_freq=True)
    block = Attention(6, 8, 2, rotary_embed=embed)
    block(torch.randn(1, 5, 6)).square().sum().backward()
    assert embed.freqs.grad is not None
    assert embed.freqs.grad.abs().min() > 0
