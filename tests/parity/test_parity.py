"""Upstream's weights give upstream's output and gradients."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hfbs_model import BandSplitRotator
from parity.cases import CASES, EXPERIMENTAL_CASES, Case
from parity.oracles import build, gradients_of, in_training, our_keywords, our_name, parts_of, renamed
from parity.table import Row


def with_stem_axis(output: Tensor) -> Tensor:
    """Upstreams leave the stem axis out where there is one stem."""
    return output.unsqueeze(1) if output.ndim == 3 else output


def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def loss_of(stems: Tensor, target: Tensor) -> Tensor:
    """The same smooth loss for both, so that the gradients of the networks are compared.

    The models' own loss is of absolute values, whose gradient jumps where an error passes through zero: there, one
    rounding in a stem may change a gradient by more than the bound, in one run of many. That our loss equals upstream's
    is a test of its own.
    """
    stems = with_stem_axis(stems)
    return F.mse_loss(stems, target[..., : stems.shape[-1]])


@pytest.mark.parametrize("case", CASES + EXPERIMENTAL_CASES, ids=str)
def test_upstream_weights_give_upstream_output_and_gradients(case: Case, rows: list[Row]) -> None:
    torch.manual_seed(len(str(case)))
    theirs = in_training(build(case))
    weights = renamed(theirs.state_dict(), case)
    ours = BandSplitRotator(**our_keywords(case), parts=parts_of(case, weights))
    ours.load_state_dict(weights)
    in_training(ours)

    channels, stems = 1 + bool(case.settings.get("stereo")), case.settings.get("num_stems", 1)
    mixture = torch.randn(2, channels, case.length)
    target = torch.randn(2, stems, channels, case.length)

    our_stems, their_stems = ours(mixture), theirs(mixture)
    output = relative_difference(our_stems, with_stem_axis(their_stems))
    assert our_stems.shape == with_stem_axis(their_stems).shape

    loss_of(our_stems, target).backward()
    loss_of(their_stems, target).backward()
    our_gradients, their_gradients = gradients_of(ours), gradients_of(theirs, partial(our_name, case=case))
    assert our_gradients.keys() == their_gradients.keys()
    total = torch.stack([gradient.norm() for gradient in their_gradients.values()]).norm()
    gradients = max(
        ((our_gradients[name] - gradient).norm() / gradient.norm().clamp(min=1e-3 * total)).item()
        for name, gradient in their_gradients.items()
    )

    rows.append(Row(str(case), output, gradients))
    assert output <= 1e-5
    assert gradients <= 1e-4
