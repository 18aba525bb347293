"""What a release asks of git."""

from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from release.commands import output_of
from release.versions import tag_of


@dataclass(frozen=True)
class Repository:
    """The git repository whose top folder is `root`."""

    root: Path

    def git(self, *arguments: str | Path) -> str:
        """Run git and return what it prints.

        Raises:
            ReleaseError: git refused.
        """
        return output_of("git", *arguments, cwd=self.root).strip()

    @property
    def branch(self) -> str:
        """The branch that is checked out; empty where none is."""
        return self.git("branch", "--show-current")

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def changes(self) -> list[str]:
        """The files that differ from the last commit, and those that are new and not ignored."""
        return self.git("status", "--porcelain").splitlines()

    def has_tag(self, tag: str) -> bool:
        return bool(self.git("tag", "--list", tag))

    def released(self, name: str) -> list[Version]:
        """The member's versions that have a tag in the present commit's history, in their order."""
        beginning = f"{name}-v"
        tags = self.git("tag", "--list", f"{beginning}*", "--merged", "HEAD").split()
        return sorted(Version(tag.removeprefix(beginning)) for tag in tags)

    def last_tag(self, name: str) -> str | None:
        """The tag of the member's highest version, `None` before its first release."""
        released = self.released(name)
        return tag_of(name, released[-1]) if released else None

    def commit(self, message: str, *paths: Path) -> None:
        self.git("add", *paths)
        self.git("commit", "--quiet", "--message", message)

    def put_back(self, commit: str) -> None:
        """Make branch and tracked files what they were at `commit`."""
        self.git("reset", "--quiet", "--hard", commit)
