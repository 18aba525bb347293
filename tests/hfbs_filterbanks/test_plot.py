"""The picture of a layout shows what is in the layout."""

import sys
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from matplotlib.figure import Figure

from hfbs_filterbanks import BandLayout, contiguous_layout, plot_layout

layouts = st.from_type(BandLayout)


@pytest.fixture(autouse=True, scope="module")
def without_a_screen() -> Iterator[None]:
    before = matplotlib.get_backend()
    plt.switch_backend("agg")
    yield
    plt.switch_backend(before)


def bars(ax: Any) -> list[tuple[float, float, float, str]]:
    """Middle, left and right end of each bar, and what the legend says of it."""
    boxes = [(path.get_extents(), kind.get_label()) for kind in ax.collections[1:] for path in kind.get_paths()]
    return [((box.y0 + box.y1) / 2, box.x0, box.x1, label) for box, label in boxes]


@given(layouts, st.sampled_from((8000, 44100, 96000.5)))
def test_each_bin_is_drawn_in_the_rows_of_its_bands_and_as_its_sharing_says(layout: BandLayout, rate: float):
    ax = Figure().subplots()
    assert plot_layout(layout, sample_rate=rate, ax=ax) is ax
    drawn = bars(ax)
    labels = {1: "bins in 1 band", 2: "in 2", 3: "in 3"}
    matrix = np.zeros_like(layout.matrix)
    # Bin 0 is seen from a quarter of a bin, the last one up to the Nyquist frequency.
    middles = np.arange(layout.num_bins) * rate / layout.n_fft
    middles[0], middles[-1] = 0.3 * rate / layout.n_fft, (layout.num_bins - 1.2) * rate / layout.n_fft
    for row, left, right, label in drawn:
        inside = (left < middles) & (middles < right)
        band = round(row)
        assert not matrix[band, inside].any()
        matrix[band, inside] = True
        assert {labels.get(count, "in 4 or more") for count in layout.bands_per_bin[inside].tolist()} == {label}
    np.testing.assert_array_equal(matrix, layout.matrix)


@settings(max_examples=10)
@given(layouts)
def test_any_layout_can_be_rendered(layout: BandLayout):
    ax = plot_layout(layout, sample_rate=44100)
    try:
        ax.figure.canvas.draw()  # type: ignore[attr-defined]
    finally:
        plt.close(ax.figure)  # type: ignore[arg-type]


def test_axes_and_title_say_what_is_drawn():
    ax = plot_layout(contiguous_layout(), sample_rate=44100)
    try:
        assert ax.get_xscale() == "log"
        assert ax.get_xlabel() == "frequency in Hz"
        assert ax.get_ylabel() == "band"
        assert ax.get_title(loc="left") == "62 bands of 2 to 129 bins, side by side\n44.1 kHz, 1025 bins"
        assert [tick.get_text() for tick in ax.get_xticklabels()][::3] == ["0", "100", "1 k", "10 k"]
        assert ax.get_xlim()[1] == 22050
    finally:
        plt.close(ax.figure)  # type: ignore[arg-type]


def test_overlap_is_in_the_title_and_the_legend():
    ax = plot_layout(BandLayout([[1, 1, 0], [0, 1, 1]]), sample_rate=8000)
    try:
        assert ax.get_title(loc="left") == "2 bands of 2 bins, overlapping\n8 kHz, 3 bins"
        legend = ax.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == ["bins in 1 band", "in 2"]
    finally:
        plt.close(ax.figure)  # type: ignore[arg-type]


def test_without_matplotlib_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    for module in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'plot_layout needs matplotlib, .*pip install "hfbs-filterbanks\[plot\]"'):
        plot_layout(contiguous_layout(), sample_rate=44100)


def test_the_sample_rate_is_checked():
    with pytest.raises(ValueError, match="sample_rate must be finite and above 0 Hz"):
        plot_layout(contiguous_layout(), sample_rate=0)
