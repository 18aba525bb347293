"""Which versions of a released member its siblings admit.

A sibling's bound is left alone while it admits the new version. Where it does not, it is widened up to the next version
that may break, and keeps its lower end. Raising that end is asked for by name, for a sibling that uses what is new.
"""

from packaging.requirements import Requirement
from packaging.version import Version

from release.errors import ReleaseError
from release.members import Member
from release.versions import next_breaking


def excluding(members: dict[str, Member], name: str, version: Version) -> list[Member]:
    """The siblings that require the member `name`, but not in this version."""
    return [
        member
        for member in members.values()
        if any(not requirement.specifier.contains(version) for requirement in member.requirements_of(name))
    ]


def widened(requirement: Requirement, version: Version) -> str:
    """The requirement with its lower end as it was, up to the next version after `version` that may break."""
    lower = [clause.version for clause in requirement.specifier if clause.operator == ">="]
    if len(lower) != 1:
        raise ReleaseError(f"a requirement of a sibling has one lower bound: give {requirement} one, such as >=0.1")
    return bounded(requirement, lower[0], version)


def raised(requirement: Requirement, version: Version) -> str:
    """The requirement from `version` on, up to the next version after it that may break."""
    return bounded(requirement, short(version), version)


def bounded(requirement: Requirement, lower: str, version: Version) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras}>={lower},<{short(next_breaking(version))}{marker}"


def short(version: Version) -> str:
    """A version as bounds have it: 0.2 for 0.2.0, but 0.2.1."""
    return f"{version.major}.{version.minor}" if version.micro == 0 else str(version)
