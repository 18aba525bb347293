"""Public names compared with those of a member's last tag: `nox -s api`.

Public is what docs/packages.md says: what the package and its modules without an underscore define, and what they hand
on by `from ._layout import BandLayout as BandLayout` or `*`. A change that breaks users' code is announced under
"### Breaking" in the member's CHANGELOG.md, and then takes a release that may break.
"""

import ast
from dataclasses import dataclass
from typing import Any

import griffe

from release.changelog import announces_breaking, unreleased
from release.members import Member
from release.repository import Repository

REMEDY = 'take it back, or list it there under "### Breaking"'


class HandedOn(griffe.Extension):
    """Takes names that a module hands on for public, which griffe does not."""

    def on_alias_instance(self, *, node: ast.AST | griffe.ObjectNode, alias: griffe.Alias, **_: Any) -> None:
        if isinstance(node, ast.ImportFrom) and not alias.name.startswith("_"):
            alias.public = any(name.name == name.asname == alias.name for name in node.names) or None

    def on_alias(self, *, alias: griffe.Alias, **_: Any) -> None:
        if alias.wildcard_imported:
            alias.public = True


@dataclass(frozen=True)
class Comparison:
    """A member's public names beside those of its last release.

    Attributes:
        member: The package.
        tag: The tag of its last release; `None` before the first.
        changes: What breaks users' code, a line of Markdown each: the name, the kind of change, old and new.
        announced: Whether the member's CHANGELOG.md says that there is such a change, seen by griffe or not.
    """

    member: Member
    tag: str | None
    changes: tuple[str, ...]
    announced: bool

    @property
    def settled(self) -> bool:
        """Whether users are told of all that breaks."""
        return self.announced or not self.changes

    def __str__(self) -> str:
        if self.tag is None:
            return f"{self.member}: no release yet, nothing to compare"
        if not self.changes:
            return f"{self.member}: no public name lost or narrowed since {self.tag}"
        told = "as its CHANGELOG.md announces" if self.announced else f"which its CHANGELOG.md does not say: {REMEDY}"
        return "\n".join([f"{self.member}: breaks what {self.tag} has, {told}", *self.changes])


def compare(repository: Repository, member: Member) -> Comparison:
    """Compare a member's sources with those of its last tag; no code of either is run."""
    tag = repository.last_tag(member.name)
    changes = () if tag is None else tuple(_breaking_changes(repository, member, tag))
    section = unreleased(member.changelog.read_text(encoding="utf-8"))
    return Comparison(member, tag, changes, announces_breaking(section))


def _breaking_changes(repository: Repository, member: Member, tag: str) -> list[str]:
    source = member.source.parent.relative_to(repository.root)
    before = griffe.load_git(member.import_name, ref=tag, repo=repository.root, search_paths=[source], **_settings())
    now = griffe.load(member.import_name, search_paths=[repository.root / source], **_settings())
    found = griffe.find_breaking_changes(before, now)
    return sorted({breakage.explain(griffe.ExplanationStyle.MARKDOWN) for breakage in found})


def _settings() -> dict[str, Any]:
    """Sources are read, never run; what they take from other packages is not looked into."""
    return {
        "extensions": griffe.load_extensions(HandedOn()),
        "allow_inspection": False,
        "resolve_aliases": True,
        "resolve_external": False,
    }
