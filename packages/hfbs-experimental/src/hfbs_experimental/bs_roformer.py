"""``BSRoformer`` with the keywords, keys and arithmetic of MSST's experimental class of that name."""

from inspect import signature
from typing import Any

import hfbs_model.bs_roformer
from hfbs_model import Parts
from hfbs_model._settings import refuse_unknown

from ._compat import experimental_parts
from ._connections import Generation


class BSRoformer(hfbs_model.bs_roformer.BSRoformer):
    """BS-RoFormer :cite:p:`lu2023bsroformer` with the variants of the attention stack.

    It is :class:`hfbs_model.bs_roformer.BSRoformer`, whose keywords it takes too, and with its defaults the class of
    MSST's ``bs_roformer_experimental.py``. That class has two peculiarities, which weights trained with it need: no
    residual sums after the first layer (``msst_residuals``), and no way to set the lowest bin to zero.

    Args:
        dim: Features of a token.
        use_value_residual_learning: Mix the first layer's values into those of later layers
            :cite:p:`zhou2024valueresidual`.
        num_residual_streams: Residual streams of hyper-connections :cite:p:`zhu2024hyperconnections`; 1 means none.
        hyper_connections: Their generation, see :class:`~hfbs_experimental.attend.Transformer`; None means ``"2024"``,
            MSST's.
        sinkhorn_iters: See :class:`~hfbs_experimental.attend.Transformer`.
        num_residual_fracs: See :class:`~hfbs_experimental.attend.Transformer`.
        attention_bias: Biases of the attention's projections.
        msst_residuals: Add residual sums in the first layer, hyper-connections or not, and in no later one. False for
            the weights of any other trainer.
        zero_dc: Set the lowest bin of every stem to zero.
        parts: Further parts, such as another mask head; these variants build on them.
        keywords: Those of :class:`hfbs_model.bs_roformer.BSRoformer`.

    Raises:
        ValueError: Keywords that contradict each other or do not fit the bands.
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
        parts: Parts | None = None,
        **keywords: Any,
    ) -> None:
        known = [*signature(hfbs_model.bs_roformer.BSRoformer).parameters][:-1]
        refuse_unknown(keywords.keys() - {*known}, [*signature(BSRoformer).parameters, *known], "BSRoformer")
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
            ),
            **keywords,
        )
