"""The band-membership matrix at work: bins to bands before the network, bands to bins after it."""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Complex, Float
from torch import Tensor, nn

from hfbs_filterbanks import BandLayout


class BandGather(nn.Module):
    """Collects the bins of each band, and averages per bin what its bands say, as Mel-RoFormer does
    :cite:p:`wang2024melroformer`.

    Args:
        layout: Bands over the model's bins.
        channels: Audio channels, which a band sees together.
    """

    indices: Tensor
    bands_per_bin: Tensor

    def __init__(self, layout: BandLayout, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.widths = tuple(2 * channels * width for width in layout.widths)
        self.in_order = layout.gather_indices.tolist() == list(range(layout.num_bins))
        # On the CPU also where a model is built without memory: no state dict brings these.
        self._values = {
            "indices": torch.tensor(layout.gather_indices.tolist(), device="cpu"),
            "bands_per_bin": torch.tensor(layout.bands_per_bin.tolist(), device="cpu"),
        }
        for name, values in self._values.items():
            self.register_buffer(name, values, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        """Move the buffers as all others, and fill those that were given new memory, as ``to_empty`` does, again."""
        before = dict(self.named_buffers())
        super()._apply(fn, recurse)  # pyright: ignore[reportUnknownMemberType]
        for name, buffer in self.named_buffers():
            if buffer is not before[name]:
                buffer.copy_(self._values[name])
        return self

    def split(self, spectrum: Complex[Tensor, "batch channel bin frame"]) -> Float[Tensor, "batch frame features"]:
        """Bins of each band in turn; within a band by bin, then channel, then real and imaginary part."""
        return self.features(rearrange(torch.view_as_real(spectrum), "b c f t ri -> b t f c ri"))

    def features(self, bins: Float[Tensor, "batch frame bin channel 2"]) -> Float[Tensor, "batch frame features"]:
        """The same from real and imaginary parts."""
        if not self.in_order:
            bins = bins.index_select(2, self.indices)
        return rearrange(bins, "b t k c ri -> b t (k c ri)")

    def merge(
        self, masks: Float[Tensor, "batch stem frame features"]
    ) -> Complex[Tensor, "batch stem channel bin frame"]:
        """One complex mask per bin: the mean over the bands that hold it, in at least float32."""
        masks = masks.to(torch.promote_types(masks.dtype, torch.float32))
        masks = rearrange(masks, "b n t (k c ri) -> b n t k c ri", c=self.channels, ri=2)
        if not self.in_order:
            b, n, t, _, c, ri = masks.shape
            summed = masks.new_zeros(b, n, t, len(self.bands_per_bin), c, ri).index_add(3, self.indices, masks)
            masks = summed / rearrange(self.bands_per_bin, "f -> f 1 1")
        return torch.view_as_complex(rearrange(masks, "b n t f c ri -> b n c f t ri").contiguous())
