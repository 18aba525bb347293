"""Bands taken together give what they give one after the other, whatever changed their weights."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hfbs_model import BandSplit, MaskEstimator, _band_split, _mask
from hfbs_model._side_by_side import LIKE, pays, runs_of_like_width

WIDTHS = st.lists(st.integers(1, 12).map(lambda half: 2 * half), min_size=1, max_size=8)


def one_by_one(_x: Tensor, _modules: object) -> bool:
    return False


def together(_x: Tensor, _modules: object) -> bool:
    return True


def both_ways(run: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    outputs: list[Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        for choice in (together, one_by_one):
            patch.setattr(_band_split, "pays", choice)
            patch.setattr(_mask, "pays", choice)
            outputs.append(run())
    return outputs[0], outputs[1]


def spread(module: nn.Module) -> None:
    """Weights as far from what modules start with as trained ones."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


@given(WIDTHS)
def test_runs_hold_each_band_once_and_in_order(widths: list[int]) -> None:
    runs = runs_of_like_width(widths)
    assert [width for run in runs for width in widths[run]] == widths
    assert all(max(widths[run]) <= LIKE * min(widths[run]) for run in runs)
    for run, following in pairwise(runs):
        longer = widths[run.start : following.start + 1]
        assert max(longer) > LIKE * min(longer)


@given(widths=WIDTHS, seed=st.integers(0, 99), quiet=st.booleans())
def test_band_split(widths: list[int], seed: int, quiet: bool) -> None:
    torch.manual_seed(seed)
    split = BandSplit(6, widths)
    spread(split)
    features = torch.randn(2, 3, sum(widths)) * (1e-9 if quiet else 1.0)
    torch.testing.assert_close(*both_ways(lambda: split(features)), rtol=2e-6, atol=2e-6 * 6**0.5)


@given(widths=WIDTHS, seed=st.integers(0, 99), depth=st.integers(0, 2))
def test_mask_estimator(widths: list[int], seed: int, depth: int) -> None:
    torch.manual_seed(seed)
    estimator = MaskEstimator(6, widths, depth=depth, mlp_expansion_factor=2)
    spread(estimator)
    tokens = torch.randn(2, 3, len(widths), 6)
    torch.testing.assert_close(*both_ways(lambda: estimator(tokens)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_normalises_before_it_rounds(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    split = BandSplit(6, [4, 4, 8]).to(dtype)
    features = torch.randn(1, 3, 16)
    output, expected = both_ways(lambda: split(1e6 * features))
    assert output.dtype == expected.dtype == dtype
    torch.testing.assert_close(output, expected, rtol=2e-2, atol=2e-2)


def in_place(split: BandSplit) -> None:
    spread(split)


def loaded(split: BandSplit) -> None:
    split.load_state_dict({name: torch.randn_like(tensor) for name, tensor in split.state_dict().items()})


def assigned(split: BandSplit) -> None:
    other = {name: torch.randn_like(tensor) for name, tensor in split.state_dict().items()}
    split.load_state_dict(other, assign=True)


def trained(split: BandSplit) -> None:
    optimizer = torch.optim.AdamW(split.parameters(), lr=0.5)
    split(torch.randn(2, 3, 16)).square().sum().backward()
    optimizer.step()


def replaced(split: BandSplit) -> None:
    for parameter in split.parameters():
        parameter.data = torch.randn_like(parameter)


def moved(split: BandSplit) -> None:
    spread(split.double().float())


@pytest.mark.parametrize("change", [in_place, loaded, assigned, trained, replaced, moved])
def test_nothing_stale_is_used(change: Callable[[BandSplit], None]) -> None:
    torch.manual_seed(0)
    split = BandSplit(6, [4, 4, 8])
    features = torch.randn(2, 3, 16)
    before, _ = both_ways(lambda: split(features))
    change(split)
    after, expected = both_ways(lambda: split(features))
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, expected)


class Adapter(nn.Module):
    """What LoRA puts in a product's place."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.weight = base.weight
        self.bias = base.bias

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.base(x)


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


def adapted(sequential: Any) -> None:
    sequential[1] = Adapter(sequential[1])


def parametrised(sequential: Any) -> None:
    parametrize.register_parametrization(sequential[1], "weight", Doubled())


def hooked(sequential: Any) -> None:
    sequential[1].register_forward_hook(lambda _module, _inputs, output: 2 * output)


def hooked_backward(sequential: Any) -> None:
    sequential[1].register_full_backward_hook(lambda _module, _inputs, _outputs: None)


def hooked_before_backward(sequential: Any) -> None:
    sequential[1].register_full_backward_pre_hook(lambda _module, _outputs: None)


def with_another_forward(sequential: Any) -> None:
    """As libraries that offload or quantise do it."""
    forward = sequential[1].forward
    sequential[1].forward = lambda x: 2 * forward(x)


CHANGES = [adapted, parametrised, hooked, hooked_backward, hooked_before_backward, with_another_forward]


@pytest.mark.parametrize("change", CHANGES)
def test_bands_of_changed_modules_are_taken_one_by_one(change: Callable[[Any], None]) -> None:
    features = torch.empty(1, device="meta")
    split = BandSplit(6, [4, 4, 8])
    assert pays(features, split.to_features.modules())
    assert not pays(torch.empty(1), split.to_features.modules())
    change(split.to_features[1])
    assert not pays(features, split.to_features.modules())


def elsewhere(_x: Tensor, modules: Any) -> bool:
    """As on a device where it pays."""
    return pays(torch.empty(1, device="meta"), modules)


def other_in_one_band(estimator: Any) -> None:
    estimator.to_freqs[1][0][1] = nn.ReLU()


def of_its_own_in_each_band(estimator: Any) -> None:
    for band, network in enumerate(estimator.to_freqs):
        network[0][1] = nn.PReLU(init=float(band))


def normalised_in_each_band(estimator: Any) -> None:
    for band, network in enumerate(estimator.to_freqs):
        network[0][1] = nn.BatchNorm1d(3)
        network[0][1].running_mean += band


@pytest.mark.parametrize("change", [other_in_one_band, of_its_own_in_each_band, normalised_in_each_band])
def test_each_band_has_its_own_activation(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]) -> None:
    torch.manual_seed(0)
    estimator = MaskEstimator(6, [4, 4, 8], depth=1, mlp_expansion_factor=2).eval()
    spread(estimator)
    tokens = torch.randn(2, 3, 3, 6)
    change(estimator)
    expected = estimator(tokens)
    monkeypatch.setattr(_mask, "pays", elsewhere)
    assert torch.equal(estimator(tokens), expected)
