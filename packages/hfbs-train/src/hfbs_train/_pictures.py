"""A validation excerpt's spectrograms and masks, as a picture."""

from io import BytesIO
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ._validation import Separation

_N_FFT = 2048
_SECONDS = 8.0
_FLOOR = -80.0  # dB below the mixture's loudest bin


def masks(separation: Separation) -> NDArray[np.uint8]:
    """Draw the mixture, and for each stem the mask that the model made beside that of the true stem.

    A mask is the stem's magnitude over the mixture's, up to 1.

    Returns:
        The picture, (row, column, colour).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    song = separation.song
    loudest = _loudest_part(song.mixture, song.sample_rate)
    mixture = _magnitude(song.mixture[:, loudest])
    figure = Figure(figsize=(12, 2.2 * (1 + len(song.stems))), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1 + len(song.stems), 2, squeeze=False, sharex=True, sharey=True)
    extent = (0.0, mixture.shape[1] * _N_FFT / 4 / song.sample_rate, 0.0, song.sample_rate / 2000)
    level = 20 * np.log10(np.maximum(mixture / max(mixture.max(), 1e-12), 10 ** (_FLOOR / 20)))
    shown = {"aspect": "auto", "origin": "lower", "extent": extent}
    axes[0, 0].imshow(level, vmin=_FLOOR, vmax=0, cmap="magma", **shown)
    axes[0, 0].set_title(f"{song.name}: mixture", parse_math=False)
    axes[0, 1].axis("off")
    for row, (stem, truth) in zip(axes[1:], song.stems.items(), strict=True):
        for axis, audio, what in ((row[0], separation.estimates[stem], "model"), (row[1], truth, "truth")):
            mask = np.minimum(1, _magnitude(audio[:, loudest]) / np.maximum(mixture, 1e-8))
            axis.imshow(mask, vmin=0, vmax=1, cmap="gray", **shown)
            axis.set_title(f"mask of {stem}: {what}", parse_math=False)
    for axis in axes[:, 0]:
        axis.set_ylabel("kHz")
    for axis in axes[-1]:
        axis.set_xlabel("s")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def as_png(image: NDArray[np.uint8]) -> bytes:
    """The picture as a file's content."""
    from matplotlib import image as images

    content = BytesIO()
    cast("Any", images).imsave(content, image, format="png")
    return content.getvalue()


def _loudest_part(audio: NDArray[np.float32], sample_rate: int) -> slice:
    wanted = min(audio.shape[1], round(_SECONDS * sample_rate))
    energy = np.concatenate(([0.0], np.cumsum(np.square(audio, dtype=np.float64).sum(axis=0))))
    first = int(np.argmax(energy[wanted:] - energy[: len(energy) - wanted]))
    return slice(first, first + wanted)


def _magnitude(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = torch.nn.functional.pad(torch.as_tensor(audio), (0, max(0, _N_FFT - audio.shape[1])))
    window = torch.hann_window(_N_FFT)
    spectrum = torch.stft(padded, _N_FFT, _N_FFT // 4, window=window, return_complex=True)
    return spectrum.abs().square().mean(dim=0).sqrt().numpy()
