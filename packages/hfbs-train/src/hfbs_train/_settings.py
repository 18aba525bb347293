"""From a mapping as YAML gives it to a frozen dataclass of settings, every key and type checked."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeAliasType, Union, cast, get_args, get_origin, get_type_hints

from ._errors import ConfigurationError

type Reader = Callable[[object, str], object]


def require(fits: bool, rule: str, value: object) -> None:
    """Refuse a value that breaks a rule.

    Raises:
        ConfigurationError: It does not fit.
    """
    if not fits:
        raise ConfigurationError(f"{rule}, got {value}")


def read_settings[Settings](
    kind: type[Settings], values: object, where: str, readers: Mapping[str, Reader] | None = None
) -> Settings:
    """Build a dataclass from a mapping of its fields; fields that are dataclasses are mappings in it.

    Args:
        kind: The dataclass. Its fields are numbers, strings, Booleans, literals, tuples of these, dataclasses, and
            either of these or None; paths; and mappings of names to anything.
        values: The mapping; None stands for an empty one, as a key without a value does in YAML.
        where: What the settings are called in messages, such as ``augmentation.gain``; empty for a whole file.
        readers: What reads fields of other types, from their values and what they are called.

    Raises:
        ConfigurationError: ``values`` is no mapping, has unknown keys, lacks a key, or a value does not fit.
    """
    given = named_values(values, where)
    known = {field.name: field for field in fields(cast("Any", kind))}
    unknown = [key for key in given if key not in known]
    if unknown:
        raise ConfigurationError(f"{where or 'it'}: unknown key {unknown[0]!r}; there are {', '.join(known)}")
    missing = [
        name
        for name, field in known.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ConfigurationError(f"{_below(where, missing[0])} is missing")
    types = get_type_hints(kind)
    readers = readers or {}
    read = {
        key: readers[key](value, _below(where, key)) if key in readers else _read(types[key], value, _below(where, key))
        for key, value in given.items()
    }
    try:
        return kind(**read)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}" if where else str(error)) from error


def named_values(values: object, where: str) -> Mapping[str, object]:
    """The mapping; an empty one for None.

    Raises:
        ConfigurationError: It is none, or its keys are no names.
    """
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{where} must be a mapping of names to values, got {values!r}")
    mapping = cast("Mapping[object, object]", values)
    for key in mapping:
        if not isinstance(key, str):
            raise ConfigurationError(f"{where}: keys must be names, got {key!r}")
    return cast("Mapping[str, object]", mapping)


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _read(kind: Any, value: object, where: str) -> object:
    if isinstance(kind, TypeAliasType):
        kind = kind.__value__
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and is_dataclass(parts[0]):  # a key without a value names an augmentation as it is
            return read_settings(cast("type[object]", parts[0]), None, where)
        return None if value is None else _read(next(part for part in parts if part is not NoneType), value, where)
    if is_dataclass(kind):
        return read_settings(cast("type[object]", kind), value, where)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ConfigurationError(f"{where} must be a list, got {value!r}")
        items = cast("Sequence[object]", value)
        each = parts[:1] * len(items) if parts[-1] is Ellipsis else parts
        if len(items) != len(each):
            raise ConfigurationError(f"{where} must be a list of {len(each)} values, got {list(items)!r}")
        return tuple(_read(part, item, where) for part, item in zip(each, items, strict=True))
    if origin is Literal:
        if value not in parts:
            raise ConfigurationError(f"{where} must be one of {', '.join(map(str, parts))}, got {value!r}")
        return value
    if origin is not None and issubclass(origin, Mapping):
        return named_values(value, where)
    if kind is Path:
        return Path(cast("str", _read(str, value, where))).expanduser()
    if kind is float and isinstance(value, str):
        value = _number(value)  # YAML takes 5e-4 for a text: a point is missing
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        words = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
        raise ConfigurationError(f"{where} must be {words[kind]}, got {value!r}")
    return value


def _number(text: str) -> float | str:
    return float(text) if re.fullmatch(r"[-+]?\d+e[-+]?\d+", text, re.IGNORECASE) else text
