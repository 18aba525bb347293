"""What the demo model makes of a few seconds of the song that comes with hfbs, with what it attends to on its way."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hfbs_attention import Attend
from hfbs_filterbanks import BandLayout
from hfbs_model import load_checkpoint
from hfbs_separate.audio import decode
from hfbs_separate.demo import MODEL, SONG
from hfbs_separate.evaluation import find_songs, load_song

TRUE_STEMS = Path(__file__).parents[1] / "tests" / "demo_song"
FILES = {"vocals": ["vocals"], "instrumental": ["drums", "bass", "other"]}
START, SECONDS = 13.0, 8.0


@dataclass(frozen=True)
class Excerpt:
    """A few seconds, and what a model makes of them.

    Attributes:
        sample_rate: in Hz.
        hop_length: distance of the model's frames in samples.
        layout: the model's bands.
        band_rate: twice the highest frequency of those in Hz.
        mixture: (channel, time).
        truth: of the vocals and the instrumental, (channel, time).
        estimates: the same, by the model; the instrumental is what the vocals leave.
        masks: of the same, magnitudes, the mean over channels, (bin, frame).
        time_attention: weights of one layer, (band, head, frame, frame attended to).
        band_attention: weights of the same layer, the mean over frames, (head, band, band attended to).
        layer: which layer that is, from 1 on.
    """

    sample_rate: int
    hop_length: int
    layout: BandLayout
    band_rate: float
    mixture: NDArray[np.float32]
    truth: dict[str, NDArray[np.float32]]
    estimates: dict[str, NDArray[np.float32]]
    masks: dict[str, NDArray[np.float32]]
    time_attention: NDArray[np.float32]
    band_attention: NDArray[np.float32]
    layer: int


class _Watched:
    """The attention weights that a module computes, whatever groups of sequences it takes together."""

    def __init__(self, transformer: nn.Module) -> None:
        attend = next(module for module in transformer.modules() if isinstance(module, Attend))
        self._parts: list[Tensor] = []
        attend.register_forward_pre_hook(self._keep)

    def _keep(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        q, k, _ = arguments
        scale = cast("Attend", module).scale
        products = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
        self._parts.append(products.softmax(dim=-1).float())

    @property
    def weights(self) -> NDArray[np.float32]:
        """(sequence, head, position, position attended to)."""
        return torch.cat(self._parts).numpy()


@torch.inference_mode()
def separated_excerpt() -> Excerpt:
    """Run the demo model once, and keep what the pictures show."""
    checkpoint = load_checkpoint(MODEL)
    model = checkpoint.model.eval().float()
    layer = len(model.layers) // 2
    along_time, along_bands = (_Watched(model.layers[layer][axis]) for axis in (-2, -1))
    features: list[Tensor] = []
    for estimator in model.mask_estimators:
        estimator.register_forward_hook(lambda module, arguments, output: features.append(output))
    kept = slice(round(START * checkpoint.sample_rate), round((START + SECONDS) * checkpoint.sample_rate))
    mixture = decode(SONG).audio[:, kept]
    estimate = model(torch.from_numpy(mixture)[None])[0].sum(dim=0).numpy()
    mask = model.band_gather.merge(torch.stack(features, dim=1))[0].sum(dim=0)
    names = [*checkpoint.stems, cast("str", checkpoint.residual)]
    (files,) = find_songs(TRUE_STEMS, FILES)
    truth = load_song(files).stems
    return Excerpt(
        sample_rate=int(checkpoint.sample_rate),
        hop_length=model.stft_settings.hop_length,
        layout=model.layout,
        band_rate=checkpoint.sample_rate * model.layout.n_fft / model.stft_settings.n_fft,
        mixture=mixture,
        truth={name: truth[name][:, kept] for name in names},
        estimates=dict(zip(names, (estimate, mixture - estimate), strict=True)),
        masks={name: part.abs().mean(dim=0).numpy() for name, part in zip(names, (mask, 1 - mask), strict=True)},
        time_attention=along_time.weights,
        band_attention=along_bands.weights.mean(axis=0),
        layer=layer + 1,
    )
