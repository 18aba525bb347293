"""What research variants of the attention stack have said so far, and the transformers that follow from it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from hfbs_model import Parts

from ._conformer import Conformer
from ._connections import Generation
from ._transformer import Transformer


@dataclass(frozen=True)
class ConformerSizes:
    """Keywords of :class:`Conformer` of the same names."""

    conv_expansion_factor: int
    conv_kernel_size: int


@dataclass(frozen=True)
class Stacks:
    """Builds the transformers of each layer; takes the place of :attr:`hfbs_model.Parts.transformer_of`.

    Attributes:
        num_residual_streams: See :class:`Transformer`, as for all but the last two.
        hyper_connections: Generation of the connections.
        sinkhorn_iters: Iterations of a generation that iterates.
        num_residual_fracs: Parts of a stream's features.
        lucidrains_mel_values: Value residuals of lucidrains' Mel-Band RoFormer.
        bias: Biases of the projections; linear attention has none.
        msst_residuals: Residual sums in the first layer and not in later ones, whatever connections there are.
        conformer: Sizes of Conformers, which take the place of the transformers but for linear ones; None for none.
    """

    num_residual_streams: int = 1
    hyper_connections: Generation | None = None
    sinkhorn_iters: int | None = None
    num_residual_fracs: int = 1
    lucidrains_mel_values: bool = False
    bias: bool = False
    msst_residuals: bool = False
    conformer: ConformerSizes | None = None

    def __post_init__(self) -> None:
        """Refuse what no model has together.

        Raises:
            ValueError: Conformers with another variant than biases.
        """
        streams = self.num_residual_streams > 1 or self.num_residual_fracs > 1
        others = {
            "hyper-connections": streams,
            "value-residual": self.lucidrains_mel_values,
            "msst-residuals": self.msst_residuals,
        }
        if self.conformer is not None and any(others.values()):
            raise ValueError(
                f"the variant 'conformer' goes with 'biased-attention' only, got it with "
                f"{', '.join(repr(name) for name, present in others.items() if present)}"
            )

    def __call__(self, layer: int) -> Callable[..., nn.Module]:
        """What builds the transformers of a layer, called as :class:`hfbs_attention.Transformer` is."""
        return partial(self._build, layer)

    # The keywords are those of hfbs_attention.Transformer, which the classes below check.
    def _build(self, layer: int, *, linear_attn: bool = False, **keywords: Any) -> nn.Module:
        if not linear_attn and self.conformer is not None:
            return Conformer(
                bias=self.bias,
                conv_expansion_factor=self.conformer.conv_expansion_factor,
                conv_kernel_size=self.conformer.conv_kernel_size,
                **keywords,
            )
        if linear_attn and self.msst_residuals:
            raise ValueError(
                "MSST's experimental models fail with linear attention, so that there are no weights; "
                "set linear_transformer_depth=0, or leave 'msst-residuals' out"
            )
        if self.lucidrains_mel_values and layer > 0:
            if linear_attn:
                keywords["value_mix"] = "learned"
            elif keywords.get("value_mix") is None:
                raise ValueError(
                    "the variant 'value-residual' mixes the first layer's values into later ones; "
                    "set use_value_residual_learning=True"
                )
        return Transformer(
            linear_attn=linear_attn,
            bias=self.bias and not linear_attn,
            lucidrains_mel_values=self.lucidrains_mel_values,
            num_residual_streams=self.num_residual_streams,
            hyper_connections=self.hyper_connections,
            sinkhorn_iters=self.sinkhorn_iters,
            num_residual_fracs=self.num_residual_fracs,
            residual_sums=layer == 0 if self.msst_residuals else None,
            **keywords,
        )


def stacks_of(parts: Parts) -> Stacks:
    """The stacks of parts that other variants here have built, or of a stable model's.

    Raises:
        TypeError: Something else builds the transformers.
    """
    if isinstance(parts.transformer_of, Stacks):
        return parts.transformer_of
    if parts.transformer_of is Parts().transformer_of:
        return Stacks()
    raise TypeError(
        "variants of the attention stack build on the stable transformers or on each other's, "
        f"got {parts.transformer_of!r}"
    )
