"""A model whose masks are all 1 + 0i gives its input back."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator, MaskEstimator
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer

LENGTHS = st.integers(1, 400)
CHANNELS = st.booleans()


@torch.no_grad()
def with_masks_of_one(model: BandSplitRotator) -> BandSplitRotator:
    """The model in float64 with every mask 1 + 0i: no weights, and biases that open the gates."""
    for estimator in model.mask_estimators.modules():
        if isinstance(estimator, MaskEstimator):
            for width, band in zip(estimator.dim_inputs, estimator.to_freqs, strict=True):
                last = [module for module in band.modules() if isinstance(module, nn.Linear)][-1]
                last.weight.zero_()
                mask = torch.tensor([1.0, 0.0]).repeat(width // 2)
                last.bias.copy_(torch.cat((mask, torch.full_like(mask, 100.0))))
    return model.eval().double()


def noise(model: BandSplitRotator, length: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, model.audio_channels, length, dtype=torch.float64)


@settings(max_examples=60)
@given(layout=st.from_type(BandLayout), stereo=CHANNELS, length=LENGTHS, hop_length=st.integers(1, 32))
def test_any_layout_gives_its_input_back(
    tiny: Any, layout: BandLayout, stereo: bool, length: int, hop_length: int
) -> None:
    model = tiny(mask_filter_bank=layout, stereo=stereo, stft_hop_length=hop_length, zero_dc=False)
    audio = noise(with_masks_of_one(model), length)
    torch.testing.assert_close(model(audio)[:, 0], audio, rtol=0, atol=1e-9)


@settings(max_examples=60)
@given(stereo=CHANNELS, length=LENGTHS, num_stems=st.integers(1, 3))
def test_each_stem_gives_the_input_back(tiny: Any, stereo: bool, length: int, num_stems: int) -> None:
    model = with_masks_of_one(tiny(stereo=stereo, num_stems=num_stems, zero_dc=False))
    audio = noise(model, length)
    torch.testing.assert_close(model(audio), audio[:, None].expand(-1, num_stems, -1, -1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("stereo", [False, True])
@pytest.mark.parametrize("length", [1, 1024, 5000])
@pytest.mark.parametrize("hop_length", [441, 1024])
@pytest.mark.parametrize("kind", ["bs", "mel", "mel 4096"])
def test_published_layouts_give_their_input_back(kind: str, hop_length: int, length: int, stereo: bool) -> None:
    keywords: dict[str, Any] = {"dim": 4, "depth": 1, "heads": 1, "dim_head": 4, "stft_hop_length": hop_length}
    keywords |= {"stereo": stereo, "zero_dc": False, "mlp_expansion_factor": 1}
    if kind == "bs":
        model = BSRoformer(**keywords)
    elif kind == "mel":
        model = MelBandRoformer(**keywords, match_input_audio_length=True)
    else:
        model = BandSplitRotator(**keywords, num_bands=60, sample_rate=44100, stft_n_fft=4096, stft_win_length=4096)
    audio = noise(with_masks_of_one(model), length, batch=1)
    torch.testing.assert_close(model(audio).reshape(audio.shape), audio, rtol=0, atol=1e-9)


@settings(max_examples=60)
@given(layout=st.from_type(BandLayout), length=st.integers(1, 300))
def test_zero_dc_takes_away_exactly_the_lowest_bin(tiny: Any, layout: BandLayout, length: int) -> None:
    model = with_masks_of_one(tiny(mask_filter_bank=layout, zero_dc=True))
    audio = noise(model, length)
    separated = model(audio)
    # What the lowest bin holds, by itself: the spectrum with all other bins left out.
    padded = torch.nn.functional.pad(audio, (0, max(0, 33 - length)))
    window = torch.hann_window(64, dtype=torch.float64)
    spectrum = torch.stft(padded.flatten(0, 1), 64, 16, window=window, return_complex=True)
    spectrum[:, 1:] = 0
    lowest = torch.istft(spectrum, 64, 16, window=window, length=length).view_as(audio)
    torch.testing.assert_close(separated[:, 0], audio - lowest, rtol=0, atol=1e-9)


@settings(max_examples=60)
@given(first=st.integers(0, 32), width=st.integers(2, 33), length=st.integers(33, 300))
def test_freq_range_passes_what_is_inside_and_nothing_else(tiny: Any, first: int, width: int, length: int) -> None:
    first = min(first, 31)
    last = min(first + width, 33)
    model = with_masks_of_one(tiny(freq_range=(first, last), freqs_per_bands=(1, last - first - 1), zero_dc=False))
    audio = noise(model, length, batch=1)
    window = torch.hann_window(64, dtype=torch.float64)
    spectrum = torch.stft(audio[0], 64, 16, window=window, return_complex=True)
    spectrum[:, :first] = 0
    spectrum[:, last:] = 0
    expected = torch.istft(spectrum, 64, 16, window=window, length=length)
    torch.testing.assert_close(model(audio)[0, 0], expected, rtol=0, atol=1e-9)


def test_minus_one_in_freq_range_stands_for_the_ends(tiny: Any) -> None:
    torch.manual_seed(1)
    audio = torch.randn(1, 1, 200)
    keywords = {"freqs_per_bands": (3, 30)}
    torch.manual_seed(0)
    expected = tiny(**keywords)(audio)
    for freq_range in ((-1, -1), (0, -1), (-1, 33), (0, 33)):
        torch.manual_seed(0)
        assert torch.equal(tiny(freq_range=freq_range, **keywords)(audio), expected)
