"""Sizes of a mask head: read from the names and shapes of a checkpoint, and as keywords of its variant."""

from collections.abc import Mapping

from torch import Tensor

from hfbs_model._checkpoints import _architecture


def shape_of(weights: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    """Shape of one tensor of the first stem's mask estimator.

    Raises:
        ValueError: The checkpoint lacks it.
    """
    key = f"mask_estimators.0.{name}"
    if key not in weights:
        raise ValueError(f"the checkpoint lacks {key}, which this mask head has; give the whole checkpoint")
    return tuple(weights[key].shape)


def count_of(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many modules the list of that name holds in the first stem's mask estimator.

    Raises:
        ValueError: A number is left out.
    """
    return _architecture.count_of(weights, f"mask_estimators.0.{prefix}")


def keywords_of(settings: object, prefix: str) -> dict[str, object]:
    """The keywords of a head's variant: the attributes of its settings under their names after a prefix."""
    return {f"{prefix}_{name}": value for name, value in vars(settings).items()}
