"""How versions follow each other, and which tag a version has."""

from typing import Literal, get_args

from packaging.version import Version

# `first` releases the version that the pyproject already has.
Part = Literal["first", "patch", "minor", "major"]
PARTS: tuple[Part, ...] = get_args(Part)


def bumped(version: Version, part: Part) -> Version:
    """The version that a release of this part gives."""
    match part:
        case "first":
            return version
        case "patch":
            return Version(f"{version.major}.{version.minor}.{version.micro + 1}")
        case "minor":
            return Version(f"{version.major}.{version.minor + 1}.0")
        case "major":
            return Version(f"{version.major + 1}.0.0")


def breaking_part(version: Version) -> Part:
    """The part that a breaking change takes: before 1.0 the minor one, after it the major one."""
    return "major" if version.major else "minor"


def may_break(version: Version, part: Part) -> bool:
    """Whether a release of this part may hold breaking changes."""
    return part in (breaking_part(version), "major")


def next_breaking(version: Version) -> Version:
    """The first version after this one that may break what was written for it."""
    return bumped(version, breaking_part(version))


def tag_of(name: str, version: Version) -> str:
    """The tag of a member's version, such as `hfbs-attention-v0.2.0`."""
    return f"{name}-v{version}"
