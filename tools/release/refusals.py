"""What a release needs before anything is changed: each thing that is missing ends it in one line."""

from dataclasses import dataclass

from packaging.version import Version

from release.api import Comparison, compare
from release.bounds import excluding
from release.changelog import unreleased
from release.errors import ReleaseError
from release.members import Member, read_members
from release.repository import Repository
from release.versions import PARTS, Part, breaking_part, bumped, may_break, tag_of


@dataclass(frozen=True)
class Plan:
    """A release that may be made.

    Attributes:
        member: What is released, as it is before the release.
        version: The version that it gets.
        comparison: Its public names beside those of its last release.
        widened: The siblings whose bounds exclude that version.
        raised: The siblings that are to require it.
    """

    member: Member
    version: Version
    comparison: Comparison
    widened: tuple[Member, ...]
    raised: tuple[Member, ...]

    @property
    def tag(self) -> str:
        return tag_of(self.member.name, self.version)


def plan(repository: Repository, name: str, part: str, raise_bounds_of: tuple[str, ...] = ()) -> Plan:
    """Plan the release of the member `name`, and change nothing.

    Raises:
        ReleaseError: The release may not be made; the message says why.
    """
    members = read_members(repository.root)
    member = member_of(members, name)
    known = _part(part)
    raised = tuple(_dependent(members, sibling, name) for sibling in dict.fromkeys(raise_bounds_of))
    _refuse_unsettled(repository)
    version = bumped(member.version, known)
    if known == "first" and (last := repository.last_tag(name)):
        raise ReleaseError(f"{name} has been released, as {last}: take a patch, minor or major release")
    if repository.has_tag(tag_of(name, version)):
        raise ReleaseError(f"the tag {tag_of(name, version)} exists: release another version than {version}")
    _refuse_unreleased_siblings(repository, member, members)
    _refuse_untold(member)
    comparison = compare(repository, member)
    _refuse_understated(comparison, known)
    widened = tuple(sibling for sibling in excluding(members, name, version) if sibling not in raised)
    return Plan(member, version, comparison, widened, raised)


def member_of(members: dict[str, Member], name: str) -> Member:
    """The member of a name.

    Raises:
        ReleaseError: There is none.
    """
    if name not in members:
        raise ReleaseError(f"there is no member {name}: one of {', '.join(members)}")
    return members[name]


def _part(part: str) -> Part:
    for known in PARTS:
        if part == known:
            return known
    raise ReleaseError(f"{part} is no part of a version: one of {', '.join(PARTS)}")


def _dependent(members: dict[str, Member], sibling: str, name: str) -> Member:
    member = member_of(members, sibling)
    if not member.requirements_of(name):
        raise ReleaseError(
            f"{sibling} does not require {name}, so it has no bound to raise: leave out --raise {sibling}"
        )
    return member


def _refuse_unsettled(repository: Repository) -> None:
    if repository.branch != "main":
        place = f"the branch {repository.branch}" if repository.branch else "no branch"
        raise ReleaseError(f"releases are made on the branch main, and this is {place}: git switch main")
    if changes := repository.changes:
        others = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
        raise ReleaseError(f"the tree has changes ({changes[0].strip()}{others}): commit or stash them")


def _refuse_unreleased_siblings(repository: Repository, member: Member, members: dict[str, Member]) -> None:
    """What is published must install: of each sibling that it requires, a version is out."""
    for requirement in member.requirements:
        if requirement.name in members:
            released = repository.released(requirement.name)
            if not any(requirement.specifier.contains(version) for version in released):
                raise ReleaseError(
                    f"{member} requires {requirement}, which is not released: release {requirement.name} first"
                )


def _refuse_untold(member: Member) -> None:
    """A release says what changed."""
    if not member.changelog.exists():
        raise ReleaseError(f"{member} has no CHANGELOG.md: write one with a section Unreleased")
    if not unreleased(member.changelog.read_text(encoding="utf-8")):
        raise ReleaseError(f"the section Unreleased of {member}'s CHANGELOG.md is empty: say there what changed")


def _refuse_understated(comparison: Comparison, part: Part) -> None:
    """The part of the version says what the release means for users' code."""
    member = comparison.member
    if not comparison.settled:
        raise ReleaseError(str(comparison))
    if comparison.tag and comparison.announced and not may_break(member.version, part):
        what = f"a {part} release of {member} may not break what {comparison.tag} has"
        raise ReleaseError("\n".join([f"{what}: take a {breaking_part(member.version)} one", *comparison.changes]))
