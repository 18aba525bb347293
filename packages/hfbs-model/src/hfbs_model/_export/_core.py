"""The part of a separator between the Fourier transforms, in real numbers, which other runtimes can run."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from hfbs_filterbanks import BandLayout

from .._rotator import BandSplitRotator


class MaskCore(nn.Module):
    """A separator without its Fourier transforms: spectrum in, masks out, complex numbers as pairs of real ones.

    The bands, the average where they overlap, ``freq_range`` and ``zero_dc`` are in it, so that all a host has to do is
    to multiply.

    Args:
        model: The separator, which stays its own: weights are shared.
    """

    places: Tensor
    shares: Tensor

    def __init__(self, model: BandSplitRotator) -> None:
        super().__init__()
        self.model = model
        places, shares = _bands_of_bins(model.layout)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("shares", shares, persistent=False)

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
        masks = rearrange(of_bands, "b n t (k c ri) -> b n c t k ri", c=model.audio_channels, ri=2)
        if not model.band_gather.in_order:  # by gathering, too: adding into places is slow or missing in runtimes
            masks = rearrange(
                masks.index_select(4, self.places), "b n c t (f m) ri -> b n c t f m ri", f=len(self.shares)
            )
            masks = (masks * self.shares).sum(dim=-2)
        first, last = model.bins.start, model.bins.stop
        if model.zero_dc and first == 0:
            first, masks = 1, masks[..., 1:, :]
        return F.pad(masks, (0, 0, first, model.stft_settings.num_bins - last))


def _bands_of_bins(layout: BandLayout) -> tuple[Tensor, Tensor]:
    """For each bin, where its bands have it among the bins of all bands, and what each counts.

    Returns:
        Places, as many for each bin as the most bands that share one, (bin × most), and their shares, (bin, most, 1),
        which are 0 for places that only fill up.
    """
    most = int(layout.bands_per_bin.max())
    order = np.argsort(layout.gather_indices, kind="stable")
    bins = layout.gather_indices[order]
    nth = np.arange(len(bins)) - np.searchsorted(bins, bins)
    places = np.zeros((layout.num_bins, most), np.int64)
    shares = np.zeros((layout.num_bins, most, 1), np.float32)
    places[bins, nth] = order
    shares[bins, nth, 0] = 1 / layout.bands_per_bin[bins]
    return torch.as_tensor(places.ravel()), torch.as_tensor(shares)


def example_spectrum(model: BandSplitRotator, batch: int, frames: int) -> Float[Tensor, "batch channel frame bin 2"]:
    """Noise as a core takes it, the same at each call."""
    shape = (batch, model.audio_channels, frames, model.stft_settings.num_bins, 2)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
