"""MSST's YAML: what weights do not tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import cast

import yaml

from ._errors import ConfigError, shown

type Section = Mapping[str, object]


@dataclass(frozen=True)
class Config:
    """The parts of MSST's YAML that separation needs.

    Attributes:
        model: Keywords of the model, in the words of MSST's classes.
        stems: One name per mask estimator.
        sample_rate: Samples a second.
        chunk_size: Samples that go through the model at once.
        num_overlap: How many chunks hold each sample.
    """

    model: Section
    stems: tuple[str, ...]
    sample_rate: int
    chunk_size: int
    num_overlap: int


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader and tuples: nothing that a file says constructs any other object."""


def _tuple(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[object, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.constructor.ConstructorError(None, None, "a tuple is a sequence", node.start_mark)
    return tuple(cast("list[object]", loader.construct_sequence(node, deep=True)))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)


def read_config(path: str | PathLike[str]) -> Config:
    """Read MSST's YAML, with its ``!!python/tuple`` tags and no others that construct objects.

    Raises:
        ConfigError: The file is missing or no YAML, has another tag, or lacks something that is needed.
    """
    where = Path(path)
    try:
        document: object = yaml.load(where.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {where}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where} is no text in UTF-8, so no YAML; is this the checkpoint?") from error
    except RecursionError as error:
        raise ConfigError(f"{where} is no YAML: it nests too deeply") from error
    except yaml.constructor.ConstructorError as error:
        raise ConfigError(
            f"{where} is refused: {error.problem or 'a tag'}{_line(error)}; "
            "only plain values and !!python/tuple are read, nothing is constructed"
        ) from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{where} is no YAML: {error.problem or 'it cannot be parsed'}{_line(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, Mapping):
        raise ConfigError(
            f"{where} is empty or no mapping; MSST's files have sections audio, model, training, inference"
        )
    return _Sections(where, cast("Section", document)).config()


def _line(error: yaml.MarkedYAMLError) -> str:
    return "" if error.problem_mark is None else f" (line {error.problem_mark.line + 1})"


@dataclass(frozen=True)
class _Sections:
    where: Path
    document: Section

    def config(self) -> Config:
        model = self._section("model")
        if not model:
            raise ConfigError(f"{self.where} has no section 'model', which gives the architecture")
        audio, inference = self._section("audio"), self._section("inference")
        chunk_size = inference.get("chunk_size", audio.get("chunk_size"))
        return Config(
            model=model,
            stems=self._stems(),
            sample_rate=self._whole(
                "audio.sample_rate", audio.get("sample_rate", model.get("sample_rate")), "often 44100"
            ),
            chunk_size=self._whole("audio.chunk_size", chunk_size, "often 352800 or 485100 samples"),
            num_overlap=self._whole("inference.num_overlap", inference.get("num_overlap", 2), "often 2 or 4"),
        )

    def _section(self, name: str) -> Section:
        section = self.document.get(name)
        if section is None:
            return {}
        if not isinstance(section, Mapping):
            raise ConfigError(f"section {name!r} of {self.where} is a mapping, got {shown(section)}")
        return cast("Section", section)

    def _stems(self) -> tuple[str, ...]:
        training = self._section("training")
        target, instruments = training.get("target_instrument"), training.get("instruments")
        if target:
            return (self._name("training.target_instrument", target),)
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

    def _whole(self, name: str, value: object, usual: str) -> int:
        if value is None:
            raise ConfigError(f"{self.where} lacks {name}, which weights do not tell; add it, {usual}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name} of {self.where} is a whole number, at least 1, got {shown(value)}; {usual}")
        return value
