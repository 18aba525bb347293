"""A picture of the scores: a box per stem and estimator, and a dot per song."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._extra import import_extra
from ._names import ANCHORS
from ._scores import Score, summarize

# Anchors from the best to the worst in one family of colours, so that what is compared with them stands out.
_ANCHORS = dict(zip(ANCHORS, ("#1a5696", "#7fbadb", "#9b9b9b", "#d2d2d2"), strict=True))
_MODEL = "#e4572e"
_QUIET = "#666666"


def draw(scores: Sequence[Score], kind: str) -> bytes:
    """The SDR of all songs, as a file of this kind: ``"png"``, ``"svg"`` or ``"pdf"``.

    A box holds the middle half of the songs, its line is the median, and the whiskers reach to the last song within
    one and a half times the box's height.

    Raises:
        ImportError: matplotlib is missing; the message says how to install it.
    """
    figures: Any = import_extra("matplotlib.figure", extra="evaluate", purpose="--plot")
    patches: Any = import_extra("matplotlib.patches", extra="evaluate", purpose="--plot")
    counts = {summary.stem: summary.songs for summary in summarize(scores) if summary.songs}
    stems = list(counts)
    estimators = list(dict.fromkeys(score.estimator for score in scores))
    colors = [_ANCHORS.get(estimator, _MODEL) for estimator in estimators]
    step = 0.8 / len(estimators)

    width = max(6.5, 1.8 + 1.6 * len(stems))
    figure = figures.Figure(figsize=(width, 4.4), layout="constrained")
    axes = figure.subplots()
    for place, stem in enumerate(stems):
        for number, estimator in enumerate(estimators):
            values = [
                score.values["sdr"]
                for score in scores
                if (score.stem, score.estimator) == (stem, estimator) and not score.silent
            ]
            middle = place + (number - (len(estimators) - 1) / 2) * step
            _box(axes, values, middle, 0.78 * step, colors[number])
    for place, (stem, songs) in enumerate(counts.items()):
        if place % 2:
            axes.axvspan(place - 0.5, place + 0.5, color="#f6f6f6", linewidth=0, zorder=0)
        count = f"{songs} song{'s' if songs != 1 else ''}"
        below = {"transform": axes.get_xaxis_transform(), "horizontalalignment": "center", "verticalalignment": "top"}
        axes.text(place, -0.02, stem, fontsize="large", parse_math=False, **below)
        axes.text(place, -0.085, count, fontsize="small", color=_QUIET, **below)
    axes.axhline(0, color=_QUIET, linewidth=0.8, zorder=1)
    axes.set_xticks([])
    axes.set_xlim(-0.5, max(len(stems), 1) - 0.5)
    axes.set_ylabel("SDR in dB")
    axes.grid(axis="y", color="#e2e2e2", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="both", length=0)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    handles = [patches.Patch(facecolor=color, alpha=0.75) for color in colors]
    columns = min(len(estimators), int(width / 1.6))
    legend = figure.legend(
        handles, estimators, loc="outside upper left", ncols=columns, frameon=False, handlelength=0.9
    )
    for text in legend.get_texts():  # a name may hold a dollar sign
        text.set_parse_math(False)
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, dpi=160)
    return picture.getvalue()


def _box(axes: Any, values: Sequence[float], middle: float, width: float, color: str) -> None:
    line = {"color": color, "linewidth": 1.3}
    axes.boxplot(
        values,
        positions=[middle],
        widths=width,
        patch_artist=True,
        showfliers=False,
        manage_ticks=False,
        boxprops={"facecolor": color, "edgecolor": color, "alpha": 0.35},
        medianprops={"color": color, "linewidth": 2.2, "solid_capstyle": "butt"},
        whiskerprops=line,
        capprops={"linewidth": 0},
        zorder=2,
    )
    # Beside each other where they are many, always at the same places.
    aside = np.random.default_rng(0).uniform(-0.22, 0.22, len(values)) * width if len(values) > 1 else np.zeros(1)
    axes.scatter(middle + aside, values, s=9, color=color, edgecolors="white", linewidths=0.4, zorder=3)
