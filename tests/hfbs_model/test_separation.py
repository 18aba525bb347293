"""What the separator gives back: which stems, how long, and independently of what else is in the batch."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator

LENGTHS = st.integers(1, 300)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "deep": {"depth": 2, "skip_connection": True},
    "linear attention": {"linear_transformer_depth": 1},
    "value residual": {"depth": 2, "use_value_residual_learning": True},
    "PoPE": {"use_pope": True},
    "stereo": {"stereo": True},
}
STEMS = st.permutations(range(4)).flatmap(lambda order: st.integers(1, 4).map(lambda count: order[:count]))


def noise(model: BandSplitRotator, length: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, model.audio_channels, length)


@settings(max_examples=50)
@given(
    variant=st.sampled_from(list(VARIANTS)),
    layout=st.from_type(BandLayout),
    length=LENGTHS,
    batch=st.integers(1, 3),
    num_stems=st.integers(1, 3),
)
@torch.no_grad()
def test_gives_each_stem_as_long_as_the_mixture(
    tiny: Any, variant: str, layout: BandLayout, length: int, batch: int, num_stems: int
) -> None:
    model = tiny(mask_filter_bank=layout, num_stems=num_stems, **VARIANTS[variant])
    stems = model(noise(model, length, batch))
    assert stems.shape == (batch, num_stems, model.audio_channels, length)
    assert stems.dtype == torch.float32
    assert stems.isfinite().all()


@settings(max_examples=50)
@given(variant=st.sampled_from(list(VARIANTS)), length=LENGTHS)
@torch.no_grad()
def test_a_batch_of_two_is_two_batches_of_one(tiny: Any, variant: str, length: int) -> None:
    model = tiny(num_stems=2, **VARIANTS[variant]).double()
    audio = noise(model, length).double()
    torch.testing.assert_close(model(audio), torch.cat([model(audio[:1]), model(audio[1:])]), rtol=0, atol=1e-12)


@settings(max_examples=30)
@given(order=st.permutations(range(4)))
@torch.no_grad()
def test_permuting_stems_permutes_outputs(tiny: Any, order: list[int]) -> None:
    model = tiny(num_stems=4)
    audio = noise(model, 100)
    expected = model(audio)[:, order]
    model.mask_estimators = nn.ModuleList(model.mask_estimators[stem] for stem in order)
    assert torch.equal(model(audio), expected)


@settings(max_examples=50)
@given(active=STEMS, stereo=st.booleans())
@torch.no_grad()
def test_active_stems_are_slices_of_all_stems(tiny: Any, active: list[int], stereo: bool) -> None:
    model = tiny(num_stems=4, stereo=stereo)
    audio = noise(model, 100)
    assert torch.equal(model(audio, active_stem_ids=active), model(audio)[:, active])


@settings(max_examples=50)
@given(active=STEMS, stereo=st.booleans(), longer=st.integers(0, 20))
def test_the_loss_of_active_stems_is_that_of_a_model_with_these_stems_only(
    tiny: Any, active: list[int], stereo: bool, longer: int
) -> None:
    model, small = tiny(num_stems=4, stereo=stereo), tiny(num_stems=len(active), stereo=stereo)
    small.load_state_dict(model.state_dict(), strict=False)
    small.mask_estimators = nn.ModuleList(model.mask_estimators[stem] for stem in active)
    audio = noise(model, 100)
    target = torch.randn(2, 4, model.audio_channels, 100 + longer)
    total, terms = model(audio, target, active, return_loss_breakdown=True)
    expected, expected_terms = small(audio, target[:, active], return_loss_breakdown=True)
    torch.testing.assert_close((total, *terms), (expected, *expected_terms))
    assert torch.equal(model(audio, target, active), total)


def test_only_active_stems_learn(tiny: Any) -> None:
    model = tiny(num_stems=3)
    model(noise(model, 100), torch.randn(2, 3, 1, 100), [2, 0]).backward()
    learnt = [any(p.grad is not None for p in estimator.parameters()) for estimator in model.mask_estimators]
    assert learnt == [True, False, True]


@settings(max_examples=30)
@given(length=LENGTHS)
@torch.no_grad()
def test_one_channel_may_go_without_its_axis(tiny: Any, length: int) -> None:
    model = tiny(num_stems=2)
    audio = noise(model, length)
    assert torch.equal(model(audio[:, 0]), model(audio))


@pytest.mark.parametrize(
    ("stereo", "num_stems", "shape"), [(False, 1, (2, 50)), (False, 3, (2, 3, 50)), (True, 1, (2, 2, 50))]
)
def test_a_target_may_go_without_the_axes_of_one_channel_and_one_stem(
    tiny: Any, stereo: bool, num_stems: int, shape: tuple[int, ...]
) -> None:
    model = tiny(stereo=stereo, num_stems=num_stems)
    audio, target = noise(model, 50), torch.randn(shape)
    full = target.reshape(2, num_stems, model.audio_channels, 50)
    assert torch.equal(model(audio, target), model(audio, full))


@given(length=LENGTHS, hop_length=st.integers(1, 32))
@settings(max_examples=50)
@torch.no_grad()
def test_without_the_inputs_length_the_output_has_its_whole_hops(tiny: Any, length: int, hop_length: int) -> None:
    torch.manual_seed(0)
    whole = tiny(stft_hop_length=hop_length)
    torch.manual_seed(0)
    cut = tiny(stft_hop_length=hop_length, match_input_audio_length=False)
    audio = noise(whole, length)
    kept = length // hop_length * hop_length
    assert cut(audio).shape == (2, 1, 1, kept)
    torch.testing.assert_close(cut(audio), whole(audio)[..., :kept])


@torch.no_grad()
def test_skip_connection_adds_the_outputs_of_all_earlier_layers(tiny: Any) -> None:
    model = tiny(depth=3, skip_connection=True)
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    for layer in model.layers:
        time, band = layer
        time.register_forward_pre_hook(lambda _, x: inputs.append(x[0].transpose(0, 1)))
        band.register_forward_hook(lambda _, x, y: outputs.append(y))
    model(noise(model, 100, batch=1))
    first, second = outputs[0], outputs[1]
    torch.testing.assert_close(inputs[1], first + first)
    torch.testing.assert_close(inputs[2], second + first + second)


@torch.no_grad()
def test_outside_freq_range_the_model_neither_sees_nor_passes_anything(tiny: Any) -> None:
    model = tiny(freq_range=(8, 16), freqs_per_bands=(3, 5)).double()
    time = torch.arange(641, dtype=torch.float64)
    # Cycles a frame: one inside each band, and one outside by more than the window's main lobe; no end breaks a cosine.
    low, high, outside = (torch.cos(2 * torch.pi * cycles * time / 64)[None] for cycles in (9, 13, 24))
    inside = low + high
    assert model(inside).abs().max() > 1e-3
    assert model(outside).abs().max() < 1e-9
    torch.testing.assert_close(model(inside + outside), model(inside), rtol=0, atol=1e-9)


@pytest.mark.parametrize("zero_dc", [False, True])
def test_what_becomes_audio_is_the_spectrum_of_a_real_signal(
    tiny: Any, monkeypatch: pytest.MonkeyPatch, zero_dc: bool
) -> None:
    """cuFFT, with several signals at once, lets what is imaginary at 0 Hz and the Nyquist frequency into the result."""
    inverse: Any = torch.istft
    spectra: list[Tensor] = []

    def seen(spectrum: Tensor, **transform: Any) -> Tensor:
        spectra.append(spectrum)
        return inverse(spectrum, **transform)

    monkeypatch.setattr(torch, "istft", seen)
    model = tiny(stereo=True, zero_dc=zero_dc)
    audio = noise(model, 300).requires_grad_()
    model(audio).sum().backward()
    (spectrum,) = spectra
    assert not spectrum[:, [0, -1]].imag.any()
    assert spectrum[:, 0].real.any() != zero_dc
    assert spectrum[:, 1:-1].imag.all()
    assert audio.grad is not None
    assert audio.grad.isfinite().all()
