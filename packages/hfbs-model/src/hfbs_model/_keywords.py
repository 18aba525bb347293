"""Keywords that come from a file: checked for their types, since a wrong one may sound bad instead of failing."""

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from os import PathLike
from types import NoneType, UnionType
from typing import Any, cast, get_args

from ._errors import ConfigError, shown
from ._rotator import BandSplitRotator


def check_keywords(keywords: Mapping[Any, object], where: str | PathLike[str]) -> None:
    """Refuse values that are not of their keyword's type. Unknown keywords are left to the model's constructor.

    Raises:
        ConfigError: Names the keyword, what it is, and the value.
    """
    parameters = signature(BandSplitRotator).parameters
    for name, value in keywords.items():
        if not isinstance(name, str):
            raise ConfigError(f"section 'model' of {where} has the keyword {shown(name)}, which is no word")
        if name in parameters:
            meaning, fits = _meaning(name, parameters[name])
            if not fits(value):
                raise ConfigError(f"model.{name} of {where} is {meaning}, got {shown(value)}")


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


def _is_matrix(values: object) -> bool:
    return isinstance(values, list | tuple) and all(
        isinstance(row, list | tuple) and all(isinstance(value, int) for value in cast("Sequence[object]", row))
        for row in cast("Sequence[object]", values)
    )


_MEANINGS: dict[object, tuple[str, Callable[[object], bool]]] = {
    bool: ("true or false", _is_truth),
    int: ("a whole number", _is_whole),
    float: ("a number", _is_number),
    Sequence[int]: ("a list of whole numbers", _are_whole),
    tuple[int, int]: ("a list of two whole numbers", lambda value: _are_whole(value) and len(cast("Any", value)) == 2),
}
_FUNCTION: tuple[str, Callable[[object], bool]] = ("a function, which no file holds; leave it out", lambda _: False)
