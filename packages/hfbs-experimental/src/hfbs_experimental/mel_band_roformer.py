"""``MelBandRoformer`` with the keywords, keys and arithmetic of MSST's experimental class of that name."""

from inspect import signature
from typing import Any

import hfbs_model.mel_band_roformer
from hfbs_model import Parts
from hfbs_model._settings import refuse_unknown

from ._compat import experimental_parts
from ._connections import Generation


class MelBandRoformer(hfbs_model.mel_band_roformer.MelBandRoformer):
    """Mel-Band RoFormer :cite:p:`wang2024melroformer` with the variants of the attention stack.

    It is :class:`hfbs_model.mel_band_roformer.MelBandRoformer`, whose keywords it takes too, and with its defaults the
    class of MSST's ``mel_band_roformer_experimental.py``; what is peculiar to that,
    :class:`hfbs_experimental.bs_roformer.BSRoformer` says.

    Args:
        dim: Features of a token.
        use_value_residual_learning: See :class:`hfbs_experimental.bs_roformer.BSRoformer`, as for the seven below.
        num_residual_streams: Residual streams of hyper-connections; 1 means none.
        hyper_connections: Their generation; None means ``"2024"``.
        sinkhorn_iters: Iterations of the generation ``"manifold"``.
        num_residual_fracs: Parts of a stream's features.
        attention_bias: Biases of the attention's projections.
        msst_residuals: Residual sums in the first layer and in no later one.
        zero_dc: Set the lowest bin of every stem to zero.
        lucidrains_mel_values: Mix values as lucidrains' Mel-Band RoFormer does, see
            :class:`~hfbs_experimental.attend.Transformer`; needs ``use_value_residual_learning``.
        parts: Further parts, such as another mask head; these variants build on them.
        keywords: Those of :class:`hfbs_model.mel_band_roformer.MelBandRoformer`.

    Raises:
        ValueError: Keywords that contradict each other.
        TypeError: An unknown keyword.
    """

    def __init__(
        self,
        dim: int,
        *,
        use_value_residual_learning: bool = False,
        num_residual_streams: int = 1,
        hyper_connections: Generation | None = None,
        sinkhorn_iters: int | None = None,
        num_residual_fracs: int = 1,
        attention_bias: bool = False,
        msst_residuals: bool = True,
        zero_dc: bool = False,
        lucidrains_mel_values: bool = False,
        parts: Parts | None = None,
        **keywords: Any,
    ) -> None:
        known = [*signature(hfbs_model.mel_band_roformer.MelBandRoformer).parameters][:-1]
        refuse_unknown(keywords.keys() - {*known}, [*signature(MelBandRoformer).parameters, *known], "MelBandRoformer")
        if lucidrains_mel_values and not use_value_residual_learning:
            raise ValueError(
                "lucidrains_mel_values=True is a way to mix values; set use_value_residual_learning=True too"
            )
        super().__init__(
            dim,
            use_value_residual_learning=use_value_residual_learning,
            zero_dc=zero_dc,
            parts=experimental_parts(
                parts,
                dim,
                num_residual_streams=num_residual_streams,
                hyper_connections=hyper_connections,
                sinkhorn_iters=sinkhorn_iters,
                num_residual_fracs=num_residual_fracs,
                attention_bias=attention_bias,
                msst_residuals=msst_residuals,
                lucidrains_mel_values=lucidrains_mel_values,
            ),
            **keywords,
        )
