"""BandGather at work equals the numpy reference of hfbs-filterbanks, for any layout."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hfbs_filterbanks import BandLayout
from hfbs_model._gather import BandGather

from .conftest import Tiny

SEEDS = st.integers(0, 2**32 - 1)
CHANNELS = st.integers(1, 2)


def complex_noise(seed: int, *shape: int) -> np.ndarray:
    real, imaginary = np.random.default_rng(seed).standard_normal((2, *shape))
    return real + 1j * imaginary


def contiguous(layout: BandLayout) -> BandLayout:
    """As many bands side by side, the first ones with a bin each."""
    bands = min(layout.num_bands, layout.num_bins)
    return BandLayout(np.minimum(np.arange(layout.num_bins), bands - 1) == np.arange(bands)[:, None])


LAYOUTS = st.from_type(BandLayout) | st.from_type(BandLayout).map(contiguous)


@given(layout=LAYOUTS, channels=CHANNELS, seed=SEEDS)
def test_split_is_the_gather_of_filterbanks(layout: BandLayout, channels: int, seed: int) -> None:
    gather = BandGather(layout, channels)
    spectrum = complex_noise(seed, 2, channels, layout.num_bins, 3)
    features = gather.split(torch.from_numpy(spectrum)).split(list(gather.widths), dim=-1)
    for band, expected in zip(features, layout.gather(np.moveaxis(spectrum, 2, 3)), strict=True):
        # (batch, channel, frame, bin) with real and imaginary part → (batch, frame, bin, channel, part)
        parts = np.stack((np.real(expected), np.imag(expected)), axis=-1).transpose(0, 2, 3, 1, 4)
        np.testing.assert_array_equal(band.numpy(), parts.reshape(2, 3, -1))


@given(layout=LAYOUTS, channels=CHANNELS, seed=SEEDS)
def test_merge_is_the_averaging_scatter_of_filterbanks(layout: BandLayout, channels: int, seed: int) -> None:
    gather = BandGather(layout, channels)
    bands = [complex_noise(seed + index, 2, 3, channels, 4, width) for index, width in enumerate(layout.widths)]
    # (batch, stem, channel, frame, bin) → (batch, stem, frame, bin, channel, part)
    features = [
        np.stack((np.real(band), np.imag(band)), axis=-1).transpose(0, 1, 3, 4, 2, 5).reshape(2, 3, 4, -1)
        for band in bands
    ]
    merged = gather.merge(torch.from_numpy(np.concatenate(features, axis=-1)))
    np.testing.assert_allclose(merged.numpy(), np.moveaxis(layout.scatter(bands), -1, -2), atol=1e-12)


@given(layout=LAYOUTS, channels=CHANNELS, seed=SEEDS)
def test_split_then_merge_is_the_identity(layout: BandLayout, channels: int, seed: int) -> None:
    gather = BandGather(layout, channels)
    spectrum = torch.from_numpy(complex_noise(seed, 2, channels, layout.num_bins, 3))
    merged = gather.merge(gather.split(spectrum)[:, None])[:, 0]
    torch.testing.assert_close(merged, spectrum, rtol=0, atol=1e-12)


@given(layout=LAYOUTS, dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]))
def test_masks_of_half_precision_are_averaged_in_float32(layout: BandLayout, dtype: torch.dtype) -> None:
    gather = BandGather(layout, channels=1)
    masks = torch.rand(1, 1, 2, sum(gather.widths)).to(dtype)
    merged = gather.merge(masks)
    assert merged.dtype == torch.complex64
    torch.testing.assert_close(merged, gather.merge(masks.double()).to(torch.complex64))


def test_holds_nothing_that_a_checkpoint_would_keep() -> None:
    gather = BandGather(BandLayout([[1, 1, 0], [0, 1, 1]]), channels=2)
    assert dict(gather.named_buffers())
    assert not gather.state_dict()


@pytest.mark.parametrize("filled", ["assigned", "copied"])
def test_a_model_without_memory_knows_its_bands_when_weights_come(tiny: Tiny, filled: str) -> None:
    overlapping = np.tri(33, dtype=bool)[[5, 20, 32]]
    model = tiny(mask_filter_bank=overlapping)
    with torch.device("meta"):
        other = tiny(mask_filter_bank=overlapping)
    if filled == "copied":
        other = other.to_empty(device="cpu")
    other.load_state_dict(model.state_dict(), assign=filled == "assigned")
    audio = torch.randn(1, 300)
    with torch.no_grad():
        assert torch.equal(other(audio), model(audio))
        assert torch.equal(other.double().float()(audio), model(audio))
