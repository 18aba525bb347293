"""The pictures of the gallery. Magnitudes are one hue, pale to dark, so that they read in any colour vision, and turned
dark to pale on a dark page."""

from typing import Any

import numpy as np
from excerpt import Excerpt
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from hfbs_filterbanks import BandLayout

SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#7fbadb", "#2f7fbc", "#1a5696", "#08264f"])
# Okabe and Ito's colours, told apart in every colour vision; lines differ in their dashes, too.
LINES: tuple[tuple[str, Any], ...] = (
    ("#0072b2", "-"),
    ("#d55e00", "--"),
    ("#009e73", "-."),
    ("#cc79a7", (0, (1, 1))),
    ("#e69f00", (0, (5, 1, 1, 1))),
)
LOWEST, HIGHEST, ROWS = 40.0, 15900.0, 280
MOST = 8  # times the even share, of an attention weight that is shown
TICKS = (50, 100, 200, 500, 1000, 2000, 5000, 10000)

type Matrix = NDArray[np.floating]


def in_hertz(value: float, _: object = None) -> str:
    return f"{value / 1000:g} k" if value >= 1000 else f"{value:g}"


def plot_widths(layouts: dict[str, BandLayout], sample_rate: int) -> Figure:
    """How wide bands are where they are, layout by layout."""
    figure, axes = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
    for (name, layout), (color, dashes) in zip(layouts.items(), LINES, strict=False):
        edges = layout.edge_frequencies(sample_rate)
        centres = layout.center_frequencies(sample_rate)
        kept = centres > 0
        axes.plot(
            centres[kept],
            (edges[:, 1] - edges[:, 0])[kept],
            color=color,
            linestyle=dashes,
            marker=".",
            markersize=5,
            label=f"{name}: {layout.num_bands} bands",
        )
    axes.set(xscale="log", yscale="log", xlabel="centre of the band in Hz", ylabel="width of the band in Hz")
    axes.xaxis.set_major_formatter(FuncFormatter(in_hertz))
    axes.yaxis.set_major_formatter(FuncFormatter(in_hertz))
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def by_octaves(values: Matrix, sample_rate: float) -> Matrix:
    """Rows evenly spaced in octaves, each the mean of its bins or the nearest bin, (row, frame)."""
    places = np.geomspace(LOWEST, HIGHEST, ROWS + 1) * 2 * (len(values) - 1) / sample_rate
    ends = np.maximum(np.rint(places[1:]), np.rint(places[:-1]) + 1).astype(int)
    return np.stack([values[round(start) : end].mean(axis=0) for start, end in zip(places[:-1], ends, strict=True)])


def show(
    axes: Axes, values: Matrix, sample_rate: float, seconds: float, *, low: float, high: float, title: str
) -> AxesImage:
    """A picture over seconds and Hz, in octaves; returns what a colour bar needs."""
    image = axes.imshow(
        by_octaves(values, sample_rate),
        extent=(0.0, seconds, np.log2(LOWEST), np.log2(HIGHEST)),
        origin="lower",
        aspect="auto",
        cmap=SHADES,
        vmin=low,
        vmax=high,
    )
    axes.xaxis.set_major_locator(FixedLocator(range(0, int(seconds), 2)))  # none at the end, where the next begins
    axes.yaxis.set_major_locator(FixedLocator(list(np.log2(TICKS))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: in_hertz(round(2**value))))
    axes.set_title(title, fontsize=10.5, loc="left")
    return image


def decibels(audio: Matrix, loudest: float, sample_rate: int) -> Matrix:
    """Power of the mean over channels in dB below the loudest, (bin, frame)."""
    length, hop = 2048, sample_rate // 100
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio.mean(axis=0), length // 2), length)[::hop]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(length), axis=1))).T
    return 10 * np.log10(power / loudest + 1e-12)


def signal_to_distortion(truth: Matrix, estimate: Matrix) -> float:
    return float(10 * np.log10(np.square(truth).sum() / np.square(truth - estimate).sum()))


def plot_spectrograms(excerpt: Excerpt) -> Figure:
    """The mixture, and per stem the true one above the model's."""
    rate, seconds = excerpt.sample_rate, excerpt.mixture.shape[1] / excerpt.sample_rate
    loudest = 10 ** (decibels(excerpt.mixture, 1.0, rate).max() / 10)
    figure, grid = plt.subplots(3, 2, figsize=(7.5, 7.6), layout="constrained", sharex=True, sharey=True)
    grid[0, 1].set_axis_off()
    shown = {grid[0, 0]: ("mixture", excerpt.mixture)}
    for row, name in zip(grid[1:], excerpt.estimates, strict=True):
        truth, estimate = excerpt.truth[name], excerpt.estimates[name]
        shown[row[0]] = (f"{name}, true", truth)
        shown[row[1]] = (f"{name}, estimated: SDR {signal_to_distortion(truth, estimate):.1f} dB", estimate)
    for axes, (title, audio) in shown.items():
        image = show(axes, decibels(audio, loudest, rate), rate, seconds, low=-60.0, high=0.0, title=title)
    inset = grid[0, 1].inset_axes((0.1, 0.45, 0.8, 0.08))
    figure.colorbar(image, cax=inset, orientation="horizontal", label="dB below the mixture's loudest")
    figure.supxlabel("seconds", fontsize=11)
    figure.supylabel("Hz", fontsize=11)
    return figure


def plot_masks(excerpt: Excerpt) -> Figure:
    """Magnitudes of the stems' masks."""
    seconds = excerpt.mixture.shape[1] / excerpt.sample_rate
    figure, column = plt.subplots(len(excerpt.masks), 1, figsize=(7.5, 5.4), layout="constrained", sharex=True)
    for axes, (name, mask) in zip(column, excerpt.masks.items(), strict=True):
        image = show(axes, mask, excerpt.band_rate, seconds, low=0.0, high=1.2, title=f"mask of {name}")
    figure.colorbar(image, ax=list(column), label="magnitude", extend="max", aspect=40)
    figure.supxlabel("seconds", fontsize=11)
    figure.supylabel("Hz", fontsize=11)
    return figure


def explain_weights(figure: Figure, image: AxesImage, grid: NDArray[np.object_]) -> None:
    """A colour bar for the roots of weights: a few are large, and most near the even share."""
    bar = figure.colorbar(image, ax=list(grid.flat), label="weight, × the even share", extend="max", aspect=40)
    ticks = (0, 1, 2, 4, MOST)
    bar.set_ticks([value**0.5 for value in ticks], labels=[f"{value:g}" for value in ticks])


def plot_time_attention(excerpt: Excerpt) -> Figure:
    """Who attends to which moment: four bands, the mean over heads."""
    seconds = excerpt.mixture.shape[1] / excerpt.sample_rate
    centres = excerpt.layout.center_frequencies(excerpt.band_rate)
    bands = [int(np.abs(centres - hertz).argmin()) for hertz in (100, 400, 1600, 6400)]
    figure, grid = plt.subplots(2, 2, figsize=(7.5, 6.9), layout="constrained", sharex=True, sharey=True)
    for axes, band in zip(grid.flat, bands, strict=True):
        weights = excerpt.time_attention[band].mean(axis=0)
        image = axes.imshow(
            np.sqrt(weights * len(weights)),
            extent=(0.0, seconds, 0.0, seconds),
            origin="lower",
            cmap=SHADES,
            vmin=0.0,
            vmax=MOST**0.5,
        )
        axes.xaxis.set_major_locator(FixedLocator(range(0, int(seconds), 2)))
        low, high = excerpt.layout.edge_frequencies(excerpt.band_rate)[band]
        axes.set_title(f"band {band}, {max(low, 0):.0f} to {high:.0f} Hz", fontsize=10.5, loc="left")
    explain_weights(figure, image, grid)
    figure.supxlabel("seconds attended to", fontsize=11)
    figure.supylabel("seconds that attend", fontsize=11)
    return figure


def plot_band_attention(excerpt: Excerpt) -> Figure:
    """Which band attends to which, head by head, the mean over all frames."""
    heads = excerpt.band_attention[:4]
    rows = -(-len(heads) // 2)
    figure, grid = plt.subplots(
        rows, 2, figsize=(7.5, 0.6 + 3.5 * rows), layout="constrained", sharex=True, sharey=True, squeeze=False
    )
    centres = excerpt.layout.center_frequencies(excerpt.band_rate)
    ticks = [round(place) for place in np.linspace(0, len(centres) - 1, 5)]
    labels = [in_hertz(float(f"{centres[tick]:.2g}")) for tick in ticks]
    for axes in grid.flat[len(heads) :]:
        axes.set_axis_off()
    for number, (axes, weights) in enumerate(zip(grid.flat, heads, strict=False), start=1):
        image = axes.imshow(np.sqrt(weights * len(weights)), origin="lower", cmap=SHADES, vmin=0.0, vmax=MOST**0.5)
        axes.set_xticks(ticks, labels)
        axes.set_yticks(ticks, labels)
        axes.set_title(f"head {number}", fontsize=10.5, loc="left")
    explain_weights(figure, image, grid)
    figure.supxlabel("Hz attended to", fontsize=11)
    figure.supylabel("Hz that attends", fontsize=11)
    return figure


def plot_chunks(window: Matrix, step: int, sample_rate: int) -> Figure:
    """Weights of the chunks that cover a stretch, and their sum."""
    figure, axes = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
    count, places = 5, np.arange(len(window))
    total = np.zeros(len(window) + (count - 1) * step)
    for index in range(count):
        color, dashes = LINES[index % len(LINES)]
        total[index * step : index * step + len(window)] += window
        axes.plot((index * step + places) / sample_rate, window, color=color, linestyle=dashes, label=f"chunk {index}")
    whole = slice(len(window) - step, len(total) - len(window) + step)
    axes.plot(np.arange(len(total))[whole] / sample_rate, total[whole], color="black", linewidth=1.2, label="sum")
    axes.set(xlabel="seconds", ylabel="weight", ylim=(0, 1.08))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=6, frameon=False, fontsize=9.5, handlelength=1.6, columnspacing=1.0)
    return figure
