"""Mask heads with upstream's weights give upstream's output and gradients.

splifft has all of them as modules of their own, pymss the second version of HyperACE in a whole separator.
"""

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn

from hfbs_experimental.mask_heads import (
    AXIAL_REFINER,
    HYPERACE,
    AxialRefinerMaskEstimator,
    AxialRefinerSettings,
    HyperACEMaskEstimator,
    HyperACESettings,
)
from hfbs_model import BandSplitRotator, Parts
from parity.cases import SMALL
from parity.oracles import gradients_of
from parity.table import Row
from parity.test_parity import relative_difference

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pymss_core.modules.bs_roformer import BSRoformerHyperACE
    from splifft.models.bs_roformer import AxialRefinerLargeV2MaskEstimator, HyperAceResidualMaskEstimator
    from splifft.models.utils.hyperace import SegmModelHyperAceV1, SegmModelHyperAceV2

DIM = 16
BANDS = (4, 8) * 31
"""As many bands as the checkpoints have: with few, the coarsest scale has too few elements to be normalised well."""
V1_PUBLISHED = HyperACESettings(version=1, num_hyperedges=16, num_high_order=3, num_low_order=2)
V2_PUBLISHED = HyperACESettings()
type Heads = tuple[HyperACEMaskEstimator, nn.Module]


def drawn[Model: nn.Module](model: Model) -> Model:
    """The model with weights that keep its features near one, and none at the special value that it starts at."""
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
            around = 0.0 if parameter.ndim > 1 else 1.0
            parameter.copy_(around + torch.randn_like(parameter) * (0.3 if parameter.ndim < 2 else fan_in**-0.5))
    return model.eval()


@pytest.fixture(
    scope="module",
    params=[(V1_PUBLISHED, SegmModelHyperAceV1), (V2_PUBLISHED, SegmModelHyperAceV2)],
    ids=["v1", "v2"],
)
def hyperace_heads(request: pytest.FixtureRequest) -> Heads:
    """Ours and splifft's of the published sizes, with the same weights."""
    torch.manual_seed(0)
    settings, branch = request.param
    segm = branch(in_bands=len(BANDS), in_dim=DIM, out_bins=sum(BANDS) // 4, out_channels=4)
    theirs = drawn(HyperAceResidualMaskEstimator(DIM, BANDS, 2, 4, segm))
    ours = HyperACEMaskEstimator(DIM, BANDS, depth=1, audio_channels=2, settings=settings).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("frames", [1, 2, 17, 40])
def test_hyperace_gives_the_masks_of_splifft_at_any_length(hyperace_heads: Heads, frames: int) -> None:
    torch.manual_seed(frames)
    ours, theirs = hyperace_heads
    tokens = torch.randn(1, frames, len(BANDS), DIM)
    with torch.no_grad():
        assert relative_difference(ours(tokens), theirs(tokens)) <= 1e-5


def test_hyperace_gives_the_masks_and_gradients_of_splifft(hyperace_heads: Heads, rows: list[Row]) -> None:
    """In float64: with random weights the network multiplies rounding in its backward pass."""
    torch.manual_seed(3)
    ours, theirs = (copy.deepcopy(model).double() for model in hyperace_heads)
    tensors = sum(name.startswith("segm.") for name in ours.state_dict())
    tokens = torch.randn(1, 9, len(BANDS), DIM, dtype=torch.float64)
    rows.append(compared(f"splifft HyperACE head, {tensors} tensors, float64", ours, theirs, tokens))


def test_sizes_of_hyperace_are_read_from_the_weights_of_splifft(hyperace_heads: Heads) -> None:
    ours, theirs = hyperace_heads
    weights = theirs.state_dict(prefix="mask_estimators.0.")
    parts = HYPERACE.build(Parts(), **HYPERACE.infer(weights), hyperace_num_heads=8)
    built = parts.mask_estimator(DIM, BANDS, depth=1, mlp_expansion_factor=4)
    assert {name: t.shape for name, t in built.state_dict().items()} == {
        name: t.shape for name, t in ours.state_dict().items()
    }


@pytest.mark.parametrize("frames", [1, 17])
def test_axial_refiner_gives_the_masks_of_splifft(frames: int, rows: list[Row]) -> None:
    """splifft's positions are tables that its state dict lacks; ours are what every model starts with."""
    torch.manual_seed(frames)
    widths = (8, 8, 12, 16)
    theirs = drawn(AxialRefinerLargeV2MaskEstimator(DIM, widths, 2, 4, 3, frames, len(widths), None))
    ours = AxialRefinerMaskEstimator(DIM, widths, depth=1, settings=AxialRefinerSettings(depth=3)).eval()
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not unexpected
    assert all(name.endswith("rotary_embed.freqs") for name in missing)
    tokens = torch.randn(2, frames, len(widths), DIM)
    rows.append(compared("splifft axial refiner head", ours, theirs, tokens))
    assert AXIAL_REFINER.infer(theirs.state_dict(prefix="mask_estimators.0.")) == {
        "refiner_depth": 3,
        "refiner_time_transformer_depth": 1,
        "refiner_freq_transformer_depth": 1,
        "refiner_dim_head": 64,
        "refiner_heads": 8,
        "refiner_ff_mult": 4.0,
    }


@pytest.mark.parametrize(("num_stems", "length"), [(1, 7000), (2, 5000)])
def test_hyperace_separator_gives_the_stems_of_pymss(num_stems: int, length: int, rows: list[Row]) -> None:
    """pymss has the second version, for two audio channels. It does not train in float64, and in float32 the branch's
    gradients are rounding multiplied: 7e-5 of the largest was seen."""
    torch.manual_seed(length)
    keywords = SMALL | {"dim": DIM, "depth": 1, "stereo": True, "num_stems": num_stems}
    theirs = drawn(BSRoformerHyperACE(**keywords, flash_attn=False)).train()  # evaluation keeps no gradients
    theirs.set_mask_mode("full")
    weights = theirs.state_dict()
    parts = HYPERACE.build(Parts(), **HYPERACE.infer(weights), hyperace_num_heads=8)
    ours = BandSplitRotator(**keywords, zero_dc=False, parts=parts)
    ours.load_state_dict(weights)
    mixture = torch.randn(1, 2, length)
    case = f"pymss BS HyperACE v2: num_stems={num_stems}, {length} samples"
    rows.append(compared(case, ours, theirs, mixture, gradient_bound=1e-3))


def compared(case: str, ours: nn.Module, theirs: nn.Module, inputs: Tensor, gradient_bound: float = 1e-4) -> Row:
    """The differences between two models with the same weights, each within its bound."""
    our_output, their_output = ours(inputs), theirs(inputs)
    our_output.square().sum().backward()
    their_output.square().sum().backward()
    our_gradients, their_gradients = gradients_of(ours), gradients_of(theirs)
    assert our_gradients.keys() == their_gradients.keys()
    row = Row(
        case,
        output=relative_difference(our_output, their_output.reshape(our_output.shape)),
        gradients=max(relative_difference(our_gradients[name], theirs) for name, theirs in their_gradients.items()),
    )
    assert row.output <= 1e-5
    assert row.gradients <= gradient_bound
    return row
