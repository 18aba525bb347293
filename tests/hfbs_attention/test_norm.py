"""RMSNorm is x / max(‖x‖, 1e-12) · √d · γ, whatever the precision of x."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hfbs_attention import RMSNorm
from hfbs_attention._norm import l2_normalize

SEEDS = st.integers(0, 2**32 - 1)


def norm_with_random_gain(dim: int, dtype: torch.dtype = torch.float64) -> RMSNorm:
    norm = RMSNorm(dim).to(dtype)
    torch.nn.init.normal_(norm.gamma)
    return norm


@given(seed=SEEDS, dim=st.integers(1, 70), rows=st.integers(1, 5), decibel=st.floats(-280.0, 200.0))
def test_equals_the_formula_at_every_level(seed: int, dim: int, rows: int, decibel: float) -> None:
    torch.manual_seed(seed)
    norm = norm_with_random_gain(dim)
    x = torch.randn(rows, dim, dtype=torch.float64) * 10 ** (decibel / 20)
    expected = [
        [value / max(math.sqrt(math.fsum(v * v for v in row)), 1e-12) * math.sqrt(dim) * gain for value, gain in pairs]
        for row, pairs in ((row, zip(row, norm.gamma.tolist(), strict=True)) for row in x.tolist())
    ]
    torch.testing.assert_close(norm(x), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_silence_stays_silence(dtype: torch.dtype) -> None:
    norm = RMSNorm(24).to(dtype)
    assert torch.equal(norm(torch.zeros(2, 3, 24, dtype=dtype)), torch.zeros(2, 3, 24, dtype=dtype))


@given(seed=SEEDS, dtype=st.sampled_from([torch.float16, torch.bfloat16]), decibel=st.floats(-60.0, 60.0))
def test_half_precision_hears_level_changes_of_60_decibel(seed: int, dtype: torch.dtype, decibel: float) -> None:
    torch.manual_seed(seed)
    x = (torch.randn(4, 96) * 10 ** (decibel / 20)).to(dtype)
    normed = norm_with_random_gain(96, dtype)
    got, expected = normed(x), normed.float()(x.float())
    assert got.dtype == dtype
    tolerance = 3 * torch.finfo(dtype).eps
    torch.testing.assert_close(got.float(), expected, rtol=tolerance, atol=tolerance)


def test_is_not_torchs_rms_norm_in_quiet_bands() -> None:
    x = torch.randn(8, 32) * 1e-4
    ours, torchs = RMSNorm(32)(x), torch.nn.RMSNorm(32)(x)
    torch.testing.assert_close(ours.square().mean(dim=-1), torch.ones(8))
    assert torchs.square().mean() < 0.5


@given(seed=SEEDS, dim=st.integers(1, 40))
def test_l2_normalize_gives_norm_one(seed: int, dim: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(3, dim, dtype=torch.float64) + 0.1
    torch.testing.assert_close(l2_normalize(x).norm(dim=-1), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("features", [1, 7])
def test_refuses_another_number_of_features(features: int) -> None:
    """One feature would otherwise be spread over all of them."""
    with pytest.raises(ValueError, match=rf"RMSNorm\(dim=8\) takes that many features, got {features}"):
        RMSNorm(8)(torch.ones(2, features))
