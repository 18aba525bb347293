"""Muon with matrices of like shape together is PyTorch's, up to bfloat16's rounding."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hfbs_train._muon import Muon, orthogonalised

SHAPES = [(6, 6), (6, 6), (18, 6), (2, 6), (6, 18), (18, 6)]


def well_conditioned(rows: int, columns: int) -> torch.Tensor:
    """A random matrix whose singular values are from 0.3 to 1; rounding grows where they are smaller."""
    least = min(rows, columns)
    left, _, right = torch.linalg.svd(torch.randn(rows, columns))
    return (left[:, :least] * torch.linspace(0.3, 1.0, least)) @ right[:least]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_it_takes_pytorchs_steps(weight_decay: float) -> None:
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    others = deepcopy(weights)
    options: Any = {"lr": 0.02, "momentum": 0.9, "weight_decay": weight_decay, "adjust_lr_fn": "match_rms_adamw"}
    ours, theirs = Muon(weights, **options), torch.optim.Muon(others, **options)
    for _ in range(5):
        before = [weight.detach().clone() for weight in weights]
        for weight, other in zip(weights, others, strict=True):
            weight.grad = well_conditioned(*weight.shape)
            other.grad = weight.grad.clone()
        ours.step()
        theirs.step()
        for weight, other, old in zip(weights, others, before, strict=True):
            assert (weight - other).norm() < 0.08 * (weight - old).norm()  # 15 products in bfloat16
            other.data.copy_(weight)  # so that rounding does not add up
    state, expected = ours.state_dict(), theirs.state_dict()
    assert state["param_groups"] == expected["param_groups"]
    for number, values in expected["state"].items():
        torch.testing.assert_close(state["state"][number], values)


def test_weights_without_a_gradient_stay() -> None:
    moved, left = torch.nn.Parameter(torch.ones(3, 3)), torch.nn.Parameter(torch.ones(3, 3))
    moved.grad = torch.eye(3)
    Muon([moved, left], lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw").step()
    assert torch.equal(left, torch.ones(3, 3))
    assert not torch.equal(moved, torch.ones(3, 3))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000), st.floats(1e-4, 1e4))
def test_singular_values_come_near_one_in_their_own_directions(
    rows: int, columns: int, seed: int, scale: float
) -> None:
    least = min(rows, columns)
    left, _, right = torch.linalg.svd(torch.randn(2, rows, columns, generator=torch.Generator().manual_seed(seed)))
    spread = torch.linspace(0.3, 1.0, least)
    matrices = scale * (left[..., :least] * spread) @ right[..., :least, :]
    turned = orthogonalised(matrices, (3.4445, -4.775, 2.0315), 5, 1e-7).float()
    expected = left[..., :least] @ right[..., :least, :]
    values = torch.linalg.svdvals(turned)
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert (turned * expected).sum() > 0.6 * expected.square().sum()
