"""A picture of a layout."""

from typing import TYPE_CHECKING, Any, SupportsFloat, cast

import numpy as np
from numpy.typing import NDArray

from ._checks import positive_hertz
from ._layout import BandLayout
from ._optional import import_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One for each number of bands that share a bin, up to as many as can be told apart at a look.
_COLORS = ("#7fbadb", "#2f7fbc", "#1a5696", "#08264f")
_ALONE, _QUIET = _COLORS[0], "#666666"
_TICKS = tuple(digit * 10**power for power in range(7) for digit in (1, 2, 5))


def plot_layout(layout: BandLayout, *, sample_rate: SupportsFloat, ax: "Axes | None" = None) -> "Axes":
    """Draw a layout: a row per band over a logarithmic frequency axis, darker where bands share bins.

    A bin reaches half a bin to either side, as in :meth:`BandLayout.edge_frequencies`; bin 0 begins at the left end of
    the axis, since 0 Hz has no place on a logarithmic one. A thin line joins what the holes of a band divide.

    Args:
        layout: What to draw.
        sample_rate: In Hz, above 0.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes, for a title or to save the picture, as with
        ``plot_layout(layout, sample_rate=44100).figure.savefig(...)``.

    Raises:
        ImportError: matplotlib is missing; the message says how to install it.
    """
    pyplot = import_extra("matplotlib", "matplotlib.pyplot", extra="plot", purpose="plot_layout")
    rate = positive_hertz("sample_rate", sample_rate)
    if ax is None:
        ax = cast("Axes", pyplot.subplots(figsize=(9, 5.5), layout="constrained")[1])

    bin_width = rate / layout.n_fft
    left_end = bin_width / 4
    reach = layout.edge_frequencies(rate).clip(min=left_end)
    _draw_bands(ax, layout, bin_width, reach)
    _draw_widths(ax, layout, reach)
    _label_axes(ax, layout, rate, left_end)
    return ax


def _draw_bands(ax: Any, layout: BandLayout, bin_width: float, reach: NDArray[np.float64]) -> None:
    """Bars for the runs of bins that equally many bands share, count by count, so that each gets into the legend."""
    collections = import_extra("matplotlib", "matplotlib.collections", extra="plot", purpose="plot_layout")
    ax.hlines(range(layout.num_bands), reach[:, 0], reach[:, 1], color=_ALONE, linewidth=0.8, zorder=2)
    edges = ((np.arange(layout.num_bins + 1) - 0.5) * bin_width).clip(reach.min(), reach.max())
    sharing = layout.bands_per_bin.clip(max=len(_COLORS))
    for count, color in enumerate(_COLORS, start=1):
        bands, starts, stops = _runs(layout.matrix & (sharing == count))
        if not len(bands):
            continue
        label = "bins in 1 band" if count == 1 else f"in {count} or more" if count == len(_COLORS) else f"in {count}"
        left, right, low, high = edges[starts], edges[stops], bands - 0.43, bands + 0.43
        corners = np.stack(((left, low), (right, low), (right, high), (left, high)), axis=-1).transpose(1, 2, 0)
        ax.add_collection(collections.PolyCollection(corners, facecolors=color, label=label, zorder=3))


def _runs(matrix: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Band, first bin and the bin after the last of each run of consecutive bins."""
    changes = np.diff(matrix.astype(np.int8), prepend=0, append=0, axis=1)
    bands, starts = np.nonzero(changes == 1)
    return bands, starts, np.nonzero(changes == -1)[1]


def _draw_widths(ax: Any, layout: BandLayout, reach: NDArray[np.float64]) -> None:
    """Say beside some bands how many bins they hold, on the side that has room."""
    left_end, right_end = reach.min(), reach.max()
    for band in sorted({round(i * (layout.num_bands - 1) / 8) for i in range(9)}):
        low, high = reach[band]
        room_right = np.log(right_end / high) > 0.12 * np.log(right_end / left_end)
        room_left = np.log(low / left_end) > 0.12 * np.log(right_end / left_end)
        if not (room_right or room_left):
            continue
        ax.annotate(
            _bins(layout.widths[band]),
            (high if room_right else low, band),
            xytext=(4, 2) if room_right else (-4, -2),
            textcoords="offset points",
            horizontalalignment="left" if room_right else "right",
            verticalalignment="top" if room_right else "bottom",
            fontsize="small",
            color=_QUIET,
        )


def _label_axes(ax: Any, layout: BandLayout, rate: float, left_end: float) -> None:
    ax.set_xscale("log")
    ax.set_xlim(left_end, rate / 2)
    ax.set_ylim(-max(0.8, 0.04 * layout.num_bands), layout.num_bands - 0.2)
    ticks = [tick for tick in _TICKS if 2 * left_end < tick <= rate / 2]
    ax.set_xticks([left_end, *ticks], ["0", *(f"{tick // 1000} k" if tick >= 1000 else str(tick) for tick in ticks)])
    ax.set_xticks([], minor=True)
    ax.yaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.set_xlabel("frequency in Hz")
    ax.set_ylabel("band")
    ax.grid(axis="x", color="#e4e4e4", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)

    narrowest, widest = min(layout.widths), max(layout.widths)
    span = _bins(widest) if narrowest == widest else f"{narrowest} to {_bins(widest)}"
    kind = "side by side" if layout.is_partition else "overlapping"
    bands = "1 band" if layout.num_bands == 1 else f"{layout.num_bands} bands"
    ax.set_title(
        f"{bands} of {span}, {kind}\n{rate / 1000:g} kHz, {layout.num_bins} bins", loc="left", fontsize="medium"
    )
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, ncols=len(_COLORS), frameon=False)


def _bins(count: int) -> str:
    return "1 bin" if count == 1 else f"{count} bins"
