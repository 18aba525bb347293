"""The part of a separator between the Fourier transforms, in real numbers, which other runtimes can run."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from .._rotator import BandSplitRotator


class MaskCore(nn.Module):
    """A separator without its Fourier transforms: spectrum in, masks out, complex numbers as pairs of real ones.

    The bands, the average where they overlap, ``freq_range`` and ``zero_dc`` are in it, so that all a host has to do is
    to multiply.

    Args:
        model: The separator, which stays its own: weights are shared.
    """

    def __init__(self, model: BandSplitRotator) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, spectrum: Float[Tensor, "batch channel frame bin 2"]
    ) -> Float[Tensor, "batch stem channel frame bin 2"]:
        """One complex mask per stem and bin.

        Args:
            spectrum: Of the mixture, as :func:`torch.stft` gives it, but frames before bins: (batch, channel, frame,
                bin, 2), bins from 0 Hz to the Nyquist frequency, the last axis real and imaginary part.

        Returns:
            Masks, (batch, stem, channel, frame, bin, 2). The stem's spectrum is the complex product of the two.
        """
        model = self.model
        bins = rearrange(spectrum[:, :, :, model.bins], "b c t f ri -> b t f c ri")
        of_bands = model.band_masks(model.band_gather.features(bins), range(model.num_stems))
        masks = rearrange(model.band_gather.average(of_bands), "b n t f c ri -> b n c t f ri")
        first, last = model.bins.start, model.bins.stop
        if model.zero_dc and first == 0:
            first, masks = 1, masks[..., 1:, :]
        return F.pad(masks, (0, 0, first, model.stft_settings.num_bins - last))


def example_spectrum(model: BandSplitRotator, batch: int, frames: int) -> Float[Tensor, "batch channel frame bin 2"]:
    """Noise as a core takes it, the same at each call."""
    shape = (batch, model.audio_channels, frames, model.stft_settings.num_bins, 2)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
