"""Half precision stays within a stated tolerance of float32, and copies compute the same.

The tolerance is of the separated audio, ‖half − single‖ / ‖single‖: 1 % for float16, 5 % for bfloat16, which has three
bits less.
"""

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from hfbs_model import BandSplitRotator

TOLERANCES = {torch.float16: 0.01, torch.bfloat16: 0.05}
LEVELS = {"as recorded": 1.0, "60 dB louder": 1000.0, "60 dB softer": 0.001}
VARIANTS: dict[str, dict[str, Any]] = {
    "rope": {},
    "pope": {"use_pope": True},
    "linear attention": {"linear_transformer_depth": 1},
    "value residual": {"use_value_residual_learning": True},
    "overlapping bands": {"mask_filter_bank": [[1] * 20 + [0] * 13, [0] * 9 + [1] * 24]},
}


def case(tiny: Any, variant: str) -> tuple[BandSplitRotator, Tensor]:
    torch.manual_seed(0)
    model = tiny(dim=32, dim_head=8, depth=2, stereo=True, num_stems=2, **VARIANTS[variant])
    return model, torch.randn(1, 2, 1000) * 0.1


def relative(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


@torch.no_grad()
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cast_model_stays_near_float32(tiny: Any, variant: str, dtype: torch.dtype, level: str) -> None:
    model, audio = case(tiny, variant)
    audio *= LEVELS[level]
    stems = copy.deepcopy(model).to(dtype)(audio)
    assert stems.dtype == torch.float32
    assert relative(stems, model(audio)) < TOLERANCES[dtype]


@torch.no_grad()
@pytest.mark.parametrize("level", [1e-6, 1.0, 32768.0])
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_the_range_of_half_precision_limits_no_level(dtype: torch.dtype, level: float) -> None:
    """A sine's bin is 512 times its level: the loudest here is beyond float16, the softest below its finest step."""
    model = BandSplitRotator(16, depth=1, heads=2, dim_head=8).eval()
    audio = level * torch.sin(torch.arange(6000) * 0.1)[None] + level * 0.01 * torch.randn(1, 6000)
    assert relative(copy.deepcopy(model).to(dtype)(audio), model(audio)) < TOLERANCES[dtype]


@torch.no_grad()
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_autocast_stays_near_float32(tiny: Any, variant: str, dtype: torch.dtype, level: str) -> None:
    model, audio = case(tiny, variant)
    audio *= LEVELS[level]
    with torch.autocast("cpu", dtype):
        stems = model(audio)
    assert stems.dtype == torch.float32
    assert relative(stems, model(audio)) < TOLERANCES[dtype]


@torch.no_grad()
@pytest.mark.parametrize("dtype", [*TOLERANCES, torch.float32, torch.float64])
@pytest.mark.parametrize("variant", VARIANTS)
def test_silence_stays_silent_in_any_precision(tiny: Any, variant: str, dtype: torch.dtype) -> None:
    model, audio = case(tiny, variant)
    assert not model.to(dtype)(torch.zeros_like(audio)).any()


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_under_autocast_are_finite_also_in_silence(tiny: Any, variant: str, dtype: torch.dtype) -> None:
    model, audio = case(tiny, variant)
    audio[..., 400:] = 0
    with torch.autocast("cpu", dtype):
        loss = model.train()(audio, torch.randn(1, 2, 2, 1000))
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_double_precision_refines_single_precision(tiny: Any, variant: str) -> None:
    model, audio = case(tiny, variant)
    exact = copy.deepcopy(model).to(torch.float64)(audio.double())
    assert exact.dtype == torch.float64
    assert relative(model(audio), exact) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_copies_pickles_and_state_dicts_compute_the_same(tiny: Any, variant: str) -> None:
    model, audio = case(tiny, variant)
    expected = model(audio)
    assert torch.equal(copy.deepcopy(model)(audio), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(audio), expected)

    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    torch.manual_seed(1)
    other = tiny(dim=32, dim_head=8, depth=2, stereo=True, num_stems=2, **VARIANTS[variant])
    assert not torch.equal(other(audio), expected)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(audio), expected)
