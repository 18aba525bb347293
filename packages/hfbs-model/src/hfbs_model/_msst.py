"""How MSST's two model files mean the keywords that they share by name only."""

from typing import Literal

type Family = Literal["bs", "mel"]
"""MSST's ``bs_roformer.py`` or ``mel_band_roformer.py``."""


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
