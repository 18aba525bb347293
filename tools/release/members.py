"""The members of the workspace, as their pyprojects describe them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version


@dataclass(frozen=True)
class Member:
    """One package of the workspace: its folder, and the `[project]` table of its pyproject."""

    folder: Path
    project: dict[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.project["name"]

    @property
    def import_name(self) -> str:
        return self.name.replace("-", "_")

    @property
    def version(self) -> Version:
        return Version(self.project["version"])

    @property
    def source(self) -> Path:
        return self.folder / "src" / self.import_name

    @property
    def pyproject(self) -> Path:
        return self.folder / "pyproject.toml"

    @property
    def changelog(self) -> Path:
        return self.folder / "CHANGELOG.md"

    @property
    def requirements(self) -> list[Requirement]:
        """Every requirement, those of the extras included."""
        extras = self.project.get("optional-dependencies", {}).values()
        return [Requirement(line) for lines in (self.project.get("dependencies", []), *extras) for line in lines]

    def requirements_of(self, sibling: str) -> list[Requirement]:
        """What the package requires of one sibling: nothing, one line, or one more for each extra."""
        return [requirement for requirement in self.requirements if requirement.name == sibling]


def read_members(root: Path) -> dict[str, Member]:
    """The members of the workspace in the folder `root`, by name, in the order of their names."""
    pyprojects = sorted(root.glob("packages/*/pyproject.toml"))
    members = [Member(path.parent, tomllib.loads(path.read_text(encoding="utf-8"))["project"]) for path in pyprojects]
    return {member.name: member for member in members}
