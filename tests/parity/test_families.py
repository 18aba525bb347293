"""Every family of the community's checkpoints loads from its weights alone, and gives upstream's output."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hfbs_experimental.attend import BIASED_ATTENTION, HYPER_CONNECTIONS, MSST_RESIDUALS
from hfbs_experimental.mask_heads import (
    AxialRefinerMaskEstimator,
    AxialRefinerSettings,
    FNOMaskEstimator,
    FNOSettings,
    HyperACEMaskEstimator,
    HyperACESettings,
)
from hfbs_model import BandSplitRotator, Parts, Report, load_checkpoint
from parity.cases import Case, stft
from parity.families import FAMILIES, TRUNK, Family
from parity.oracles import build
from parity.table import FamilyRow
from parity.test_loading import difference, untold
from parity.test_parity import relative_difference


def told(report: Report) -> int:
    return len(report.by_origin("weights"))


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_a_family_loads_from_its_weights_alone(family: Family, tmp_path: Path, families: list[FamilyRow]) -> None:
    torch.manual_seed(len(family.name))
    theirs = build(family.case).eval()
    if family.half:
        for parameter in theirs.parameters():
            parameter.copy_(parameter.half())
    state = {name: tensor.half() if family.half else tensor for name, tensor in theirs.state_dict().items()}
    torch.save(state, tmp_path / "model.ckpt")
    checkpoint = load_checkpoint(tmp_path / "model.ckpt", **untold(family.case))
    if family.double:
        theirs.double().stft_window_fn = partial(torch.hann_window, 2048, dtype=torch.float64)
        checkpoint.model.double()
    worst = difference(theirs, family.case, checkpoint.model)
    families.append(FamilyRow(family.name, told(checkpoint.report), family.case.upstream, worst))
    assert checkpoint.report.differences == ()
    assert worst <= 1e-5


@dataclass(frozen=True)
class Alone:
    """A family that no installable package builds: ours is compared with itself, after its keys and shapes.

    Attributes:
        name: Who trained it, and what.
        parts: What the family has in the place of the stable model's parts.
        keywords: Of BandSplitRotator.
        answers: What weights do not tell, beyond the usual.
        respelled: From our state dict to the keys of the family's files.
    """

    name: str
    parts: Parts
    keywords: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    respelled: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict

    def __str__(self) -> str:
        return self.name


def as_the_original_sw(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cosines and sines of positions in float16, and shared biases under names of their own."""
    angles = torch.outer(torch.arange(1151), 10000.0 ** (-torch.arange(0, 8, 2) / 8)).repeat_interleave(2, dim=-1)
    tables = {f"cos_emb_{axis}": angles.cos().half() for axis in ("time", "freq")}
    tables |= {f"sin_emb_{axis}": angles.sin().half() for axis in ("time", "freq")}
    biases = {"shared_qkv_bias": ".to_qkv.bias", "shared_out_bias": ".to_out.0.bias"}
    first = "layers.0.0.layers.0.0"
    shared = {name: state[first + ending] for name, ending in biases.items()}
    own = (*biases.values(), "rotary_embed.freqs")
    return {name: tensor for name, tensor in state.items() if not name.endswith(own)} | tables | shared


def heads(head: Any, settings: Any) -> Parts:
    return Parts(mask_estimator=partial(head, settings=settings))


VERSION_1 = HyperACESettings(version=1, num_hyperedges=16, num_high_order=3, num_low_order=2)
HYPERACE_1 = partial(HyperACEMaskEstimator, audio_channels=2, settings=VERSION_1)
FOUR_STREAMS = HYPER_CONNECTIONS.build(Parts(), num_residual_streams=4, hyper_connections="2024")
ALONE = [
    Alone("unwa HyperACE v1", Parts(mask_estimator=HYPERACE_1), answers={"hyperace_num_heads": 8}),
    Alone("unwa large_inst_v2 (axial refiner)", heads(AxialRefinerMaskEstimator, AxialRefinerSettings(dim_head=8))),
    Alone("unwa FNO", heads(FNOMaskEstimator, FNOSettings())),
    Alone(
        "unwa inst_EXP_value_residual",
        MSST_RESIDUALS.build(Parts()),
        {"use_value_residual_learning": True},
        {"msst_residuals": True},
    ),
    Alone("MSST experimental, 4 streams", MSST_RESIDUALS.build(FOUR_STREAMS), answers={"msst_residuals": True}),
    Alone("SW original", BIASED_ATTENTION.build(Parts()), {"num_stems": 6}, respelled=as_the_original_sw),
]


@torch.no_grad()
@pytest.mark.parametrize("family", ALONE, ids=str)
def test_a_family_that_only_we_build_loads_from_its_weights_alone(
    family: Alone, tmp_path: Path, families: list[FamilyRow]
) -> None:
    torch.manual_seed(len(family.name))
    case = Case("pymss BS", 8000, {**TRUNK, "depth": 3, **stft(2048, 512), **family.keywords})
    ours = BandSplitRotator(**case.settings, zero_dc=False, parts=family.parts).eval()
    first_of: dict[tuple[str, torch.Size], Tensor] = {}
    for name, parameter in ours.named_parameters():
        if parameter.requires_grad:
            parameter.add_(0.02 * torch.randn_like(parameter))
        if name.endswith((".to_qkv.bias", ".to_out.0.bias")):  # all layers of the original SW share them
            parameter.copy_(first_of.setdefault((name.split(".")[-2], parameter.shape), parameter))
    torch.save(family.respelled(ours.state_dict()), tmp_path / "model.ckpt")
    checkpoint = load_checkpoint(tmp_path / "model.ckpt", **untold(case), **family.answers)
    mixture = torch.randn(1, 2, case.length)
    worst = relative_difference(checkpoint.model(mixture), ours(mixture))
    families.append(FamilyRow(family.name, told(checkpoint.report), "ours, by key and shape", worst))
    assert checkpoint.report.differences == ()
    assert worst <= 1e-6
