"""What a research variant may put in the place of the separator's own parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from hfbs_attention import Transformer

from ._mask import MaskEstimator


def _transformer_of(_layer: int) -> Callable[..., nn.Module]:
    """The same for every layer."""
    return Transformer


def _unchanged(x: Tensor) -> Tensor:
    """One stream of tokens, as it is."""
    return x


@dataclass(frozen=True)
class Parts:
    """Parts of a separator, by default those of the stable model.

    Attributes:
        transformer_of: From the index of a layer to what builds its transformers, called with the keywords of
            :class:`hfbs_attention.Transformer`; what it builds is called as a Transformer is, and holds its blocks in
            ``layers``.
        expand: From tokens, (batch, frame, band, dim), to what the first layer takes; the batch may grow.
        reduce: From what the last layer gives back to tokens.
        mask_estimator: Builds a mask estimator; called with the arguments of :class:`MaskEstimator`.
        recipe: The variants that built these parts, by their names in the entry-point group ``hfbs.variants``, in turn,
            each with its keywords in values that JSON has. A saved checkpoint holds it, so that loading builds the
            parts again.
    """

    transformer_of: Callable[[int], Callable[..., nn.Module]] = _transformer_of
    expand: Callable[[Tensor], Tensor] = _unchanged
    reduce: Callable[[Tensor], Tensor] = _unchanged
    mask_estimator: Callable[..., nn.Module] = MaskEstimator
    recipe: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])

    def built_by(self, variant: str, **keywords: object) -> "Parts":
        """The same parts, with a variant and its keywords in the recipe."""
        return replace(self, recipe={**self.recipe, variant: keywords})


@dataclass(frozen=True)
class Variant:
    """What the checkpoint loader has to know of a research variant.

    Packages offer variants in the entry-point group ``hfbs.variants``, under the name that the loader gives to the keys
    by which it recognises them.

    Attributes:
        infer: From a state dict to the variant's keywords, in values that JSON has, as far as names and shapes tell.
        build: From parts and keywords to the parts with the variant in its place and, by :meth:`Parts.built_by`, in
            their recipe: under its name, each keyword with the value that counts.
        questions: Keywords that weights do not tell, each with its usual values in words.
    """

    infer: Callable[[Mapping[str, Tensor]], Mapping[str, object]]
    build: Callable[..., Parts]
    questions: Mapping[str, str] = field(default_factory=dict[str, str])
