"""The laws of a layout, on generated layouts of every kind, and what is not a layout."""

import copy
import pickle
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from numpy.typing import NDArray

from hfbs_filterbanks import BandLayout, contiguous_layout, mel_layout

layouts = st.from_type(BandLayout)
rates = st.floats(1, 1e6)


def spectra(layout: BandLayout) -> st.SearchStrategy[NDArray[Any]]:
    """Finite spectra of any rank and number type for a layout."""
    dtypes = st.sampled_from(("float16", "float32", "float64", "complex64", "complex128"))
    leading = hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)
    finite = {"allow_nan": False, "allow_infinity": False}
    return st.tuples(dtypes, leading).flatmap(
        lambda drawn: hnp.arrays(drawn[0], (*drawn[1], layout.num_bins), elements=finite)
    )


def without_holes(layout: BandLayout) -> bool:
    return all((np.diff(np.flatnonzero(row)) == 1).all() for row in layout.matrix)


@given(layouts)
def test_every_band_has_a_bin_and_every_bin_has_a_band(layout: BandLayout):
    assert layout.matrix.any(axis=1).all()
    assert layout.matrix.any(axis=0).all()
    assert layout.matrix.shape == (layout.num_bands, layout.num_bins)
    assert layout.n_fft // 2 + 1 == layout.num_bins


@given(layouts)
def test_widths_gather_indices_and_bands_per_bin_agree_with_the_matrix(layout: BandLayout):
    members = [
        [bin_ for bin_ in range(layout.num_bins) if layout.matrix[band, bin_]] for band in range(layout.num_bands)
    ]
    assert layout.widths == tuple(map(len, members))
    assert layout.gather_indices.tolist() == [bin_ for band in members for bin_ in band]
    assert layout.bands_per_bin.tolist() == [sum(bin_ in band for band in members) for bin_ in range(layout.num_bins)]
    assert layout.gather_indices.dtype == layout.bands_per_bin.dtype == np.intp


@given(layouts)
def test_a_partition_has_each_bin_in_exactly_one_band(layout: BandLayout):
    each_bin_once = sorted(layout.gather_indices.tolist()) == list(range(layout.num_bins))
    assert layout.is_partition == each_bin_once == (sum(layout.widths) == layout.num_bins)


@given(st.data(), layouts)
def test_gather_then_scatter_is_identity(data: st.DataObject, layout: BandLayout):
    spectrum = data.draw(spectra(layout))
    back = layout.scatter(layout.gather(spectrum))
    assert back.dtype == spectrum.dtype
    np.testing.assert_array_equal(back, spectrum)


@given(st.data(), layouts)
def test_gather_takes_the_bins_of_each_band(data: st.DataObject, layout: BandLayout):
    spectrum = data.draw(spectra(layout))
    bands = layout.gather(spectrum)
    assert len(bands) == layout.num_bands
    for band, row in zip(bands, layout.matrix, strict=True):
        np.testing.assert_array_equal(band, spectrum[..., row])
        assert band.dtype == spectrum.dtype
        assert not np.shares_memory(band, spectrum)


@given(layouts, st.integers(0, 2**32 - 1))
def test_scatter_averages_where_bands_overlap(layout: BandLayout, seed: int):
    generator = np.random.default_rng(seed)
    bands = [generator.normal(size=(2, width)) + 1j * generator.normal(size=(2, width)) for width in layout.widths]
    total = np.zeros((2, layout.num_bins), dtype=complex)
    for band, row in zip(bands, layout.matrix, strict=True):
        total[:, row] += band
    np.testing.assert_allclose(layout.scatter(bands), total / layout.matrix.sum(axis=0), rtol=1e-12, atol=1e-12)


@given(layouts, st.sampled_from((np.bool_, np.uint8, np.int64)))
def test_whole_numbers_scatter_to_float64(layout: BandLayout, dtype: type[np.generic]):
    spectrum = (np.arange(layout.num_bins) % 2).astype(dtype)
    back = layout.scatter(layout.gather(spectrum))
    assert back.dtype == np.float64
    np.testing.assert_array_equal(back, spectrum)


@given(
    hnp.arrays(
        np.float16, st.tuples(st.integers(1, 9), st.just(3)), elements={"allow_nan": False, "allow_infinity": False}
    )
)
def test_half_precision_is_averaged_in_float32(bands: NDArray[np.float16]):
    layout = BandLayout(np.ones(bands.shape, dtype=bool))
    back = layout.scatter(list(bands))
    assert back.dtype == np.float16
    # Half a unit in the last place of the result, and what float32 loses of terms that cancel.
    mean = bands.mean(axis=0, dtype=np.float64)
    assert (abs(back - mean) <= abs(mean) * 2.0**-11 + 2.0**-25 + abs(bands.astype(float)).max() * 1e-6).all()


@given(layouts, rates)
def test_a_center_is_the_mean_frequency_of_its_bins_and_lies_between_the_edges(layout: BandLayout, rate: float):
    centers, edges = layout.center_frequencies(rate), layout.edge_frequencies(rate)
    frequencies = np.arange(layout.num_bins) / layout.n_fft * rate
    np.testing.assert_allclose(centers, [frequencies[row].mean() for row in layout.matrix], rtol=1e-9)
    assert edges.shape == (layout.num_bands, 2)
    assert (edges[:, 0] < edges[:, 1]).all()
    assert (edges[:, 0] <= centers).all()
    assert (centers <= edges[:, 1] * (1 + 1e-12)).all()
    assert edges.min() == 0
    assert edges.max() == pytest.approx(rate / 2)


@given(layouts, rates)
def test_the_bands_of_a_contiguous_partition_meet_at_their_edges(layout: BandLayout, rate: float):
    assume(layout.is_partition and without_holes(layout))
    edges = layout.edge_frequencies(rate)
    edges = edges[edges[:, 0].argsort()]
    np.testing.assert_allclose(edges[1:, 0], edges[:-1, 1])


@given(layouts)
def test_edges_of_a_band_enclose_half_a_bin_beyond_its_first_and_last(layout: BandLayout):
    for (low, high), row in zip(layout.edge_frequencies(layout.n_fft), layout.matrix, strict=True):
        bins = np.flatnonzero(row)
        assert (low, high) == (max(0, bins[0] - 0.5), min(layout.num_bins - 1, bins[-1] + 0.5))


@given(layouts, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_pickles_and_copies_are_equal(layout: BandLayout, protocol: int):
    for twin in (
        pickle.loads(pickle.dumps(layout, protocol)),
        copy.copy(layout),
        copy.deepcopy(layout),
        BandLayout(layout.matrix),
    ):
        assert twin == layout
        assert hash(twin) == hash(layout)
        assert twin.widths == layout.widths


@given(layouts, layouts)
def test_layouts_are_equal_exactly_where_their_matrices_are(one: BandLayout, other: BandLayout):
    assert (one == other) == (one.matrix.tolist() == other.matrix.tolist())
    assert len({one, other}) == 1 + (one != other)
    assert one != one.matrix.tolist()


@given(layouts)
def test_any_array_like_of_ones_and_zeros_gives_the_same_layout(layout: BandLayout):
    class Tensor:
        """What a tensor of another library shows of itself."""

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
            return np.asarray(layout.matrix, dtype=dtype)

    rows = layout.matrix.tolist()
    for same in (rows, tuple(map(tuple, rows)), Tensor(), *map(layout.matrix.astype, (np.int64, np.uint8, np.float32))):
        assert BandLayout(same) == layout
    assert BandLayout(np.asfortranarray(layout.matrix)) == layout


@given(layouts)
def test_pickling_checks_what_it_reads(layout: BandLayout):
    build, (matrix,) = layout.__reduce__()
    broken = matrix.copy()
    broken[0] = False
    with pytest.raises(ValueError, match="band 0"):
        build(broken)


@given(layouts)
def test_nothing_of_a_layout_can_be_changed(layout: BandLayout):
    source = layout.matrix.copy()
    twin = BandLayout(source)
    source[:] = ~source
    assert twin == layout
    for array in (layout.matrix, layout.gather_indices, layout.bands_per_bin):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    for name in ("matrix", "widths", "num_bands", "novelty"):
        with pytest.raises(AttributeError):
            setattr(layout, name, None)


def test_the_repr_is_short_and_says_what_matters():
    assert repr(contiguous_layout()) == "BandLayout(62 bands × 1025 bins, partition)"
    mel = mel_layout(60, sample_rate=44100, n_fft=2048)
    assert repr(mel) == "BandLayout(60 bands × 1025 bins, up to 2 bands per bin)"
    assert repr(contiguous_layout([2])) == "BandLayout(1 band × 2 bins, partition)"


@given(st.data(), layouts)
def test_empty_bands_are_named(data: st.DataObject, layout: BandLayout):
    matrix = layout.matrix.copy()
    band = data.draw(st.integers(0, layout.num_bands - 1))
    matrix[band] = False
    with pytest.raises(ValueError, match=rf"at least one bin, but band {band} of {layout.num_bands} is empty\. Give"):
        BandLayout(matrix)


@given(st.data(), layouts)
def test_uncovered_bins_are_named(data: st.DataObject, layout: BandLayout):
    matrix = np.vstack((layout.matrix, np.ones_like(layout.matrix[:1])))
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, layout.num_bins - 1)] * 2)))
    matrix[:, first : last + 1] = False
    assume(matrix.any(axis=1).all())
    names = (
        f"bin {first} of {layout.num_bins} is" if first == last else f"bins {first} to {last} of {layout.num_bins} are"
    )
    with pytest.raises(ValueError, match=f"in at least one band, but {names} in none. Add"):
        BandLayout(matrix)


def test_scattered_empty_bands_are_listed_and_many_of_them_counted():
    matrix = np.zeros((20, 40), dtype=bool)
    matrix[[0, 3, 5, 6]] = True
    with pytest.raises(ValueError, match=r"bands 1 to 2, 4 and 7 to 19 of 20 are empty"):
        BandLayout(matrix)
    matrix[1::2] = False
    matrix[::2] = True
    with pytest.raises(ValueError, match=r"bands 1, 3, 5, 7, 9, 11 and more \(10 in all\) of 20 are empty"):
        BandLayout(matrix)


@given(st.data(), layouts, st.floats() | st.integers(-(2**31), 2**31))
def test_values_other_than_zero_and_one_are_refused(data: st.DataObject, layout: BandLayout, value: float):
    assume(value not in (0, 1))
    matrix = layout.matrix.astype(type(value))
    band, bin_ = data.draw(st.tuples(st.integers(0, layout.num_bands - 1), st.integers(0, layout.num_bins - 1)))
    matrix[band, bin_] = value
    shown = "NaN" if value != value else str(value).replace("+", r"\+")
    with pytest.raises(ValueError, match=rf"exactly 0 or 1, but band {band}, bin {bin_} is {shown} .*`weights > 0`"):
        BandLayout(matrix)


@pytest.mark.parametrize("matrix", [[["a", "b"]], [[None, None]], [[1j, 0]], [[b"1", b"0"]]])
def test_values_that_are_no_numbers_are_refused(matrix: Any):
    with pytest.raises(TypeError, match=r"holds Booleans, or numbers .* of dtype"):
        BandLayout(matrix)


@given(hnp.array_shapes(min_dims=0, max_dims=4).filter(lambda shape: len(shape) != 2))
def test_a_rank_other_than_two_is_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=rf"has rank 2, \(bands, bins\), but this one has rank {len(shape)}"):
        BandLayout(np.ones(shape, dtype=bool))


@pytest.mark.parametrize("shape", [(0, 5), (0, 0), (3, 0), (3, 1)])
def test_no_bands_or_fewer_than_two_bins_are_refused(shape: tuple[int, int]):
    with pytest.raises(ValueError, match=rf"at least 1 band and 2 bins .* shape \({shape[0]}, {shape[1]}\)"):
        BandLayout(np.ones(shape, dtype=bool))


def test_rows_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="must have rows of equal length"):
        BandLayout([[True, False], [True]])


@given(layouts, st.integers(0, 100))
def test_a_spectrum_of_another_size_is_refused(layout: BandLayout, num_bins: int):
    assume(num_bins != layout.num_bins)
    with pytest.raises(
        ValueError, match=rf"shape \(\.\.\., {layout.num_bins}\).*\(2, {num_bins}\).*n_fft={layout.n_fft}"
    ):
        layout.gather(np.zeros((2, num_bins)))
    with pytest.raises(ValueError, match=r"shape \(\)"):
        layout.gather(1.0)


def test_a_spectrum_that_is_no_numbers_is_refused():
    with pytest.raises(TypeError, match="A spectrum must hold real or complex numbers, but it is of dtype <U1"):
        contiguous_layout([2]).gather(["a", "b"])


def test_bands_that_do_not_fit_are_refused():
    layout = contiguous_layout([2, 3])
    with pytest.raises(ValueError, match=r"needs one array per band, 2 in all, but 1 were given"):
        layout.scatter([np.zeros(2)])
    with pytest.raises(ValueError, match=r"Band 1 must have shape \(4, 3\).*has shape \(4, 2\)"):
        layout.scatter([np.zeros((4, 2)), np.zeros((4, 2))])
    with pytest.raises(ValueError, match=r"Band 1 must have shape \(4, 3\).*has shape \(1, 3\)"):
        layout.scatter([np.zeros((4, 2)), np.zeros((1, 3))])
    with pytest.raises(ValueError, match=r"Band 0 must have shape \(2,\).*has shape \(\)"):
        layout.scatter([np.float64(0), np.zeros(3)])
    with pytest.raises(TypeError, match="Band 1 must hold real or complex numbers"):
        layout.scatter([np.zeros(2), ["a", "b", "c"]])


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_sample_rate_is_finite_and_positive(rate: float):
    for method in (BandLayout.center_frequencies, BandLayout.edge_frequencies):
        with pytest.raises(ValueError, match="sample_rate must be finite and above 0 Hz, not"):
            method(contiguous_layout([2]), rate)


@pytest.mark.parametrize("rate", ["44100", None, 1j, True])
def test_a_sample_rate_is_a_number(rate: Any):
    with pytest.raises(TypeError, match="sample_rate must be a number of Hz, not"):
        contiguous_layout([2]).center_frequencies(rate)
