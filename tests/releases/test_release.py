"""A release from its refusals to its tag, in a workspace of two packages; where it fails, nothing is changed."""

import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from release.__main__ import main
from release.errors import ReleaseError
from release.members import Member, read_members
from release.refusals import plan
from release.repository import Repository
from release.steps import perform
from release.tagged import build_tagged
from releases._workspace import commit_all, edit

DAY = date(2026, 11, 25)
ATTENTION = "packages/hfbs-attention"


def release(repository: Repository, name: str, part: str, *raised: str, **options: bool) -> tuple[Path, ...]:
    return perform(plan(repository, name, part, raised), repository, day=DAY, tests_pass=lambda _: True, **options)


def state(repository: Repository) -> tuple[object, ...]:
    """Everything that a failed release must leave as it was."""
    files = sorted(path for path in repository.root.rglob("*") if path.is_file() and ".git" not in path.parts)
    contents = {str(path.relative_to(repository.root)): path.read_bytes() for path in files}
    return repository.branch, repository.head, repository.git("tag", "--list"), repository.changes, contents


def test_a_release_edits_locks_builds_commits_and_tags(repository: Repository):
    before = repository.head
    files = release(repository, "hfbs-attention", "minor")
    members = read_members(repository.root)
    attention, model = members["hfbs-attention"], members["hfbs-model"]
    assert str(attention.version) == "0.2.0"
    assert "## Unreleased\n\n## 0.2.0 (2026-11-25)\n\n- First version." in attention.changelog.read_text("utf-8")
    assert [str(requirement.specifier) for requirement in model.requirements] == ["<0.3,>=0.1"] * 2
    assert "# no more than that" in model.pyproject.read_text("utf-8")
    assert "- First version.\n- Admits hfbs-attention 0.2.\n" in model.changelog.read_text("utf-8")
    assert 'name = "hfbs-attention"\nversion = "0.2.0"' in (repository.root / "uv.lock").read_text("utf-8")
    assert repository.git("log", "-1", "--format=%s") == "Release hfbs-attention 0.2.0"
    assert repository.git("rev-parse", "HEAD^") == before
    assert repository.git("rev-parse", "hfbs-attention-v0.2.0^{commit}") == repository.head
    assert repository.changes == []
    assert {path.name for path in (repository.root / "dist").iterdir()} == {path.name for path in files}
    assert [path.name for path in files] == ["hfbs_attention-0.2.0.tar.gz", "hfbs_attention-0.2.0-py3-none-any.whl"]


def test_a_sibling_that_admits_the_version_is_left_alone_unless_it_is_named(repository: Repository):
    release(repository, "hfbs-attention", "first")
    sibling = read_members(repository.root)["hfbs-model"]
    assert [str(requirement.specifier) for requirement in sibling.requirements] == ["<0.2,>=0.1"] * 2
    edit(repository, f"{ATTENTION}/CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- Faster.\n")
    release(repository, "hfbs-attention", "patch", "hfbs-model")
    sibling = read_members(repository.root)["hfbs-model"]
    assert [str(requirement.specifier) for requirement in sibling.requirements] == ["<0.2,>=0.1.1"] * 2
    assert "- Requires hfbs-attention 0.1.1." in sibling.changelog.read_text("utf-8")


def test_only_siblings_whose_bounds_change_are_tested(repository: Repository):
    tested: list[str] = []

    def passes(member: Member) -> bool:
        tested.append(member.name)
        return True

    perform(plan(repository, "hfbs-attention", "patch"), repository, day=DAY, tests_pass=passes, dry_run=True)
    assert tested == []
    perform(plan(repository, "hfbs-attention", "minor"), repository, day=DAY, tests_pass=passes, dry_run=True)
    assert tested == ["hfbs-model"]


def dirty(repository: Repository) -> None:
    (repository.root / "new").touch()


def on_a_branch(repository: Repository) -> None:
    repository.git("switch", "--quiet", "--create", "work")


def on_no_branch(repository: Repository) -> None:
    repository.git("switch", "--quiet", "--detach")


def tagged(repository: Repository) -> None:
    repository.git("tag", "hfbs-attention-v0.2.0")


def with_nothing_to_say(repository: Repository) -> None:
    edit(repository, f"{ATTENTION}/CHANGELOG.md", "- First version.\n", "")


def without_changelog(repository: Repository) -> None:
    (repository.root / ATTENTION / "CHANGELOG.md").unlink()
    commit_all(repository)


def released(repository: Repository) -> None:
    repository.git("tag", "hfbs-attention-v0.1.0")


def announce(repository: Repository) -> None:
    edit(repository, f"{ATTENTION}/CHANGELOG.md", "- First", "### Breaking\n\n- First")


def announcing(repository: Repository) -> None:
    released(repository)
    announce(repository)


def breaking(repository: Repository) -> None:
    released(repository)
    edit(repository, f"{ATTENTION}/src/hfbs_attention/_attend.py", "scale: float = 1.0", "scale: float")


def breaking_and_announcing(repository: Repository) -> None:
    breaking(repository)
    announce(repository)


def nothing(repository: Repository) -> None:
    pass


@pytest.mark.parametrize(
    ("before", "arguments", "message"),
    [
        (dirty, "hfbs-attention minor", "the tree has changes (?? new): commit or stash them"),
        (on_a_branch, "hfbs-attention minor", "on the branch main, and this is the branch work: git switch main"),
        (on_no_branch, "hfbs-attention minor", "on the branch main, and this is no branch: git switch main"),
        (tagged, "hfbs-attention minor", "the tag hfbs-attention-v0.2.0 exists: release another version than 0.2.0"),
        (
            with_nothing_to_say,
            "hfbs-attention minor",
            "section Unreleased of hfbs-attention's CHANGELOG.md is empty",
        ),
        (without_changelog, "hfbs-attention minor", "hfbs-attention has no CHANGELOG.md"),
        (nothing, "hfbs-atention minor", "no member hfbs-atention: one of hfbs-attention, hfbs-model"),
        (nothing, "hfbs-attention small", "small is no part of a version: one of first, patch, minor, major"),
        (nothing, "hfbs-attention minor --raise hfbs-modl", "there is no member hfbs-modl"),
        (nothing, "hfbs-model minor --raise hfbs-attention", "hfbs-attention does not require hfbs-model"),
        (nothing, "hfbs-model minor", "hfbs-attention<0.2,>=0.1, which is not released: release hfbs-attention first"),
        (released, "hfbs-attention first", "has been released, as hfbs-attention-v0.1.0: take a patch, minor or major"),
        (
            announcing,
            "hfbs-attention patch",
            "release of hfbs-attention may not break what hfbs-attention-v0.1.0",
        ),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(
    repository: Repository,
    before: Callable[[Repository], None],
    arguments: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
):
    before(repository)
    was = state(repository)
    assert main(["make", *arguments.split()], repository) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("release: error: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert state(repository) == was


@pytest.mark.parametrize(
    ("before", "part", "message"),
    [
        (breaking, "patch", "breaks what hfbs-attention-v0.1.0 has, which its CHANGELOG.md does not say"),
        (breaking, "minor", "breaks what hfbs-attention-v0.1.0 has, which its CHANGELOG.md does not say"),
        (breaking_and_announcing, "patch", "may not break what hfbs-attention-v0.1.0 has: take a minor one"),
    ],
)
def test_what_breaks_is_refused_with_a_list(
    repository: Repository, before: Callable[[Repository], None], part: str, message: str
):
    before(repository)
    with pytest.raises(ReleaseError, match=message) as refusal:
        plan(repository, "hfbs-attention", part)
    _, *listed = str(refusal.value).splitlines()
    assert len(listed) == 1
    assert "Attend.forward(scale)`: *Parameter is now required" in listed[0]


@pytest.mark.parametrize("part", ["minor", "major"])
def test_what_breaks_and_is_announced_is_released(repository: Repository, part: str):
    breaking_and_announcing(repository)
    assert len(release(repository, "hfbs-attention", part)) == 2


def test_after_version_one_what_breaks_takes_a_major_release(repository: Repository):
    edit(repository, f"{ATTENTION}/pyproject.toml", "0.1.0", "1.0.0")
    repository.git("tag", "hfbs-attention-v1.0.0")
    edit(repository, f"{ATTENTION}/src/hfbs_attention/_attend.py", "scale: float = 1.0", "scale: float")
    edit(repository, f"{ATTENTION}/CHANGELOG.md", "- First", "### Breaking\n\n- First")
    with pytest.raises(ReleaseError, match="take a major one"):
        plan(repository, "hfbs-attention", "minor")
    assert plan(repository, "hfbs-attention", "major").tag == "hfbs-attention-v2.0.0"


def test_a_dry_run_leaves_everything_as_it_was(repository: Repository):
    was = state(repository)
    assert release(repository, "hfbs-attention", "minor", dry_run=True) == ()
    assert state(repository) == was


def that_loses_its_types(repository: Repository) -> None:
    (repository.root / ATTENTION / "src" / "hfbs_attention" / "py.typed").unlink()
    commit_all(repository)


def that_does_not_lock(repository: Repository) -> None:
    edit(repository, "pyproject.toml", "[tool.uv.sources]", "[tool.uv.sources]\nhfbs-model = { workspace = 1 }\n[tool]")


def that_does_not_build(repository: Repository) -> None:
    edit(repository, f"{ATTENTION}/pyproject.toml", 'readme = "README.md"', 'readme = "MISSING.md"')


def that_git_refuses(repository: Repository) -> None:
    hook = repository.root / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (that_loses_its_types, "built with faults: the wheel has no py.typed"),
        (that_does_not_lock, "`uv lock --quiet` ended with status"),
        (that_does_not_build, "`uv build --quiet --package hfbs-attention --no-sources"),
        (that_git_refuses, "`git commit"),
    ],
)
def test_a_step_that_fails_leaves_everything_as_it_was(
    repository: Repository, before: Callable[[Repository], None], message: str
):
    before(repository)
    was = state(repository)
    with pytest.raises(ReleaseError, match=message):
        release(repository, "hfbs-attention", "minor")
    assert state(repository) == was


def test_a_tag_that_git_refuses_takes_the_commit_and_the_files_with_it(repository: Repository):
    planned = plan(repository, "hfbs-attention", "minor")
    was = state(repository)
    # Made behind the plan's back.
    repository.git("tag", planned.tag)
    with pytest.raises(ReleaseError, match="git tag"):
        perform(planned, repository, day=DAY, tests_pass=lambda _: True)
    repository.git("tag", "--delete", planned.tag)
    assert state(repository) == was


def test_siblings_that_fail_beside_the_release_stop_it(repository: Repository):
    was = state(repository)
    planned = plan(repository, "hfbs-attention", "minor")
    with pytest.raises(ReleaseError, match=r"hfbs-model fails its tests beside hfbs-attention 0\.2\.0: mend it first"):
        perform(planned, repository, day=DAY, tests_pass=lambda _: False)
    assert state(repository) == was


def test_the_member_of_a_tag_is_built_and_no_other(repository: Repository):
    built = {path.name for path in release(repository, "hfbs-attention", "first")}
    with pytest.raises(ReleaseError, match="the folder dist has files"):
        build_tagged(repository, "hfbs-attention-v0.1.0")
    subprocess.run(["git", "clean", "-qfdX"], cwd=repository.root, check=True)
    assert {path.name for path in build_tagged(repository, "hfbs-attention-v0.1.0").files} == built
    assert {path.name for path in (repository.root / "dist").glob("[!.]*")} == built


@pytest.mark.parametrize("tag", ["hfbs-attention-v0.2.0", "hfbs-v0.1.0", "v0.1.0", "hfbs-model-v0.1.0"])
def test_a_tag_of_nothing_that_is_here_builds_nothing(repository: Repository, tag: str):
    repository.git("tag", "hfbs-attention-v0.1.0")
    with pytest.raises(ReleaseError, match=r"is the tag of no member|does not bear the tag"):
        build_tagged(repository, tag)


def test_a_tag_of_another_commit_builds_nothing(repository: Repository):
    repository.git("tag", "hfbs-attention-v0.1.0")
    edit(repository, f"{ATTENTION}/CHANGELOG.md", "- First", "- The first")
    with pytest.raises(ReleaseError, match=r"does not bear the tag hfbs-attention-v0\.1\.0: git checkout"):
        build_tagged(repository, "hfbs-attention-v0.1.0")
