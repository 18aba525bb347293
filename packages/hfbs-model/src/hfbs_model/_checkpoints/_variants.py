"""Research variants: which ones the keys of a checkpoint show, and the packages that have them."""

import re
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import cast

from .._errors import CheckpointError
from .._parts import Parts, Variant
from ._keywords import in_a_row
from ._settling import Settling
from ._spellings import Spelled

GROUP = "hfbs.variants"
MARKS = {
    "hyper-connections": re.compile(r"\.static_alpha$"),
    "value-residual": re.compile(r"\.learned_value_residual_mix\.0\."),
    "biased-attention": re.compile(r"^layers\..*\.(to_qkv|to_out\.0)\.bias$"),
    "conformer": re.compile(r"^layers\.\d+\.\d+\.layers\.\d+\.conv\.net\."),
    "hyperace": re.compile(r"^mask_estimators\.\d+\.segm\."),
    "axial-refiner": re.compile(r"^mask_estimators\.\d+\.layers\."),
    "fno": re.compile(r"\.fno_blocks\."),
}
"""By its name in the entry-point group, what the keys of a variant look like."""
MSST_RESIDUALS = "msst-residuals"
"""The one variant that leaves no mark in the keys."""


def variants_of(names: Iterable[str]) -> tuple[str, ...]:
    """The variants whose marks are among the names of a state dict, in the order in which they build on each other."""
    found = {variant for name in names for variant, mark in MARKS.items() if mark.search(name)}
    return tuple(variant for variant in MARKS if variant in found)


def load_variant(name: str, mark: str) -> Variant:
    """The variant of that name, from whichever installed package offers it; ``mark`` says how it was recognised.

    Raises:
        CheckpointError: No installed package does.
    """
    for entry_point in entry_points(group=GROUP, name=name):
        variant: object = entry_point.load()
        if not isinstance(variant, Variant):
            raise TypeError(f"the entry point {name!r} of {GROUP} is a hfbs_model.Variant, got {variant!r}")
        return variant
    raise CheckpointError(
        f"this checkpoint has the variant {name!r} ({mark}), which is not installed; pip install hfbs-experimental"
    )


def settle_variants(settling: Settling, spelled: Spelled) -> Parts:
    """Settle the keywords of the variants in the weights, and build their parts where all of them are known."""
    names = list(variants_of(spelled.weights))
    if (recorded := settling.said_most().get("variants")) is not None:
        settling.take("variants", recorded)
        names += [name for name in cast("tuple[str, ...]", recorded) if name not in {*names, MSST_RESIDUALS}]
    if settling.said("msst_residuals") or _leaves_residuals_open(spelled):
        settling.ask("msst_residuals", "True for what MSST's experimental classes trained, False for all else")
    if settling.values.get("msst_residuals"):
        names.append(MSST_RESIDUALS)
    if "hyper-connections" not in names and settling.said("num_residual_streams"):
        settling.told("num_residual_streams", 1, "set it to 1, or leave it out")

    parts = Parts()
    for name in names:
        variant = load_variant(name, _mark_of(name, spelled.weights))
        inferred = _inferred(variant, name, spelled)
        keywords = {keyword: _but_for_rounding(keyword, value, settling) for keyword, value in inferred.items()}
        for keyword, value in keywords.items():
            settling.told(keyword, value)
        for keyword in variant.questions.keys() - keywords.keys():
            settling.ask(keyword, variant.questions[keyword])
            if keyword in settling.values:
                keywords[keyword] = settling.values[keyword]
        if not variant.questions.keys() & settling.missing.keys():
            parts = variant.build(parts, **keywords)
    return parts


def _inferred(variant: Variant, name: str, spelled: Spelled) -> dict[str, object]:
    try:
        return {keyword: in_a_row(keyword, value) for keyword, value in variant.infer(spelled.weights).items()}
    except (LookupError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(f"the weights have keys of the variant {name!r}, but not its shapes: {error}") from error


def _but_for_rounding(keyword: str, value: object, settling: Settling) -> object:
    """What the weights tell, or of a multiple of ``dim`` what is said, where it is less than a feature from that."""
    if not isinstance(value, float):
        return value
    dim = cast("int", settling.values["dim"])
    return settling.fitting(keyword, value, lambda said: abs(said - value) * dim < 1)


def _leaves_residuals_open(spelled: Spelled) -> bool:
    """Whether both MSST's experimental classes and others write such keys.

    MSST's classes of that name add a residual sum in their first layer only, whatever else they have. lucidrains' lie
    in wrappers, and their newer hyper-connections have three axes in ``dynamic_alpha_fn``.
    """
    return any(
        (name.endswith(".to_value_residual_mix.weight") and not spelled.wrapped and ".branch." not in name)
        or (name.endswith(".dynamic_alpha_fn") and tensor.ndim == 2)
        for name, tensor in spelled.weights.items()
    )


def _mark_of(variant: str, names: Iterable[str]) -> str:
    if variant == MSST_RESIDUALS:
        return "msst_residuals is true"
    marked = (name for name in names if variant in MARKS and MARKS[variant].search(name))
    return next((f"keys such as {name}" for name in marked), "as its metadata say")
