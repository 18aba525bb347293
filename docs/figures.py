"""Draws the pictures of the pages, afresh at each build, into a folder that git ignores."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sphinx.application import Sphinx

from hfbs_filterbanks import BandLayout, contiguous_layout, mel_layout, octave_layout, plot_layout

SAMPLE_RATE, N_FFT = 44100, 2048
FOLDER = Path(__file__).parent / "_build" / "figures"
REBAND = Path(__file__).parent / "examples" / "reband.json"


def pitch_classes_and_bass() -> BandLayout:
    """A band for all bins below 300 Hz, and one for the bins of each pitch class, C to B, in every octave."""
    hertz = np.arange(1, N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    semitones_above_c = np.rint(12 * np.log2(hertz / 261.63)).astype(int) % 12
    classes = semitones_above_c == np.arange(12)[:, None]
    bass = np.concatenate(([True], hertz < 300))
    return BandLayout(np.vstack((bass, np.pad(classes, ((0, 0), (1, 0))))))


LAYOUTS = {
    "bs": contiguous_layout,
    "mel": lambda: mel_layout(60, sample_rate=SAMPLE_RATE, n_fft=N_FFT),
    "octave": lambda: octave_layout(3, sample_rate=SAMPLE_RATE, n_fft=N_FFT),
    "custom": pitch_classes_and_bass,
}


def plot_reband(numbers: dict[str, Any]) -> Figure:
    """Masks of a model and of those made from it, and losses in fine-tuning, measured by docs/examples/reband.py."""
    figure, (masks, losses) = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
    colors = {"old": "black", "split in two": "C0", "24 mel bands": "C2", "split in two, random ends": "C1"}
    for name, color in colors.items():
        masks.semilogx(numbers["hertz"], numbers["masks"][name], color=color, label=name)
    masks.set(xlabel="Hz", ylabel="drums' mask, mean magnitude", ylim=(0, None))
    for name, points in numbers["losses"].items():
        if name == "old":
            losses.axhline(points[0][1], color="black", label="old")
        else:
            losses.plot(*zip(*points, strict=True), color=colors.get(name, "C3"), label=name)
    losses.set(xlabel="steps of fine-tuning", ylabel="loss on the training song")
    lines = {str(line.get_label()): line for axes in (masks, losses) for line in axes.lines}
    figure.legend(handles=lines.values(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def save(figure: Figure, name: str) -> None:
    """Transparent, so that the page's own background shows."""
    figure.savefig(FOLDER / f"{name}.svg", transparent=True, metadata={"Date": None})
    plt.close(figure)


def draw(app: Sphinx) -> None:
    """Draw every layout, and what was measured."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    mpl.use("agg")
    with mpl.rc_context({"svg.hashsalt": "hfbs", "font.size": 11}):
        for name, build in LAYOUTS.items():
            figure, axes = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
            plot_layout(build(), sample_rate=SAMPLE_RATE, ax=axes)
            save(figure, name)
        save(plot_reband(json.loads(REBAND.read_text(encoding="utf-8"))), "reband")


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw before any page is read."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
