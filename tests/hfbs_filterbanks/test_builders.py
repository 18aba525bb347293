"""What each builder promises of the bands that it spaces, and what it says to values that it cannot serve."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

from hfbs_filterbanks import (
    DEFAULT_FREQS_PER_BANDS,
    BandLayout,
    bark_layout,
    contiguous_layout,
    edges_layout,
    erb_layout,
    mel_layout,
    octave_layout,
)
from hfbs_filterbanks._auditory import hz_to_bark, hz_to_erb_rate

layouts = st.from_type(BandLayout)
widths = st.lists(st.integers(1, 12), min_size=2, max_size=40)
fft_sizes = st.integers(1, 512).map(lambda half: 2 * half)
rates = st.sampled_from((8000, 22050, 44100, 48000)) | st.floats(100, 192000)
auditory = st.sampled_from((bark_layout, erb_layout))


@given(widths)
def test_contiguous_bands_have_their_widths_in_order(widths: list[int]):
    layout = contiguous_layout(widths, num_bins=sum(widths))
    assert layout.widths == tuple(widths)
    assert layout.is_partition
    assert layout.gather_indices.tolist() == list(range(sum(widths)))
    assert contiguous_layout(np.array(widths)) == contiguous_layout(iter(widths)) == layout


def test_the_default_widths_are_those_of_bs_roformer():
    assert len(DEFAULT_FREQS_PER_BANDS) == 62
    assert sum(DEFAULT_FREQS_PER_BANDS) == 1025
    runs = {2: 24, 4: 12, 12: 8, 24: 8, 48: 8, 128: 1, 129: 1}
    assert tuple(width for width, count in runs.items() for _ in range(count)) == DEFAULT_FREQS_PER_BANDS


@given(widths, st.integers(2, 500))
def test_widths_that_do_not_sum_to_the_bins_are_refused(widths: list[int], num_bins: int):
    total = sum(widths)
    assume(total != num_bins)
    advice = (
        f"Hand out {abs(num_bins - total)} {'more' if total < num_bins else 'fewer'}, or use n_fft {2 * (total - 1)}"
    )
    with pytest.raises(
        ValueError, match=rf"number of bins, {num_bins} .* these {len(widths)} add up to {total}\. {advice}"
    ):
        contiguous_layout(widths, num_bins)


@pytest.mark.parametrize(
    ("widths", "error", "message"),
    [
        ([], ValueError, "at least one band, but it is empty"),
        ([2, 0, 2], ValueError, "The width of band 1 must be at least 1, not 0"),
        ([2, -3], ValueError, "The width of band 1 must be at least 1, not -3"),
        ([2.5], TypeError, "The width of band 0 must be a whole number, not 2.5"),
        ([True], TypeError, "The width of band 0 must be a whole number, not the Boolean True"),
        (["2"], TypeError, "The width of band 0 must be a whole number, not '2'"),
        ([1], ValueError, "at least 1 band and 2 bins"),
    ],
)
def test_widths_that_are_no_widths_are_refused(widths: list[Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        contiguous_layout(widths)


@given(st.data(), fft_sizes, rates)
def test_a_bin_is_in_the_band_whose_edges_hold_its_frequency(data: st.DataObject, n_fft: int, rate: float):
    nyquist = rate / 2
    inner = data.draw(st.sets(st.integers(1, 999), max_size=12))
    edges = [0.0, *(nyquist * thousandth / 1000 for thousandth in sorted(inner)), nyquist]
    bins = range(n_fft // 2 + 1)
    frequencies = [bin_ * rate / n_fft for bin_ in bins]
    # On an edge, rounding decides which way the plain comparison below goes.
    assume(not any(abs(f - edge) * n_fft / rate < 1e-5 for f in frequencies[1:-1] for edge in edges))
    expected = [
        [low <= f < high or (f == frequencies[-1] and high == nyquist) for f in frequencies]
        for low, high in pairwise(edges)
    ]
    if not all(map(any, expected)):
        with pytest.raises(
            ValueError, match=f"band {expected.index([False] * len(bins))} .* holds none: with n_fft {n_fft}"
        ):
            edges_layout(edges, n_fft=n_fft, sample_rate=rate)
        return
    layout = edges_layout(edges, n_fft=n_fft, sample_rate=rate)
    assert layout == BandLayout(expected)
    assert layout.is_partition
    assert layout == edges_layout(list(pairwise(edges)), n_fft=n_fft, sample_rate=rate)


@given(widths, rates)
def test_an_edge_on_a_bin_begins_a_band_there(widths: list[int], rate: float):
    n_fft = 2 * (sum(widths) - 1)
    assume(widths[-1] > 1)
    edges = [*(np.cumsum([0, *widths[:-1]]) * rate / n_fft), rate / 2]
    assert edges_layout(edges, n_fft=n_fft, sample_rate=rate) == contiguous_layout(widths)


@given(layouts, rates)
def test_the_edges_of_a_layout_without_holes_give_it_back(layout: BandLayout, rate: float):
    assume(all((np.diff(np.flatnonzero(row)) == 1).all() for row in layout.matrix))
    assert edges_layout(layout.edge_frequencies(rate), n_fft=layout.n_fft, sample_rate=rate) == layout


def test_bands_side_by_side_share_no_bin_however_close_to_the_nyquist_frequency_they_meet():
    layout = edges_layout([0, 4000 - 1e-9, 4000], n_fft=8, sample_rate=8000)
    assert layout == contiguous_layout([4, 1])


@pytest.mark.parametrize(
    ("edges", "error", "message"),
    [
        ([0, 501, 502, 4000], ValueError, r"band 1 \(501 Hz to 502 Hz\) holds none: .* bins lie 500 Hz apart\. Widen"),
        ([100, 4000], ValueError, r"bin 0, from 0 Hz to 0 Hz, is in none\. Let the edges reach from 0 Hz"),
        ([0, 2000], ValueError, r"bins 4 to 8, from 2000 Hz to 4000 Hz, are in none"),
        ([[0, 1000], [2000, 4000]], ValueError, r"bins 2 to 3, from 1000 Hz to 1500 Hz, are in none"),
        ([0, 2000, 5000], ValueError, r"between 0 Hz and the Nyquist frequency, 4000 Hz, but band 1 \(2000 Hz to 5000"),
        ([-1, 4000], ValueError, r"between 0 Hz .* but band 0 \(-1 Hz to 4000 Hz\) does not"),
        ([0, float("nan"), 4000], ValueError, r"between 0 Hz .* but band 0 \(0 Hz to nan Hz\) does not"),
        ([0, float("inf")], ValueError, r"between 0 Hz .* but band 0 \(0 Hz to inf Hz\) does not"),
        (
            [0, 2000, 1000, 4000],
            ValueError,
            r"lie above its lower edge, but band 1 \(2000 Hz to 1000 Hz\) does not\. Sort",
        ),
        ([0, 1000, 1000, 4000], ValueError, r"lie above its lower edge, but band 1 \(1000 Hz to 1000 Hz\) does not"),
        ([4000], ValueError, r"Edges have shape \(bands \+ 1,\).* these have shape \(1,\)"),
        ([[0, 1, 2]], ValueError, r"or \(bands, 2\), .* these have shape \(1, 3\)"),
        (np.zeros((0, 2)), ValueError, r"at least one band; these have shape \(0, 2\)"),
        ([[0, 1], [2]], ValueError, r"Edges must have rows of equal length"),
        (["0", "4000"], TypeError, r"Edges must be numbers of Hz, but they are of dtype <U4"),
        ([False, True], TypeError, r"Edges must be numbers of Hz, but they are of dtype bool"),
    ],
)
def test_edges_that_give_no_layout_are_refused(edges: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        edges_layout(edges, n_fft=16, sample_rate=8000)


@given(auditory, st.integers(1, 40), fft_sizes, rates, st.booleans())
def test_auditory_bands_are_evenly_spaced_on_their_scale(
    build: Callable[..., BandLayout], num_bands: int, n_fft: int, rate: float, overlap: bool
):
    scale = hz_to_bark if build is bark_layout else hz_to_erb_rate
    bins = scale(np.arange(n_fft // 2 + 1) * rate / n_fft)
    span = 1 + overlap
    steps = (bins - bins[0]) / (bins[-1] - bins[0]) * (num_bands + span - 1)
    # Steps on a bin come out to either side of it by rounding, but for the two ends.
    assume(not (abs(steps[1:-1] - np.rint(steps[1:-1])) < 1e-9).any())
    expected = [(band <= steps) & (steps < band + span) for band in range(num_bands)]
    expected[-1][-1] = True
    if all(row.any() for row in expected):
        layout = build(num_bands, sample_rate=rate, n_fft=n_fft, overlap=overlap)
        assert layout == BandLayout(expected)
        assert layout.bands_per_bin.max() <= span
        assert layout.is_partition or overlap
    else:
        with pytest.raises(ValueError, match=f"does not resolve {num_bands}"):
            build(num_bands, sample_rate=rate, n_fft=n_fft, overlap=overlap)


@given(auditory, st.integers(1, 64).map(lambda half: 2 * half), rates, st.booleans(), st.integers(0, 40))
def test_the_largest_count_that_works_is_named(
    build: Callable[..., BandLayout], n_fft: int, rate: float, overlap: bool, excess: int
):
    def works(count: int) -> bool:
        try:
            return build(count, sample_rate=rate, n_fft=n_fft, overlap=overlap).num_bands == count
        except ValueError:
            return False

    # No more bands than twice the bins can work, since a bin is in two bands at most.
    too_many = n_fft + 3 + excess
    largest = max(filter(works, range(1, too_many)))
    with pytest.raises(ValueError, match=rf"The largest count below {too_many} that works is {largest}; use that"):
        build(too_many, sample_rate=rate, n_fft=n_fft, overlap=overlap)


def test_the_empty_bands_are_named():
    # Steps of a ninth of the scale; the bins lie at steps 0, 5.4, 7.2, 8.2 and 9.
    with pytest.raises(
        ValueError, match=r"n_fft 8 at 16000 Hz does not resolve 9 ERB bands: bands 1 to 4 and 6 would hold"
    ):
        erb_layout(9, sample_rate=16000, n_fft=8)
    with pytest.raises(
        ValueError, match=r"does not resolve 400 Bark bands: bands .* and more \(\d+ in all\) would hold"
    ):
        bark_layout(400, sample_rate=44100, n_fft=2048)


def test_the_scales_are_those_of_their_papers():
    # Traunmüller's formula, corrected at both ends, meets Zwicker's limits of the critical bands so closely.
    zwicker = {100: 1, 200: 2, 510: 5, 1080: 9, 2000: 13, 4400: 18, 6400: 20, 9500: 22, 15500: 24}
    np.testing.assert_allclose(hz_to_bark(np.array([*zwicker], float)), [*zwicker.values()], atol=0.06)
    # One ERB at 1 kHz is 24.7 (4.37 + 1) Hz, over which the rate rises by one.
    low, high = hz_to_erb_rate(1000 + np.array([-0.5, 0.5]) * 24.7 * 5.37)
    assert high - low == pytest.approx(1, abs=0.01)


@given(st.integers(1, 48), fft_sizes, rates, st.booleans())
def test_octave_boundaries_halve_every_so_many_bands(per_octave: int, n_fft: int, rate: float, overlap: bool):
    layout = octave_layout(per_octave, sample_rate=rate, n_fft=n_fft, overlap=overlap)
    span = 1 + overlap
    assert layout.bands_per_bin.max() <= span
    assert layout.is_partition or overlap
    # Boundary k, counted from the top, lies at the Nyquist frequency times 2 to the power of -k / per_octave.
    for band in range(1, layout.num_bands):
        bins = np.flatnonzero(layout.matrix[band])
        boundary = n_fft / 2 * 2 ** (-(layout.num_bands - 1 - band + span) / per_octave)
        assert bins[0] - 1 < boundary + 1e-6
        assert boundary - 1e-6 <= bins[0]
    lowest_boundary = n_fft / 2 * 2 ** (-(layout.num_bands + span - 2) / per_octave)
    assert layout.matrix[0, 0]
    # None means that one more boundary would leave no bin between two.
    assert np.ceil(lowest_boundary * 2 ** (-1 / per_octave) - 1e-9) >= np.ceil(lowest_boundary - 1e-9)


@given(st.integers(1, 24), st.integers(1, 512).map(lambda half: 2 * half), rates, st.booleans(), st.floats(0.01, 1.0))
def test_no_octave_boundary_lies_below_the_lowest(
    per_octave: int, n_fft: int, rate: float, overlap: bool, fraction: float
):
    lowest = rate / 2 * fraction
    boundaries = [rate / 2 * 2 ** (-k / per_octave) for k in range(1, 400)]
    assume(all(abs(boundary / lowest - 1) > 1e-6 for boundary in boundaries))
    wanted = sum(boundary > lowest for boundary in boundaries)
    finest = octave_layout(per_octave, sample_rate=rate, n_fft=n_fft)
    if not wanted:
        with pytest.raises(
            ValueError, match=r"lowest_hz must leave a boundary below the Nyquist frequency, .* Lower it"
        ):
            octave_layout(per_octave, sample_rate=rate, n_fft=n_fft, lowest_hz=lowest, overlap=overlap)
    elif wanted > finest.num_bands - 1:
        with pytest.raises(
            ValueError, match=rf"resolves {per_octave} bands per octave only down to .* Raise lowest_hz"
        ):
            octave_layout(per_octave, sample_rate=rate, n_fft=n_fft, lowest_hz=lowest, overlap=overlap)
    else:
        layout = octave_layout(per_octave, sample_rate=rate, n_fft=n_fft, lowest_hz=lowest, overlap=overlap)
        assert layout.num_bands == wanted + 1 - overlap
        top = finest.matrix[finest.num_bands - wanted :]
        merged = np.vstack((~top.any(axis=0), top))
        assert layout == BandLayout(merged[:-1] | merged[1:] if overlap else merged)


def test_octaves_of_a_power_of_two_double_their_widths():
    assert octave_layout(1, sample_rate=48000, n_fft=64).widths == (1, 1, 2, 4, 8, 17)
    assert octave_layout(1, sample_rate=48000, n_fft=64, lowest_hz=6000).widths == (8, 8, 17)
    assert octave_layout(1, sample_rate=48000, n_fft=64, lowest_hz=6000, overlap=True).widths == (16, 25)


@given(st.sampled_from((bark_layout, erb_layout, mel_layout, octave_layout)), st.data())
def test_counts_rates_and_sizes_are_checked_by_name(build: Callable[..., BandLayout], data: st.DataObject):
    count = "bands_per_octave" if build is octave_layout else "num_bands"
    arguments: dict[str, Any] = {count: 2, "sample_rate": 8000, "n_fft": 64}
    name, value, error, message = data.draw(
        st.sampled_from(
            (
                (count, 0, ValueError, f"{count} must be at least 1, not 0"),
                (count, 2.0, TypeError, f"{count} must be a whole number, not 2.0 "),
                (count, True, TypeError, f"{count} must be a whole number, not the Boolean True"),
                ("n_fft", 0, ValueError, "n_fft must be at least 2, not 0"),
                ("n_fft", 63, ValueError, "n_fft must be even, .* not 63"),
                ("n_fft", "64", TypeError, "n_fft must be a whole number, not '64'"),
                ("sample_rate", 0, ValueError, "sample_rate must be finite and above 0 Hz, not 0"),
                ("sample_rate", float("nan"), ValueError, "sample_rate must be finite and above 0 Hz, not nan"),
                ("sample_rate", None, TypeError, "sample_rate must be a number of Hz, not None"),
            )
        )
    )
    with pytest.raises(error, match=message):
        build(**{**arguments, name: value})
