"""Keywords that come from a file: checked for their types, since a wrong one may sound bad instead of failing."""

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from os import PathLike
from types import NoneType, UnionType
from typing import Any, cast, get_args

import numpy as np

from hfbs_filterbanks import BandLayout

from .._errors import ConfigError, shown
from .._rotator import BandSplitRotator

_PARAMETERS = signature(BandSplitRotator).parameters
KEYWORDS = tuple(name for name in _PARAMETERS if name not in ("parts", "unknown"))
"""Keywords of :class:`BandSplitRotator` that a file or a caller may give."""


def model_keywords(values: Mapping[str, object]) -> dict[str, object]:
    """Those of the settings that :class:`BandSplitRotator` takes: the rate only where it gives mel bands."""
    keywords = {name: value for name, value in values.items() if name in KEYWORDS}
    if keywords.get("num_bands") is None:
        keywords.pop("sample_rate", None)
    return keywords


def check_model_section(keywords: Mapping[Any, object], where: str | PathLike[str]) -> None:
    """Refuse values of a YAML's section ``model`` that are not of their keyword's type. Unknown ones are left alone.

    Raises:
        ConfigError: Names the keyword, what it is, and the value.
    """
    for name, value in keywords.items():
        if not isinstance(name, str):
            raise ConfigError(f"section 'model' of {where} has the keyword {shown(name)}, which is no word")
        check_value(name, value, f"model.{name} of {where}")


def checked_settings(settings: Mapping[str, object], place: str) -> dict[str, object]:
    """Settings as they count: one stem's name for a list of one, and lists as tuples; ``place`` says where ``{}``
    stands, for messages.

    Raises:
        ConfigError: Names the keyword, what it is, and the value.
    """
    settings = dict(settings)
    if isinstance(settings.get("stems"), str):
        settings["stems"] = [settings["stems"]]
    for name, value in settings.items():
        check_value(name, value, place.format(name))
    return {name: in_a_row(name, value) for name, value in settings.items()}


def in_a_row(name: str, value: object) -> object:
    """A keyword's value as it is compared: a list, as files have them, as a tuple; but a matrix as it is."""
    if name == "mask_filter_bank" or not isinstance(value, list):
        return value
    return tuple(cast("list[object]", value))


def check_value(name: str, value: object, place: str) -> None:
    """Refuse a value that is not of its keyword's type; unknown keywords are left alone. ``place`` is for messages.

    Raises:
        ConfigError: Names the keyword, what it is, and the value.
    """
    if name in _OF_CHECKPOINT:
        meaning, fits = _OF_CHECKPOINT[name]
    elif name in _PARAMETERS:
        meaning, fits = _meaning(name, _PARAMETERS[name])
    else:
        return
    if not fits(value):
        raise ConfigError(f"{place} is {meaning}, got {shown(value)}")


def _meaning(name: str, parameter: Parameter) -> tuple[str, Callable[[object], bool]]:
    if name == "mask_filter_bank":
        return "a list of bands, each a list of 0 and 1 per bin", _is_matrix
    annotation: object = parameter.annotation
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    meaning, fits = next((_MEANINGS[kind] for kind in kinds if kind in _MEANINGS), _FUNCTION)
    return meaning, lambda value: fits(value) or (value is None and NoneType in kinds)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _are_whole(values: object) -> bool:
    return isinstance(values, list | tuple) and all(_is_whole(value) for value in cast("Sequence[object]", values))


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_name_or_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(value))


def _are_names(values: object) -> bool:
    names = cast("Sequence[object]", values if isinstance(values, list | tuple) else ())
    return 0 < len(names) == len({name for name in names if isinstance(name, str) and name})


def _is_matrix(values: object) -> bool:
    return isinstance(values, BandLayout | np.ndarray) or (
        isinstance(values, list | tuple)
        and all(
            isinstance(row, list | tuple) and all(isinstance(value, int) for value in cast("Sequence[object]", row))
            for row in cast("Sequence[object]", values)
        )
    )


_MEANINGS: dict[object, tuple[str, Callable[[object], bool]]] = {
    bool: ("true or false", _is_truth),
    int: ("a whole number", _is_whole),
    float: ("a number", _is_number),
    Sequence[int]: ("a list of whole numbers", _are_whole),
    tuple[int, int]: ("a list of two whole numbers", lambda value: _are_whole(value) and len(cast("Any", value)) == 2),
}
_FUNCTION: tuple[str, Callable[[object], bool]] = ("a function, which no file holds; leave it out", callable)
_OF_CHECKPOINT: dict[str, tuple[str, Callable[[object], bool]]] = {
    "stems": ("a list of different names", _are_names),
    "residual": ("a name, or none", _is_name_or_none),
    "sample_rate": ("a whole number of Hz, at least 1", _is_size),
    "chunk_size": ("a whole number of samples, at least 1", _is_size),
    "num_overlap": ("a whole number, at least 1", _is_size),
    "lora_alpha": ("a number", _is_number),
    "msst_residuals": ("true or false", _is_truth),
}
