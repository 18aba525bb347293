"""A release, step by step; where one fails, branch and tree are what they were."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from release import bounds, changelog, pyproject
from release.built import build, check
from release.commands import output_of
from release.errors import ReleaseError
from release.members import Member, read_members
from release.refusals import Plan
from release.repository import Repository


def perform(
    plan: Plan,
    repository: Repository,
    *,
    day: date,
    tests_pass: Callable[[Member], bool],
    dry_run: bool = False,
) -> tuple[Path, ...]:
    """Make the release: edit, test the siblings whose bounds change, lock, build, check, commit, tag.

    Args:
        plan: The release.
        repository: Where it is made.
        day: What stands beside the version in the CHANGELOG.md.
        tests_pass: Whether a sibling passes its tests, with the new version beside it.
        dry_run: Do everything up to the commit, and put the tree back.

    Returns:
        The files to publish, in `dist`; none of a dry run.

    Raises:
        ReleaseError: A step failed.
    """
    with ExitStack() as undo, TemporaryDirectory() as temporary:
        undo.callback(repository.put_back, repository.head)
        edited = [*_edit_member(plan, day), *_edit_siblings(plan), repository.root / "uv.lock"]
        for sibling in (*plan.widened, *plan.raised):
            if not tests_pass(sibling):
                raise ReleaseError(f"{sibling} fails its tests beside {plan.member} {plan.version}: mend it first")
        # The lock holds versions and bounds; the first release changes neither.
        if any(line.endswith("pyproject.toml") for line in repository.changes):
            output_of("uv", "lock", "--quiet", cwd=repository.root)
        built = build(read_members(repository.root)[plan.member.name], repository.root, Path(temporary))
        check(built)
        if dry_run:
            return ()
        repository.commit(f"Release {plan.member} {plan.version}", *edited)
        target = repository.root / "dist"
        target.mkdir(exist_ok=True)
        files = tuple(Path(shutil.move(path, target / path.name)) for path in built.files)
        for path in files:
            undo.callback(path.unlink)
        repository.git("tag", "--annotate", "--message", f"{plan.member} {plan.version}", plan.tag)
        undo.pop_all()
        return files


def _edit_member(plan: Plan, day: date) -> tuple[Path, ...]:
    member = plan.member
    _rewrite(member.pyproject, partial(pyproject.with_version, version=plan.version))
    _rewrite(member.changelog, partial(changelog.with_release, version=plan.version, day=day))
    return member.pyproject, member.changelog


def _edit_siblings(plan: Plan) -> list[Path]:
    """Change the bounds of the siblings that need or want it, and say so in their CHANGELOG.md."""
    edited: list[Path] = []
    changes = [(plan.widened, bounds.widened, "Admits"), (plan.raised, bounds.raised, "Requires")]
    for siblings, rebound, verb in changes:
        for sibling in siblings:
            new = partial(rebound, version=plan.version)
            _rewrite(sibling.pyproject, partial(pyproject.with_requirements, name=plan.member.name, rewrite=new))
            entry = f"{verb} {plan.member} {bounds.short(plan.version)}."
            _rewrite(sibling.changelog, partial(changelog.with_entry, entry=entry))
            edited += [sibling.pyproject, sibling.changelog]
    return edited


def _rewrite(path: Path, edit: Callable[[str], str]) -> None:
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
