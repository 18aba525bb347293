"""The commands behind `nox -s release`, `nox -s api` and `nox -s dist`."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from release.api import compare
from release.bounds import short
from release.errors import ReleaseError
from release.members import Member, read_members
from release.refusals import Plan, member_of, plan
from release.repository import Repository
from release.steps import perform
from release.tagged import build_tagged
from release.versions import PARTS


def main(arguments: Sequence[str], repository: Repository) -> int:
    """Run one command, and return the status to end with; an error is printed in one line."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "make":
                return _make(repository, options.member, options.part, tuple(options.raised), options.dry_run)
            case "api":
                return _api(repository, options.members)
            case _:
                return _dist(repository, options.tag)
    except ReleaseError as error:
        print(f"release: error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="release", description="Release packages of this workspace, one at a time.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="release one member")
    make.add_argument("member", help="the package, such as hfbs-attention")
    make.add_argument("part", help=f"the part of the version that goes up: {', '.join(PARTS)} (the version as it is)")
    make.add_argument(
        "--raise",
        dest="raised",
        metavar="SIBLING",
        action="append",
        default=[],
        help="a sibling that needs the release",
    )
    make.add_argument("--dry-run", action="store_true", help="do everything up to the commit, and put the tree back")
    api = commands.add_parser("api", help="compare public names with the last release")
    api.add_argument("members", nargs="*", help="the packages; all where none is named")
    dist = commands.add_parser("dist", help="build the member of a tag")
    dist.add_argument("tag", help="the tag, such as hfbs-attention-v0.2.0")
    return parser


def _make(repository: Repository, name: str, part: str, raised: tuple[str, ...], dry_run: bool) -> int:
    planned = plan(repository, name, part, raised)
    print(f"{planned.tag}\n{planned.comparison}")
    _tell_bounds(planned)
    today = datetime.now(UTC).date()
    files = perform(planned, repository, day=today, tests_pass=_tests_pass, dry_run=dry_run)
    if dry_run:
        print("a dry run: everything passed up to the commit, and the tree is as it was")
        return 0
    print(*(path.relative_to(repository.root) for path in files), sep="\n")
    print(f"committed and tagged; to publish: git push --atomic origin main {planned.tag}")
    return 0


def _tell_bounds(planned: Plan) -> None:
    for siblings, verb in ((planned.widened, "is to admit"), (planned.raised, "is to require")):
        for sibling in siblings:
            print(f"{sibling} {verb} {planned.member} {short(planned.version)}; its tests say whether it may")


def nox_for(sibling: Member) -> tuple[str, ...]:
    """nox and its options, for the tests of one member beside its declared dependencies alone."""
    return sys.executable, "-m", "nox", "--session", f"tests-3.12(package='{sibling}')"


def _tests_pass(sibling: Member) -> bool:
    return subprocess.run(nox_for(sibling), check=False).returncode == 0


def _api(repository: Repository, names: list[str]) -> int:
    members = read_members(repository.root)
    comparisons = [compare(repository, member_of(members, name)) for name in names or members]
    print(*comparisons, sep="\n")
    return 0 if all(comparison.settled for comparison in comparisons) else 1


def _dist(repository: Repository, tag: str) -> int:
    print(*(path.relative_to(repository.root) for path in build_tagged(repository, tag).files), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Repository(Path.cwd())))
