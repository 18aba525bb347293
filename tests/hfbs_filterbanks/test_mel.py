"""Mel layouts against librosa's filters, and the tables of those in common use."""

import sys
import warnings
from itertools import pairwise

import hypothesis.strategies as st
import librosa
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

import hfbs_filterbanks
from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS, contiguous_layout, mel_layout
from hfbs_filterbanks._mel import librosa_mel_layout
from hfbs_filterbanks._static import static_mel_layout

TABLES = [(60, 44100, 2048), (60, 44100, 4096), (60, 48000, 2048)]
rates = st.sampled_from((8000, 16000, 22050, 44100, 48000)) | st.floats(500, 192000)


def mask_as_upstream_has_it(num_bands: int, sample_rate: float, n_fft: int, *, htk: bool = False) -> NDArray[np.bool_]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters")
        weights = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=num_bands, htk=htk)
    weights[0, 0] = weights[-1, -1] = 1.0
    return weights > 0


@given(st.integers(1, 80), rates, st.integers(1, 1024).map(lambda half: 2 * half))
def test_a_mel_layout_is_librosas_with_its_corners_forced(num_bands: int, sample_rate: float, n_fft: int):
    expected = mask_as_upstream_has_it(num_bands, sample_rate, n_fft)
    empty = np.flatnonzero(~expected.any(axis=1))
    if not len(empty):
        layout = mel_layout(num_bands, sample_rate=sample_rate, n_fft=n_fft)
        np.testing.assert_array_equal(layout.matrix, expected)
        assert layout.bands_per_bin.max() <= 2
        return
    # The warning that librosa gives would be an error here.
    with pytest.raises(
        ValueError, match=f"does not resolve {num_bands} mel bands: bands? {empty[0]}\\b.* would hold no bin"
    ):
        mel_layout(num_bands, sample_rate=sample_rate, n_fft=n_fft)


@given(rates, st.integers(1, 48).map(lambda half: 2 * half), st.integers(0, 20), st.booleans())
def test_the_largest_count_that_works_is_named(sample_rate: float, n_fft: int, excess: int, htk: bool):
    def works(count: int) -> bool:
        return bool(mask_as_upstream_has_it(count, sample_rate, n_fft, htk=htk).any(axis=1).all())

    # No more bands than twice the bins can work, since a bin is in two bands at most.
    too_many = n_fft + 3 + excess
    largest = next(count for count in range(too_many - 1, 0, -1) if works(count))
    with pytest.raises(
        ValueError, match=rf"The largest count below {too_many} that works is {largest}; use that, or a lar"
    ):
        librosa_mel_layout(too_many, sample_rate, n_fft, htk=htk)


def test_the_largest_count_for_an_ordinary_resolution_is_named():
    with pytest.raises(ValueError, match=r"n_fft 2048 at 44100 Hz does not resolve 2000 .* that works is 374;"):
        mel_layout(2000, sample_rate=44100, n_fft=2048)
    assert mel_layout(374, sample_rate=44100, n_fft=2048).num_bands == 374


@pytest.mark.parametrize(("num_bands", "sample_rate", "n_fft"), TABLES)
def test_a_table_of_mel_bands_equals_what_librosa_gives(num_bands: int, sample_rate: int, n_fft: int):
    table = static_mel_layout(num_bands, sample_rate, n_fft)
    assert table is not None
    assert (
        table
        == librosa_mel_layout(num_bands, sample_rate, n_fft)
        == mel_layout(60, sample_rate=sample_rate, n_fft=n_fft)
    )
    np.testing.assert_array_equal(table.matrix, mask_as_upstream_has_it(num_bands, sample_rate, n_fft))


def test_the_table_of_bs_roformers_bands_equals_contiguous_widths():
    np.testing.assert_array_equal(hfbs_filterbanks.mask_filter_bank_bs_roformer_default, contiguous_layout().matrix)
    bounds = np.cumsum((0, *DEFAULT_FREQS_PER_BANDS))
    bins = np.arange(1025)
    expected = [(low <= bins) & (bins < high) for low, high in pairwise(bounds)]
    np.testing.assert_array_equal(hfbs_filterbanks.mask_filter_bank_bs_roformer_default, expected)


def test_the_predecessors_masks_are_read_only():
    mel = hfbs_filterbanks.mask_filter_bank_mel_band_default
    np.testing.assert_array_equal(mel, mask_as_upstream_has_it(60, 44100, 2048))
    for mask in (mel, hfbs_filterbanks.mask_filter_bank_bs_roformer_default):
        assert mask.dtype == np.bool_
        with pytest.raises(ValueError, match="read-only"):
            mask[0, 0] = False


def test_without_librosa_the_tables_still_serve(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    for num_bands, sample_rate, n_fft in TABLES:
        assert mel_layout(num_bands, sample_rate=float(sample_rate), n_fft=n_fft).num_bands == 60


def test_without_librosa_other_parameters_say_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(ImportError, match=r'needs librosa, .*pip install "hfbs-filterbanks\[mel\]"') as caught:
        mel_layout(64, sample_rate=44100, n_fft=2048)
    assert caught.value.name == "librosa"


def test_what_librosa_itself_misses_is_named_as_it_is(monkeypatch: pytest.MonkeyPatch):
    def misses_a_part(name: str) -> None:
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr("hfbs_filterbanks._optional.import_module", misses_a_part)
    with pytest.raises(ModuleNotFoundError, match="No module named 'numba'"):
        mel_layout(64, sample_rate=44100, n_fft=2048)
