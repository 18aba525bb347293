"""Community checkpoints that are known by name and by the digest of their weights."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast
from urllib.parse import urlsplit

from ._errors import shown

type Setting = int | bool | tuple[str, ...]

_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COUNTS = frozenset({"stft_hop_length", "stft_win_length", "sample_rate", "chunk_size", "num_overlap"})
_SWITCHES = frozenset({"zero_dc", "skip_connection"})
_REQUIRED = frozenset({"name", "title", "author", "family", "url", "settings", "sources"})
_OPTIONAL = frozenset({"stems", "variants", "sha256", "size", "config_url", "config_sha256", "licence"})


@dataclass(frozen=True)
class KnownCheckpoint:
    """A published checkpoint: where it is, how to know it, and what its weights do not tell.

    Weights are not part of hfbs and have licences of their own.

    Attributes:
        name: Lower case letters, digits, dots and dashes; safe as the name of a file or folder.
        title: What it separates, in words.
        author: Who trained it; "unknown" where sources do not agree.
        family: "bs" for BS-RoFormer, "mel" for Mel-Band RoFormer.
        url: The address of the weights.
        settings: What weights do not tell, as keywords of :func:`load_checkpoint`: ``stft_hop_length``,
            ``stft_win_length``, ``zero_dc`` and ``skip_connection`` of the model, ``stems``, ``sample_rate`` in Hz,
            ``chunk_size`` in samples and ``num_overlap``. It holds only what its sources state; the loader asks for the
            rest.
        sources: Addresses at which all this was read.
        stems: The model's outputs in their order, also in ``settings``. Empty where no source names them.
        variants: The variants that the weights need, by their names in the entry-point group ``hfbs.variants``.
        sha256: Digest of the weights in lower-case hexadecimal. None where none is published.
        size: Size of the weights in bytes. None where none is published.
        config_url: The address of the YAML. None where none is published.
        config_sha256: Digest of the YAML. None where none is published.
        licence: As the author's page states it. None where no source tells, which is no permission.
    """

    name: str
    title: str
    author: str
    family: Literal["bs", "mel"]
    url: str
    settings: Mapping[str, Setting]
    sources: tuple[str, ...]
    stems: tuple[str, ...] = field(default=())
    variants: tuple[str, ...] = field(default=())
    sha256: str | None = None
    size: int | None = None
    config_url: str | None = None
    config_sha256: str | None = None
    licence: str | None = None


@cache
def known_checkpoints() -> tuple[KnownCheckpoint, ...]:
    """The checkpoints of the registry, in its order: by author, the families of an author together."""
    return parse_registry((files(__package__) / "registry.toml").read_text(encoding="utf-8"))


def find_checkpoint(name: str) -> KnownCheckpoint:
    """The checkpoint of that name.

    Raises:
        KeyError: There is none.

    Example:
        >>> find_checkpoint("mel-anvuew-dereverb-mono").title
        'Without reverb, mono'
    """
    for checkpoint in known_checkpoints():
        if checkpoint.name == name:
            return checkpoint
    raise KeyError(f"no checkpoint of the registry is named {shown(name)}; known_checkpoints() lists them")


def checkpoint_by_sha256(digest: str) -> KnownCheckpoint | None:
    """The checkpoint whose weights have this SHA-256 digest in hexadecimal, or None."""
    wanted = digest.lower()
    return next((checkpoint for checkpoint in known_checkpoints() if checkpoint.sha256 == wanted), None)


def parse_registry(text: str) -> tuple[KnownCheckpoint, ...]:
    """The checkpoints of a registry in TOML.

    Raises:
        ValueError: A field is unknown, missing or of a wrong kind, or two entries share a name or a digest; the message
            names the entry.
    """
    document = tomllib.loads(text)
    if extra := document.keys() - {"sources", "checkpoint"}:
        raise ValueError(f"a registry holds sources and checkpoint, got {shown(sorted(extra))}")
    places = document.get("sources", {})
    checkpoints = tuple(
        _Entry(number, table, places).checkpoint() for number, table in enumerate(document["checkpoint"])
    )
    for attribute in ("name", "sha256"):
        values = [getattr(checkpoint, attribute) for checkpoint in checkpoints]
        for value in values:
            if value is not None and values.count(value) > 1:
                raise ValueError(f"two checkpoints of the registry have the {attribute} {value}")
    return checkpoints


class _Entry:
    """One table of the registry, read strictly."""

    def __init__(self, number: int, table: Mapping[str, object], places: Mapping[str, str]) -> None:
        self._table = table
        self._places = places
        self._where = f"checkpoint {shown(table.get('name', number))} of the registry"

    def checkpoint(self) -> KnownCheckpoint:
        if missing := _REQUIRED - self._table.keys():
            raise self._wrong(f"lacks {', '.join(sorted(missing))}")
        if extra := self._table.keys() - _REQUIRED - _OPTIONAL:
            raise self._wrong(f"has unknown fields: {', '.join(map(shown, sorted(extra)))}")
        name = self._text("name")
        if not _NAME.fullmatch(name):
            raise self._wrong("is not named in lower-case letters, digits, and single dots and dashes between them")
        family = self._text("family")
        if family != "bs" and family != "mel":
            raise self._wrong(f'is of family "bs" or "mel", got {shown(family)}')
        size = self._table.get("size")
        if size is not None and not _is_count(size):
            raise self._wrong(f"has a size that is no positive number of bytes: {shown(size)}")
        stems = self._names("stems")
        return KnownCheckpoint(
            name=name,
            title=self._text("title"),
            author=self._text("author"),
            family=family,
            url=self._address("url", self._table["url"]),
            settings=self._settings(stems),
            sources=tuple(self._address("sources", self._places.get(key, key)) for key in self._names("sources")),
            stems=stems,
            variants=self._names("variants"),
            sha256=self._digest("sha256"),
            size=cast("int | None", size),
            config_url=self._address("config_url", self._table["config_url"]) if "config_url" in self._table else None,
            config_sha256=self._digest("config_sha256"),
            licence=self._text("licence") if "licence" in self._table else None,
        )

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"{self._where} {what}")

    def _text(self, key: str) -> str:
        value = self._table[key]
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self._wrong(f"has a {key} that is no line of text: {shown(value)}")
        return value

    def _names(self, key: str) -> tuple[str, ...]:
        if key not in self._table:
            return ()
        value = self._table[key]
        names = cast("list[object]", value if isinstance(value, list) else [])
        if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
            raise self._wrong(f"has {key} that are no list of different names: {shown(self._table[key])}")
        return tuple(cast("list[str]", names))

    def _address(self, key: str, value: object) -> str:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or parts.scheme != "https" or not parts.hostname or not parts.path.strip("/"):
            raise self._wrong(f"has a {key} that is no https address of a file: {shown(value)}")
        return cast("str", value)

    def _digest(self, key: str) -> str | None:
        if key not in self._table:
            return None
        value = self._table[key]
        if not isinstance(value, str) or not _DIGEST.fullmatch(value):
            raise self._wrong(f"has a {key} that is not 64 lower-case hexadecimal digits: {shown(value)}")
        return value

    def _settings(self, stems: tuple[str, ...]) -> Mapping[str, Setting]:
        given = self._table["settings"]
        if not isinstance(given, dict):
            raise self._wrong(f"has settings that are no table: {shown(given)}")
        settings: dict[str, Setting] = {"stems": stems} if stems else {}
        for key, value in cast("dict[str, object]", given).items():
            if key in _COUNTS and _is_count(value):
                settings[key] = cast("int", value)
            elif key in _SWITCHES and isinstance(value, bool):
                settings[key] = value
            else:
                known = ", ".join(sorted(_COUNTS | _SWITCHES))
                raise self._wrong(f"has a setting {key} = {shown(value)}; settings are {known}, counts and booleans")
        return MappingProxyType(settings)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
