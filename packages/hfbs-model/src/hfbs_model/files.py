"""Files of other people read without being trusted, and our own written whole or not at all."""

import os
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import cast

import yaml

from ._errors import ConfigError

_LONGEST_FILE = 256 * 1024
_MOST_NODES = 200_000


def read_yaml(path: str | PathLike[str]) -> Mapping[str, object]:
    """Read a YAML file that holds a mapping, with ``!!python/tuple`` tags and no others that construct objects.

    Raises:
        ConfigError: The file is missing, empty, no YAML, has another tag, or would fill the memory.
    """
    where = Path(path)
    try:
        document = _document(where)
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
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{where} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, Mapping):
        raise ConfigError(f"{where} is empty or no mapping; a configuration has sections, such as model and audio")
    return cast("Mapping[str, object]", document)


def written_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside the path, and put it in its place when it is on the disk.

    Raises:
        OSError: The folder or the file cannot be written; what was there is still there.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part", delete=False) as file:
        part = Path(file.name)
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader and tuples: nothing that a file says constructs any other object."""


def _tuple(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[object, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.constructor.ConstructorError(None, None, "a tuple is a sequence", node.start_mark)
    return tuple(cast("list[object]", loader.construct_sequence(node, deep=True)))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)


def _document(where: Path) -> object:
    with where.open("rb") as file:
        content = file.read(_LONGEST_FILE + 1)
    if len(content) > _LONGEST_FILE:
        raise ConfigError(
            f"{where} is refused: it is longer than {_LONGEST_FILE} bytes, and a configuration is a few thousand; "
            "is this the checkpoint?"
        )
    loader = _Loader(content.decode("utf-8"))
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > _MOST_NODES:
            raise ConfigError(
                f"{where} is refused: written out, its references stand for more than {_MOST_NODES} values"
            )
        return cast("object", loader.construct_document(node))  # pyright: ignore[reportUnknownMemberType]
    finally:
        loader.dispose()  # pyright: ignore[reportUnknownMemberType]


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Values that a node stands for, with every reference written out; one that holds itself is endless."""
    if id(node) not in sizes:
        sizes[id(node)] = _MOST_NODES
        children: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            children = cast("list[yaml.Node]", node.value)
        elif isinstance(node, yaml.MappingNode):
            children = [each for pair in cast("list[tuple[yaml.Node, yaml.Node]]", node.value) for each in pair]
        sizes[id(node)] = 1 + sum(_size(child, sizes) for child in children)
    return sizes[id(node)]


def _line(error: yaml.MarkedYAMLError) -> str:
    return "" if error.problem_mark is None else f" (line {error.problem_mark.line + 1})"
