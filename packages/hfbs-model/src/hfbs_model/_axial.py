"""One layer of the trunk: attention along time, then along the bands."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from hfbs_attention import Transformer


class AxisValues(NamedTuple):
    """Values of the first layer's attention, along time and along the bands, which later layers mix into their own."""

    time: Tensor
    band: Tensor


class AxialLayer(nn.ModuleList):
    """Transformers along time and along the bands :cite:p:`lu2023bsroformer`, optionally after a linear one over both
    at once.

    A list, so that keys are ``0.…``, ``1.…`` (and ``2.…``) as upstream's.

    Args:
        time: Runs within each band.
        band: Runs within each frame.
        linear: Runs over all frames and bands as one sequence, or None.
    """

    def __init__(self, time: Transformer, band: Transformer, linear: Transformer | None = None) -> None:
        super().__init__([time, band] if linear is None else [linear, time, band])

    def forward(
        self,
        x: Float[Tensor, "batch frame band dim"],
        skipped: Sequence[Tensor] = (),
        values: AxisValues | None = None,
        return_values: bool = False,
    ) -> tuple[Float[Tensor, "batch frame band dim"], AxisValues | None]:
        """Run the transformers.

        Args:
            x: Tokens, (batch, frame, band, dim).
            skipped: Outputs of earlier layers, added before the attention along time.
            values: The first layer's values, where this layer mixes them in.
            return_values: Return this layer's values.
        """
        *linear, time, band = cast("tuple[Transformer, ...]", tuple(self))
        frames, bands = x.shape[1:3]

        for transformer in linear:
            tokens = transformer(rearrange(x, "b t f d -> b (t f) d"))
            x = rearrange(tokens, "b (t f) d -> b t f d", f=bands)
        for output in skipped:
            x = x + output

        along_time, time_values = _run(
            time, rearrange(x, "b t f d -> (b f) t d"), values and values.time, return_values
        )
        along_bands = rearrange(along_time, "(b f) t d -> (b t) f d", f=bands)
        along_bands, band_values = _run(band, along_bands, values and values.band, return_values)
        x = rearrange(along_bands, "(b t) f d -> b t f d", t=frames)

        if time_values is None or band_values is None:
            return x, None
        return x, AxisValues(time_values, band_values)


def _run(
    transformer: Transformer, x: Tensor, value_residual: Tensor | None, return_values: bool
) -> tuple[Tensor, Tensor | None]:
    if return_values:
        return transformer(x, value_residual, return_values=True)
    return transformer(x, value_residual), None
