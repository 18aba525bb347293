"""The repository as its own tests see it: the members of the workspace and the files that git tracks."""

import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


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
    def requirements(self) -> list[Requirement]:
        """Every requirement, those of the extras included."""
        extras = self.project.get("optional-dependencies", {}).values()
        return [Requirement(line) for lines in (self.project["dependencies"], *extras) for line in lines]


def _read(pyproject: Path) -> Member:
    return Member(pyproject.parent, tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"])


MEMBERS = {member.name: member for member in map(_read, sorted(ROOT.glob("packages/*/pyproject.toml")))}


def tracked_files() -> list[Path]:
    """The files that git tracks; where the sources lie outside git, those below the folders that git would track."""
    if (ROOT / ".git").exists():
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]
    folders = ("packages", "tests", "tools", "docs", "benchmarks", "citations")
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
