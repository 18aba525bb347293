"""How MSST's two model files mean the keywords that they share by name only."""

from collections.abc import Mapping
from typing import Literal

type Family = Literal["bs", "mel"]
"""MSST's ``bs_roformer.py`` or ``mel_band_roformer.py``."""

MEL_DEFAULTS: Mapping[str, object] = {"num_bands": 60, "sample_rate": 44100}
"""What MSST's Mel-Band RoFormer takes where a YAML does not state it; dropout does not matter for loading."""


def least_depth(family: Family) -> int:
    """The ``mask_estimator_depth`` of MSST's file of that family that means no hidden layer."""
    return 1 if family == "bs" else 0


def hidden_layers(family: Family, mask_estimator_depth: int) -> int:
    """Hidden layers of the mask estimators that a ``mask_estimator_depth`` of MSST's file of that family means.

    Raises:
        ValueError: A depth that gives no network.
    """
    least = least_depth(family)
    if mask_estimator_depth < least:
        raise ValueError(f"mask_estimator_depth of a {family} model is at least {least}, got {mask_estimator_depth}")
    return mask_estimator_depth - least


def rotator_keywords(family: Family, keywords: Mapping[str, object]) -> dict[str, object]:
    """Keywords of :class:`BandSplitRotator` that say what MSST's of that family say.

    Raises:
        ValueError: See :func:`hidden_layers`.
    """
    by_name = family == "mel" and not keywords.keys() & {"freqs_per_bands", "mask_filter_bank"}
    translated = dict(MEL_DEFAULTS if by_name else {}) | dict(keywords)
    depth = translated.pop("mask_estimator_depth", None)
    if isinstance(depth, int):
        translated["mask_estimator_depth"] = hidden_layers(family, depth)
    return translated
