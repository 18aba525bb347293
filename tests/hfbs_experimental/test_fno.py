"""The FNO mask head: against numbers of the neuraloperator library, its laws, and its sizes read from its weights."""

import dataclasses
import math
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hfbs_experimental import _fno
from hfbs_experimental._fno import FourierOperator
from hfbs_experimental.mask_heads import FNO, FNOMaskEstimator, FNOSettings
from hfbs_model import BandSplitRotator, MaskEstimator, Parts

from .conftest import TINY, away_from_start

BANDS = (2, 4, 6)
SMALL = FNOSettings(num_modes=4, num_blocks=2)


def head(sizes: FNOSettings = SMALL, dim: int = 8) -> FNOMaskEstimator:
    return away_from_start(FNOMaskEstimator(dim, BANDS, settings=sizes)).eval()


def keywords_of(sizes: FNOSettings) -> dict[str, object]:
    return {f"fno_{name}": value for name, value in dataclasses.asdict(sizes).items()}


def wave(tensor: Tensor, phase: int) -> Tensor:
    """The same numbers for any library: waves over the elements."""
    index = torch.arange(tensor.numel(), dtype=torch.float64)
    real, imaginary = torch.sin(1.7 * index + phase), torch.cos(0.9 * index + phase)
    numbers = torch.complex(real, imaginary) if tensor.is_complex() else real
    return numbers.reshape(tensor.shape).to(tensor.dtype)


def test_operator_gives_the_numbers_of_neuraloperator() -> None:
    """Computed with neuraloperator 2.0.0: FNO(n_modes=(6,), hidden_channels=4, in_channels=4, out_channels=3,
    n_layers=2, separable=True), whose keys are ours."""
    operator = FourierOperator(4, 3, SMALL)
    weights = operator.state_dict()
    operator.load_state_dict({name: wave(weights[name], phase) for phase, name in enumerate(sorted(weights))})
    x = torch.cos(0.37 * torch.arange(36, dtype=torch.float32)).reshape(1, 4, 9)
    expected = [
        [-2.97961, -2.67038, -2.75191, -2.34591, -2.14133, -2.01519, -1.5847, -1.37849, -1.41281],
        [-2.76388, -2.65007, -2.66108, -2.58166, -2.56216, -2.55944, -2.611, -2.66335, -2.64898],
        [1.41994, 1.22719, 1.29745, 0.97273, 0.7881, 0.66475, 0.18149, -0.07829, -0.02927],
    ]
    torch.testing.assert_close(operator(x)[0], torch.tensor(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("frames", [5, 6, 9])
def test_what_becomes_frames_is_the_spectrum_of_a_real_signal(monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    """cuFFT, with several signals at once, lets what is imaginary at 0 and at half the rate into the result."""
    inverse = _fno._irfft
    spectra: list[Tensor] = []

    def seen(spectrum: Tensor, **transform: Any) -> Tensor:
        spectra.append(spectrum.detach().clone())
        return inverse(spectrum, **transform)

    monkeypatch.setattr(_fno, "_irfft", seen)
    head()(torch.randn(2, frames, len(BANDS), 8)).sum().backward()
    for spectrum in spectra:
        assert not spectrum[..., 0].imag.any()
        assert spectrum[..., 1:-1].imag.all()
        assert bool(spectrum[..., -1].imag.any()) == (frames != 6)  # whose last mode kept is at half the rate


def test_spectral_convolution_scales_kept_modes_and_drops_the_others() -> None:
    operator = FourierOperator(1, 1, FNOSettings(num_modes=3, mlp_ratio=1.0))
    convolution = operator.get_submodule("fno_blocks.convs.0")
    with torch.no_grad():
        convolution.get_parameter("weight.tensor").copy_(torch.tensor([[1.0, 2.0, 3.0j]]))
    turns = 2 * math.pi * torch.arange(16) / 16
    x = 0.5 + turns.cos() + (2 * turns).cos() + (5 * turns).cos()
    # 3i turns the cosine by a quarter.
    expected = 0.5 + 2 * turns.cos() - 3 * (2 * turns).sin()
    torch.testing.assert_close(convolution(x[None, None])[0, 0], expected)


@settings(max_examples=15)
@given(frames=st.integers(1, 40))
def test_batch_of_two_gives_what_two_batches_of_one_give(frames: int) -> None:
    estimator, tokens = head(), torch.randn(2, frames, 3, 8)
    masks = estimator(tokens)
    assert masks.shape == (2, frames, sum(BANDS))
    torch.testing.assert_close(masks, torch.cat([estimator(one) for one in tokens.split(1)]), rtol=0, atol=1e-5)


def test_masks_of_a_band_depend_on_that_band_alone() -> None:
    torch.manual_seed(0)
    estimator, tokens = head(), torch.randn(1, 7, 3, 8)
    changed = tokens.clone()
    changed[:, 3, 1] += 1
    differs = (estimator(changed) != estimator(tokens)).any(dim=1)[0]
    assert differs.tolist() == [False] * 2 + [True] * 4 + [False] * 6


def test_every_parameter_has_a_gradient() -> None:
    torch.manual_seed(1)
    estimator = head()
    estimator(torch.randn(2, 9, 3, 8)).square().sum().backward()
    assert not [name for name, p in estimator.named_parameters() if p.grad is None or not p.grad.any()]


@settings(max_examples=15)
@given(modes=st.integers(1, 9), blocks=st.integers(1, 4), lifting=st.sampled_from([1.0, 2.0, 2.5]), mlp=st.just(0.5))
def test_weights_tell_all_sizes(modes: int, blocks: int, lifting: float, mlp: float) -> None:
    sizes = FNOSettings(modes, blocks, lifting, mlp)
    weights = FNOMaskEstimator(8, BANDS, settings=sizes).state_dict(prefix="mask_estimators.0.")
    assert FNO.infer(weights) == keywords_of(sizes)
    assert not FNO.questions


@pytest.mark.parametrize("sizes", [SMALL, FNOSettings(7, 1, 1.0, 1.0)], ids=["small", "other"])
def test_separator_built_from_its_weights_gives_its_output(sizes: FNOSettings) -> None:
    torch.manual_seed(2)

    def separator(**of_variant: Any) -> BandSplitRotator:
        return BandSplitRotator(**{**TINY, "num_stems": 2}, parts=FNO.build(Parts(), **of_variant)).eval()

    saved = away_from_start(separator(**keywords_of(sizes)))
    loaded = separator(**FNO.infer(saved.state_dict()))
    loaded.load_state_dict(saved.state_dict())
    mixture = torch.randn(1, 1, 200)
    assert torch.equal(loaded(mixture), saved(mixture))


def test_operators_that_mix_channels_in_the_spectrum_are_refused() -> None:
    weights = head().state_dict(prefix="mask_estimators.0.")
    weights["mask_estimators.0.to_freqs.0.0.fno_blocks.convs.0.weight.tensor"] = torch.zeros(8, 8, 4)
    with pytest.raises(
        ValueError, match=re.escape("got spectral weights of shape (8, 8, 4); operators with separable")
    ):
        FNO.infer(weights)


def test_weights_of_another_head_are_refused_by_the_missing_name() -> None:
    with pytest.raises(
        ValueError, match=r"the checkpoint lacks mask_estimators\.0\.to_freqs\.0\.0\.fno_blocks\.convs\.0"
    ):
        FNO.infer(MaskEstimator(4, (4, 4), depth=1).state_dict(prefix="mask_estimators.0."))


@pytest.mark.parametrize("name", ["num_modes", "num_blocks"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is at least 1, got 0"):
        dataclasses.replace(SMALL, **{name: 0})


def test_ratio_that_leaves_no_feature_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("mlp_ratio × dim is at least one feature, got 0.1 × 4")):
        FourierOperator(4, 2, FNOSettings(mlp_ratio=0.1))
