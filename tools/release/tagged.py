"""Builds the member that a tag names, and no other, into `dist`: `nox -s dist -- hfbs-attention-v0.2.0`."""

from release.built import Built, build, check
from release.errors import ReleaseError
from release.members import Member, read_members
from release.repository import Repository
from release.versions import tag_of


def tagged_member(repository: Repository, tag: str) -> Member:
    """The member whose present version has this tag.

    Raises:
        ReleaseError: No member has, or another commit than the present one bears the tag.
    """
    members = read_members(repository.root)
    for member in members.values():
        if tag_of(member.name, member.version) == tag:
            break
    else:
        present = ", ".join(tag_of(member.name, member.version) for member in members.values())
        raise ReleaseError(f"{tag} is the tag of no member's present version: one of {present}")
    if not repository.has_tag(tag) or repository.git("rev-parse", f"{tag}^{{commit}}") != repository.head:
        raise ReleaseError(f"the present commit does not bear the tag {tag}: git checkout {tag}")
    return member


def build_tagged(repository: Repository, tag: str) -> Built:
    """Build and check the member of a tag; the folder `dist` must have no files yet.

    Raises:
        ReleaseError: The tag is none of a release, `dist` has files, or what was built has faults.
    """
    member = tagged_member(repository, tag)
    target = repository.root / "dist"
    if any(target.glob("[!.]*")):
        raise ReleaseError("the folder dist has files, which would be published as well: take them away")
    built = build(member, repository.root, target)
    check(built)
    return built
