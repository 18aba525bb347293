"""MSST's YAML: what weights do not tell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import cast

from .._errors import ConfigError, shown
from ..files import read_yaml

type Section = Mapping[str, object]

_USED = {
    "audio": {"sample_rate", "chunk_size"},
    "training": {"instruments", "target_instrument"},
    "inference": {"chunk_size", "num_overlap"},
    "lora": {"r", "lora_alpha"},
}


@dataclass(frozen=True)
class Config:
    """The parts of MSST's YAML that separation needs.

    Attributes:
        model: Keywords of the model, in the words of MSST's classes.
        settings: ``stems``, ``sample_rate``, ``chunk_size``, ``num_overlap`` and ``lora_alpha``, as far as it has them.
        unused: Its other keys, with their sections.
        notes: What MSST would do with them that is not done here.
    """

    model: Section
    settings: Mapping[str, object]
    unused: tuple[str, ...]
    notes: tuple[str, ...]


def read_config(path: str | PathLike[str]) -> Config:
    """Read MSST's YAML, with its ``!!python/tuple`` tags and no others that construct objects.

    Raises:
        ConfigError: The file is missing, no YAML, has another tag, would fill the memory, or holds a wrong value.
    """
    where = Path(path)
    document = read_yaml(where)
    return _Sections(where, document).config()


@dataclass(frozen=True)
class _Sections:
    where: Path
    document: Section

    def config(self) -> Config:
        model = self._section("model")
        if not model:
            raise ConfigError(f"{self.where} has no section 'model', which gives the architecture")
        audio, inference, lora = self._section("audio"), self._section("inference"), self._section("lora")
        chunk_place = "inference.chunk_size" if "chunk_size" in inference else "audio.chunk_size"
        settings = {
            "stems": self._stems(),
            "sample_rate": self._whole("audio.sample_rate", audio.get("sample_rate")),
            "chunk_size": self._whole(chunk_place, inference.get("chunk_size", audio.get("chunk_size"))),
            "num_overlap": self._whole("inference.num_overlap", inference.get("num_overlap")),
            "lora_alpha": self._whole("lora.lora_alpha", lora.get("lora_alpha")),
        }
        return Config(
            model=model,
            settings={name: value for name, value in settings.items() if value is not None},
            unused=tuple(self._unused()),
            notes=("inference.normalize is not applied: the model gets the mixture at its own level",)
            if inference.get("normalize")
            else (),
        )

    def _section(self, name: str) -> Section:
        section = self.document.get(name)
        if section is None:
            return {}
        if not isinstance(section, Mapping):
            raise ConfigError(f"section {name!r} of {self.where} is a mapping, got {shown(section)}")
        return cast("Section", section)

    def _unused(self) -> Iterator[str]:
        for name, section in self.document.items():
            if name == "model":
                continue
            if isinstance(section, Mapping):
                yield from (f"{name}.{key}" for key in cast("Section", section) if key not in _USED.get(name, ()))
            else:
                yield str(name)

    def _stems(self) -> tuple[str, ...] | None:
        training = self._section("training")
        target, instruments = training.get("target_instrument"), training.get("instruments")
        if target:
            return (self._name("training.target_instrument", target),)
        if instruments is None:
            return None
        if not isinstance(instruments, list | tuple) or not instruments:
            raise ConfigError(
                f"{self.where} names no stems: set training.target_instrument to a name, "
                "or training.instruments to a list"
            )
        names = tuple(self._name("training.instruments", name) for name in cast("list[object]", instruments))
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigError(f"training.instruments of {self.where} are different names, got {twice!r} twice")
        return names

    def _name(self, place: str, value: object) -> str:
        if not isinstance(value, str):
            raise ConfigError(f"{place} of {self.where} holds names, got {shown(value)}; quote it if it is one")
        return value

    def _whole(self, name: str, value: object) -> int | None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ConfigError(f"{name} of {self.where} is a whole number, at least 1, got {shown(value)}")
        return value
