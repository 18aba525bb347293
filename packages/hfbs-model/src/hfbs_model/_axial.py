"""One layer of the trunk: attention along time, then along the bands."""

from collections.abc import Sequence

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

type LayerValues = tuple[Tensor | None, ...]
"""Values of a layer's attention, one entry per transformer in its order; None for a transformer that gives none."""


class AxialLayer(nn.ModuleList):
    """Transformers along time and along the bands :cite:p:`lu2023bsroformer`, optionally after a linear one over both
    at once.

    Each is called as :class:`hfbs_attention.Transformer` is.

    A list, so that keys are ``0.…``, ``1.…`` (and ``2.…``) as upstream's.

    Args:
        time: Runs within each band.
        band: Runs within each frame.
        linear: Runs over all frames and bands as one sequence, or None. It takes and gives values only where it has an
            attribute ``gives_values`` that is true.
    """

    def __init__(self, time: nn.Module, band: nn.Module, linear: nn.Module | None = None) -> None:
        super().__init__([time, band] if linear is None else [linear, time, band])

    def forward(
        self,
        x: Float[Tensor, "batch frame band dim"],
        skipped: Sequence[Tensor] = (),
        values: LayerValues | None = None,
        return_values: bool = False,
    ) -> tuple[Float[Tensor, "batch frame band dim"], LayerValues | None]:
        """Run the transformers.

        Args:
            x: Tokens, (batch, frame, band, dim).
            skipped: Outputs of earlier layers, added before the attention along time.
            values: The first layer's values, where this layer mixes them in.
            return_values: Return this layer's values.
        """
        *linear, time, band = self
        *linear_values, time_values, band_values = (None,) * len(self) if values is None else values
        frames, bands = x.shape[1:3]
        own: list[Tensor | None] = []

        def run(
            transformer: nn.Module, sequences: Tensor, value_residual: Tensor | None, gives_values: bool = True
        ) -> Tensor:
            if not (return_values and gives_values):
                own.append(None)
                return transformer(sequences) if value_residual is None else transformer(sequences, value_residual)
            sequences, first_values = transformer(sequences, value_residual, return_values=True)
            own.append(first_values)
            return sequences

        for transformer, value_residual in zip(linear, linear_values, strict=True):
            gives_values: bool = getattr(transformer, "gives_values", False)
            tokens = run(transformer, rearrange(x, "b t f d -> b (t f) d"), value_residual, gives_values)
            x = rearrange(tokens, "b (t f) d -> b t f d", f=bands)
        for output in skipped:
            x = x + output

        along_time = run(time, rearrange(x, "b t f d -> (b f) t d"), time_values)
        along_bands = run(band, rearrange(along_time, "(b f) t d -> (b t) f d", f=bands), band_values)
        x = rearrange(along_bands, "(b t) f d -> b t f d", t=frames)
        return x, tuple(own) if return_values else None
