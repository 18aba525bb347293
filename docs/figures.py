"""Draws the pictures of the pages, afresh at each build, into a folder that git ignores."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from sphinx.application import Sphinx

from hfbs_filterbanks import BandLayout, contiguous_layout, mel_layout, octave_layout, plot_layout

SAMPLE_RATE, N_FFT = 44100, 2048
FOLDER = Path(__file__).parent / "_build" / "figures"


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


def draw(app: Sphinx) -> None:
    """Draw every layout, transparent, so that the page's own background shows."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    mpl.use("agg")
    with mpl.rc_context({"svg.hashsalt": "hfbs", "font.size": 11}):
        for name, build in LAYOUTS.items():
            figure, axes = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
            plot_layout(build(), sample_rate=SAMPLE_RATE, ax=axes)
            figure.savefig(FOLDER / f"{name}.svg", transparent=True, metadata={"Date": None})
            plt.close(figure)


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw before any page is read."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
