"""Which weights are decayed, and which are made orthogonal."""

from collections.abc import Callable
from typing import Any

import pytest

from hfbs_model import BandSplitRotator
from hfbs_train._configuration import AdamW, Muon
from hfbs_train._optimizers import optimizers

type Build = Callable[..., dict[str, Any]]


@pytest.fixture
def model(tiny_run: Build) -> BandSplitRotator:
    """With PoPE's offsets and linear attention's temperature, which have several axes and are no matrices."""
    return BandSplitRotator(**tiny_run()["model"], use_pope=True, linear_transformer_depth=1, num_stems=2)


def names(model: BandSplitRotator, weights: list[Any]) -> set[str]:
    of = {weight: name for name, weight in model.named_parameters()}
    return {of[weight] for weight in weights}


@pytest.mark.parametrize("settings", [AdamW(weight_decay=0.1), Muon(weight_decay=0.1, others=AdamW(weight_decay=0.1))])
def test_gains_and_offsets_are_not_decayed(model: BandSplitRotator, settings: AdamW | Muon) -> None:
    groups = [group for optimizer in optimizers(model, settings) for group in optimizer.param_groups]
    decayed = set[str]().union(*(names(model, group["params"]) for group in groups if group["weight_decay"]))
    others = set[str]().union(*(names(model, group["params"]) for group in groups if not group["weight_decay"]))
    assert all(name.endswith(".weight") for name in decayed)
    assert all(name.endswith(("gamma", "bias", "temperature")) for name in others)
    assert decayed | others == {name for name, weight in model.named_parameters() if weight.requires_grad}


def test_muon_takes_the_matrices_of_the_trunk(model: BandSplitRotator) -> None:
    muon, adamw = optimizers(model, Muon())
    in_trunk = names(model, [weight for group in muon.param_groups for weight in group["params"]])
    others = names(model, [weight for group in adamw.param_groups for weight in group["params"]])
    assert in_trunk == {name for name in in_trunk | others if name.startswith("layers.") and name.endswith(".weight")}
