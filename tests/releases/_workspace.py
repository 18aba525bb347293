"""A workspace of two small packages under git, on the branch main, to release from."""

from pathlib import Path

from release.commands import output_of
from release.repository import Repository

ROOT = """\
[tool.uv.workspace]
members = ["packages/*"]

[tool.uv.sources]
hfbs-attention = { workspace = true }
hfbs-model = { workspace = true }
"""
PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
description = "What {name} is for."
readme = "README.md"
requires-python = ">=3.12"
license = "MIT"
license-files = ["LICENSE"]
dependencies = [{dependencies}]  # no more than that

[project.optional-dependencies]
{extras}

[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"

[tool.uv.build-backend]
source-include = ["CHANGELOG.md"]
"""
ATTENTION = """\
class Attend:
    def forward(self, q: float, k: float, *, scale: float = 1.0) -> float:
        return scale * q * k

    def _fast(self, q: float) -> float:
        return q


def unused(q: float) -> float:
    return q
"""


def write_member(root: Path, name: str, modules: dict[str, str], dependencies: str = "", extras: str = "") -> None:
    """Write a package as the members of the workspace are: papers, types, one unreleased line in its CHANGELOG.md."""
    folder = root / "packages" / name
    files = {
        "pyproject.toml": PYPROJECT.format(name=name, dependencies=dependencies, extras=extras),
        "README.md": f"# {name}\n\nAttention — with é.\n",
        "LICENSE": "Do what you like.\n",
        "CHANGELOG.md": f"# Changelog of {name}\n\n## Unreleased\n\n- First version.\n",
        f"src/{name.replace('-', '_')}/py.typed": "",
        **{f"src/{name.replace('-', '_')}/{module}.py": text for module, text in modules.items()},
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def make_workspace(root: Path) -> Repository:
    """hfbs-attention, and hfbs-model that requires it, in a first commit."""
    modules = {"__init__": "from ._attend import Attend as Attend\n", "_attend": ATTENTION}
    write_member(root, "hfbs-attention", modules, extras="fast = []")
    sibling = '"hfbs-attention>=0.1,<0.2"'
    extra = '# A comment that stays.\nfast = ["hfbs-attention[fast]>=0.1,<0.2"]'
    write_member(root, "hfbs-model", {"__init__": "from hfbs_attention import Attend\n"}, sibling, extra)
    (root / "pyproject.toml").write_text(ROOT)
    (root / ".gitignore").write_text("dist/\n__pycache__/\n")
    output_of("uv", "lock", "--quiet", cwd=root)
    repository = begin(root)
    commit_all(repository)
    return repository


def begin(root: Path) -> Repository:
    """Put a folder under git, on the branch main, with nothing committed yet."""
    repository = Repository(root)
    repository.git("init", "--quiet", "--initial-branch", "main")
    for key, value in (("user.name", "Somebody"), ("user.email", "somebody@example.org"), ("commit.gpgsign", "false")):
        repository.git("config", key, value)
    return repository


def commit_all(repository: Repository) -> None:
    repository.commit("Change something", repository.root)


def edit(repository: Repository, path: str, old: str, new: str) -> None:
    """Commit a change to one file, which must hold what is changed."""
    file = repository.root / path
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    commit_all(repository)
