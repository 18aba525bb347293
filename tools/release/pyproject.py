"""A member's pyproject.toml, edited without a change to what is not meant."""

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import tomlkit
from packaging.requirements import Requirement
from packaging.version import Version
from tomlkit.items import Array, Table


def with_version(text: str, version: Version) -> str:
    """The text of the pyproject with another version."""
    document = tomlkit.parse(text)
    _table(document, "project")["version"] = str(version)
    return tomlkit.dumps(document)


def with_requirements(text: str, name: str, rewrite: Callable[[Requirement], str]) -> str:
    """The text of the pyproject with each requirement of the package `name` rewritten, those of the extras included."""
    document = tomlkit.parse(text)
    for lines in _requirement_lists(_table(document, "project")):
        for index, line in enumerate(cast(list[str], lines.unwrap())):
            if (requirement := Requirement(line)).name == name:
                lines[index] = rewrite(requirement)
    return tomlkit.dumps(document)


def _requirement_lists(project: Table) -> Iterator[Array]:
    extras: Mapping[str, object] = {}
    if "optional-dependencies" in project:
        extras = cast(Mapping[str, object], _table(project, "optional-dependencies"))
    for lines in (project["dependencies"], *extras.values()):
        if isinstance(lines, Array):
            yield lines


def _table(owner: tomlkit.TOMLDocument | Table, key: str) -> Table:
    found = owner[key]
    if not isinstance(found, Table):
        raise TypeError(f"{key} is no table")
    return found
