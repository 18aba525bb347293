"""Compiled blocks: one piece of code for every layer and length, with the same numbers."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from hfbs_model import BandSplitRotator, _band_split, _mask
from hfbs_model._side_by_side import _is_plain

from .conftest import Tiny

LENGTHS = [400, 16, 700, 1000, 640, 333, 128, 900, 512, 801]


def compiled_copy(model: BandSplitRotator) -> BandSplitRotator:
    torch.compiler.reset()
    counters.clear()
    copied = copy.deepcopy(model)
    copied.compile_blocks()
    return copied


def error(output: Tensor, expected: Tensor) -> float:
    return ((output - expected).norm() / expected.norm()).item()


@pytest.mark.compiled
@pytest.mark.parametrize(
    "keywords",
    [
        {"depth": 2},
        {"depth": 5, "num_stems": 2, "stereo": True},
        {"depth": 3, "use_value_residual_learning": True},
        {"depth": 2, "linear_transformer_depth": 1, "skip_connection": True},
        {"depth": 2, "use_pope": True},
    ],
)
def test_ten_lengths_share_the_code_of_two(tiny: Tiny, keywords: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = tiny(**keywords)
    compiled = compiled_copy(model)
    channels = (2,) if model.stereo else ()
    with torch.inference_mode():
        for turn, length in enumerate(LENGTHS):
            audio = torch.randn(1, *channels, length)
            assert error(compiled(audio), model(audio)) < 2e-6
            if turn == 1:
                graphs = counters["stats"]["unique_graphs"]
    kinds = 1 + ("linear_transformer_depth" in keywords) + 2 * ("use_value_residual_learning" in keywords)
    assert graphs <= 2 * kinds
    assert counters["stats"]["unique_graphs"] == graphs
    assert not counters["graph_break"]


@pytest.mark.compiled
def test_the_depth_adds_nothing_to_compile(tiny: Tiny) -> None:
    graphs: list[int] = []
    for depth in (2, 12):
        compiled = compiled_copy(tiny(depth=depth))
        with torch.inference_mode():
            compiled(torch.randn(1, 640))
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[1] > 0


@pytest.mark.compiled
@pytest.mark.parametrize("keywords", [{}, {"freqs_per_bands": (4, 5, 8, 8, 8)}, {"mask_estimator_depth": 2}])
def test_front_end_and_mask_estimators_are_one_graph_each(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, keywords: dict[str, Any]
) -> None:
    """As they are compiled on a GPU."""
    for module in (_band_split, _mask):
        monkeypatch.setattr(module, "pays", lambda _, modules: all(map(_is_plain, modules)))
    torch.compiler.reset()
    counters.clear()
    torch.manual_seed(0)
    model = tiny(**keywords)
    compiled = copy.deepcopy(model)
    with torch.inference_mode():
        model(torch.randn(2, 100))  # einops meets PyTorch once, and code compiled before that is compiled again
    for block in (compiled.band_split, *compiled.mask_estimators):
        block.compile(fullgraph=True, dynamic=True)
    with torch.inference_mode():
        for length in (640, 320, 100):
            audio = torch.randn(2, length)
            assert error(compiled(audio), model(audio)) < 2e-6
    assert counters["stats"]["unique_graphs"] == 2


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # the compiler itself looks at it
@pytest.mark.parametrize("use_torch_checkpoint", [False, True])
def test_compiled_blocks_learn(tiny: Tiny, use_torch_checkpoint: bool) -> None:
    torch.manual_seed(0)
    model = tiny(depth=2, use_torch_checkpoint=use_torch_checkpoint).train()
    compiled = compiled_copy(model)
    audio, target = torch.randn(2, 2, 640).unbind()
    for separator in (model, compiled):
        separator(audio, target).backward()
    for plain, own in zip(model.parameters(), compiled.parameters(), strict=True):
        if plain.grad is not None:
            torch.testing.assert_close(own.grad, plain.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.compiled
def test_compiling_changes_no_key(tiny: Tiny) -> None:
    model = tiny()
    assert compiled_copy(model).state_dict().keys() == model.state_dict().keys()
