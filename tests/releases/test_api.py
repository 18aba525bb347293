"""Public names are compared with those of the last tag, and only they."""

import pytest

from release.__main__ import main
from release.api import Comparison, compare
from release.members import read_members
from release.repository import Repository
from releases._workspace import commit_all, edit

ATTEND = "packages/hfbs-attention/src/hfbs_attention/_attend.py"
INIT = "packages/hfbs-attention/src/hfbs_attention/__init__.py"


def comparison(repository: Repository, path: str, old: str, new: str) -> Comparison:
    """hfbs-attention, released as it is, after `old` has become `new` in one of its files."""
    repository.git("tag", "hfbs-attention-v0.1.0")
    edit(repository, path, old, new)
    return compare(repository, read_members(repository.root)["hfbs-attention"])


@pytest.mark.parametrize(
    ("path", "old", "new", "named"),
    [
        (INIT, "from ._attend import Attend as Attend", "", "Attend`: *Public object was removed"),
        (INIT, "as Attend", "as _Attend", "Attend`: *Public object was removed"),
        (ATTEND, ", *, scale: float = 1.0", "", "Attend.forward(scale)`: *Parameter was removed"),
        (ATTEND, "scale: float = 1.0", "scale: float", "Attend.forward(scale)`: *Parameter is now required"),
        (ATTEND, "scale: float = 1.0", "scale: float = 2.0", "Attend.forward(scale)`: *Parameter default was changed"),
    ],
)
def test_what_breaks_users_code_is_found(repository: Repository, path: str, old: str, new: str, named: str):
    found = comparison(repository, path, old, new)
    assert len(found.changes) == 1
    assert named in found.changes[0]
    assert not found.settled


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (ATTEND, "scale: float = 1.0", "scale: float = 1.0, dropout: float = 0.0"),
        (ATTEND, "_fast(self, q: float)", "_faster(self)"),
        (ATTEND, "def unused(q: float)", "def unused()"),
        (INIT, "from ._attend import Attend as Attend", "from ._attend import *"),
    ],
    ids=["a new keyword", "a private method", "a name that is not handed on", "handed on by a star"],
)
def test_what_breaks_no_code_is_not_found(repository: Repository, path: str, old: str, new: str):
    assert comparison(repository, path, old, new).changes == ()


def test_what_is_handed_on_by_a_star_is_public(repository: Repository):
    (repository.root / INIT).write_text("from ._attend import *\n", encoding="utf-8")
    commit_all(repository)
    found = comparison(repository, ATTEND, "def unused(q: float) -> float:\n    return q\n", "")
    assert len(found.changes) == 1
    assert "unused`: *Public object was removed" in found.changes[0]


def test_without_a_release_there_is_nothing_to_compare(repository: Repository, capsys: pytest.CaptureFixture[str]):
    assert main(["api", "hfbs-attention"], repository) == 0
    assert capsys.readouterr().out == "hfbs-attention: no release yet, nothing to compare\n"


def test_the_last_release_is_the_highest_version_and_not_the_last_in_the_alphabet(repository: Repository):
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        repository.git("tag", f"hfbs-attention-v{version}")
    repository.git("tag", "hfbs-model-v0.11.0")
    assert repository.last_tag("hfbs-attention") == "hfbs-attention-v0.10.0"


def test_the_session_fails_with_a_list_until_the_changelog_announces_it(
    repository: Repository, capsys: pytest.CaptureFixture[str]
):
    comparison(repository, ATTEND, ", *, scale: float = 1.0", "")
    assert main(["api"], repository) == 1
    said = capsys.readouterr().out.splitlines()
    assert "breaks what hfbs-attention-v0.1.0 has, which its CHANGELOG.md does not say" in said[0]
    assert "scale" in said[1]
    assert said[2:] == ["hfbs-model: no release yet, nothing to compare"]

    changelog = repository.root / "packages" / "hfbs-attention" / "CHANGELOG.md"
    changelog.write_text("# Changelog of hfbs-attention\n\n## Unreleased\n\n### Breaking\n\n- No `scale`.\n")
    assert main(["api"], repository) == 0
    assert "as its CHANGELOG.md announces" in capsys.readouterr().out


def test_comparing_leaves_no_trace_in_the_repository(repository: Repository):
    before = repository.git("branch", "--all"), repository.git("worktree", "list")
    comparison(repository, ATTEND, "1.0", "2.0")
    assert repository.git("branch", "--all") == before[0]
    assert len(repository.git("worktree", "list").splitlines()) == 1
    assert repository.changes == []
