"""Draws the pictures of the pages, afresh at each build, into a folder that git ignores."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from excerpt import separated_excerpt
from gallery import plot_band_attention, plot_chunks, plot_masks, plot_spectrograms, plot_time_attention, plot_widths
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from measured import plot_losses, speeds
from sphinx.application import Sphinx

from hfbs_filterbanks import (
    BandLayout,
    bark_layout,
    contiguous_layout,
    erb_layout,
    mel_layout,
    octave_layout,
    plot_layout,
)
from hfbs_separate._chunking._clean import partition_window
from hfbs_train.augmentation import augment, read_augmentation

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


def notes() -> tuple[BandLayout, int]:
    """The layout that the tutorial on bands makes, by its own file, and its sample rate."""
    page = (Path(__file__).parent / "tutorials" / "bands.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.partition("```python\n# notes.py\n")[2].partition("```")[0], names)
    return names["notes"](), names["SAMPLE_RATE"]


LAYOUTS = {
    "bs": contiguous_layout,
    "mel": lambda: mel_layout(60, sample_rate=SAMPLE_RATE, n_fft=N_FFT),
    "octave": lambda: octave_layout(3, sample_rate=SAMPLE_RATE, n_fft=N_FFT),
    "bark": lambda: bark_layout(48, sample_rate=SAMPLE_RATE, n_fft=N_FFT),
    "erb": lambda: erb_layout(48, sample_rate=SAMPLE_RATE, n_fft=N_FFT),
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


# What docs/augmentation.md shows of each effect: one draw of settings that can be seen.
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "codec": {"names": ["mp3"], "kilobits": [32, 32]},
    "speed": {"ratio": [1.3, 1.3]},
    "pitch_and_tempo": {"semitones": [7, 7]},
    "equalizer": {"decibels": [-18, 18]},
    "saturation": {"decibels": [15, 15]},
    "clipping": {"decibels": [12, 12]},
    "reverb": {"seconds": [1.2, 1.2], "decibels": [-6, -6]},
    "low_pass": {"hertz": [9400, 9400], "octaves": [0.05, 0.05]},
}


def tones_and_hits() -> torch.Tensor:
    """Three seconds of four tones with partials up to 16 kHz, which glide a little, and a hit of noise with each."""
    time = torch.arange(3 * SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    sound = torch.zeros_like(time)
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for start, hertz in ((0.05, 220), (0.75, 330), (1.45, 440), (2.15, 293)):
        since = (time - start).clamp(min=0)
        heard = (time >= start) * (since < 0.65)
        phase = 2 * torch.pi * hertz * (since + 0.002 * torch.sin(12 * since))
        for partial in range(1, 16000 // hertz):
            sound += heard * 0.2 / partial * torch.sin(partial * phase) * torch.exp(-2 * since)
        sound += heard * 0.1 * noise * torch.exp(-40 * since)
    return sound.float().expand(1, 1, 2, -1)


def plot_augmentation() -> Figure:
    """Spectrograms of one excerpt before and after each effect that shows in one."""
    before = tones_and_hits()
    after = {
        name: augment(before, [1], read_augmentation({name: values}), seed=0, sample_rate=SAMPLE_RATE)
        for name, values in AUGMENTATIONS.items()
    }
    figure, grid = plt.subplots(3, 3, figsize=(7.5, 6.5), layout="constrained", sharex=True, sharey=True)
    for axes, (name, audio) in zip(grid.flat, {"before": before, **after}.items(), strict=True):
        spectrum = torch.stft(audio[0, 0, 0], 1024, 256, window=torch.hann_window(1024), return_complex=True).abs()
        axes.imshow(
            20 * (spectrum + 1e-6).log10().numpy(),
            extent=(0, audio.shape[-1] / SAMPLE_RATE, 0, SAMPLE_RATE / 2000),
            origin="lower",
            aspect="auto",
            cmap="Greys",
            vmin=-55,
            vmax=25,
        )
        axes.set_title(name, fontsize=10)
    grid[0, 0].set(xlim=(0, 3), ylim=(0, 20))
    figure.supxlabel("seconds", fontsize=10)
    figure.supylabel("kHz", fontsize=10)
    return figure


# In the order in which plot_widths tells lines apart.
NAMES = {
    "bs": "BS-RoFormer",
    "mel": "Mel-Band RoFormer",
    "octave": "third octaves",
    "bark": "Bark",
    "erb": "ERB",
}
# Of a song: large fields of values, which are smaller as pixels.
OF_THE_EXCERPT = {
    "spectrograms": plot_spectrograms,
    "masks": plot_masks,
    "time_attention": plot_time_attention,
    "band_attention": plot_band_attention,
}


def save(figure: Figure, name: str) -> None:
    """Transparent, so that the page's own background shows."""
    if name in OF_THE_EXCERPT:
        figure.savefig(FOLDER / f"{name}.webp", transparent=True, dpi=200, pil_kwargs={"quality": 85})
    else:
        figure.savefig(FOLDER / f"{name}.svg", transparent=True, metadata={"Date": None})
    plt.close(figure)


def draw(app: Sphinx) -> None:
    """Draw every layout, and what was measured."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "speeds.md").write_text(speeds(), encoding="utf-8")
    mpl.use("agg")
    with mpl.rc_context({"svg.hashsalt": "hfbs", "font.size": 11}):
        layouts = {name: (build(), SAMPLE_RATE) for name, build in LAYOUTS.items()} | {"notes": notes()}
        for name, (layout, sample_rate) in layouts.items():
            figure, axes = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
            plot_layout(layout, sample_rate=sample_rate, ax=axes)
            save(figure, name)
        save(plot_reband(json.loads(REBAND.read_text(encoding="utf-8"))), "reband")
        save(plot_augmentation(), "augmentation")
        save(plot_losses(), "losses")
        save(plot_widths({NAMES[name]: LAYOUTS[name]() for name in NAMES}, SAMPLE_RATE), "widths")
        save(plot_chunks(partition_window(7200, 3600), step=3600, sample_rate=900), "chunks")
        excerpt = separated_excerpt()
        for name, plot in OF_THE_EXCERPT.items():
            save(plot(excerpt), name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw before any page is read."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
