"""The repository as its own tests see it: the members of the workspace and the files that git tracks."""

import subprocess
from pathlib import Path

from release.members import read_members

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = read_members(ROOT)


def tracked_files() -> list[Path]:
    """The files that git tracks; where the sources lie outside git, those below the folders that git would track."""
    if (ROOT / ".git").exists():
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]
    folders = ("packages", "tests", "tools", "docs", "benchmarks", "citations")
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
