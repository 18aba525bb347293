"""A member's source distribution and wheel: built as they are published, and looked through."""

import email
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from packaging.requirements import Requirement

from release.commands import output_of
from release.errors import ReleaseError
from release.members import Member


@dataclass(frozen=True)
class Built:
    """The two files of a member's version."""

    member: Member
    sdist: Path
    wheel: Path

    @classmethod
    def of(cls, member: Member, folder: Path) -> "Built":
        """The files of the member's present version in a folder.

        Raises:
            ReleaseError: One of them is not there.
        """
        stem = f"{member.import_name}-{member.version}"
        built = cls(member, folder / f"{stem}.tar.gz", folder / f"{stem}-py3-none-any.whl")
        for path in built.files:
            if not path.is_file():
                raise ReleaseError(f"{path.name} was not built: look at what uv build said")
        return built

    @property
    def files(self) -> tuple[Path, Path]:
        return self.sdist, self.wheel

    @property
    def information(self) -> str:
        """The wheel's folder of metadata."""
        return f"{self.member.import_name}-{self.member.version}.dist-info"

    @property
    def metadata(self) -> Message:
        with zipfile.ZipFile(self.wheel) as wheel:
            return email.message_from_string(wheel.read(f"{self.information}/METADATA").decode())


def build(member: Member, root: Path, folder: Path) -> Built:
    """Build a member of the workspace at `root` into a folder, with its siblings known by name and version alone.

    Raises:
        ReleaseError: It does not build.
    """
    output_of("uv", "build", "--quiet", "--package", member.name, "--no-sources", "--out-dir", folder, cwd=root)
    return Built.of(member, folder)


def check(built: Built) -> None:
    """Look through what was built, and let twine look at how an index will show it.

    Raises:
        ReleaseError: Something is missing, wrong or too much.
    """
    if found := list(faults(built)):
        raise ReleaseError(f"{built.member} {built.member.version} was built with faults: {'; '.join(found)}")
    output_of(sys.executable, "-m", "twine", "check", "--strict", *built.files, cwd=built.wheel.parent)


def faults(built: Built) -> Iterator[str]:
    """What is wrong with the contents and the metadata, a phrase each."""
    yield from _wheel_faults(built)
    yield from _sdist_faults(built)
    yield from _metadata_faults(built)


def _sources(member: Member) -> set[str]:
    """The member's files, as the wheel names them."""
    files = (path for path in member.source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(member.source.parent).as_posix() for path in files}


def _wheel_faults(built: Built) -> Iterator[str]:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        licence = f"{built.information}/licenses/LICENSE"
        if licence not in names:
            yield "the wheel has no licence file"
        elif wheel.read(licence) != (built.member.folder / "LICENSE").read_bytes():
            yield "the wheel's licence file is not the member's"
    sources = _sources(built.member)
    if f"{built.member.import_name}/py.typed" not in names:
        yield "the wheel has no py.typed"
    modules = {name for name in names if not name.startswith(f"{built.information}/")}
    yield from (f"the wheel lacks {name}" for name in sorted(sources - modules))
    yield from (f"the wheel has {name}, which is none of the member's files" for name in sorted(modules - sources))


def _sdist_faults(built: Built) -> Iterator[str]:
    stem = f"{built.member.import_name}-{built.member.version}/"
    with tarfile.open(built.sdist) as archive:
        names = {member.name for member in archive.getmembers() if member.isfile()}
    papers = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "PKG-INFO"}
    wanted = {stem + name for name in papers | {f"src/{source}" for source in _sources(built.member)}}
    yield from (f"the source distribution lacks {name}" for name in sorted(wanted - names))
    # uv keeps the pyproject beside its own spelling of it.
    others = names - wanted - {f"{stem}pyproject.toml.orig"}
    yield from (f"the source distribution has {name} as well" for name in sorted(others))


def _metadata_faults(built: Built) -> Iterator[str]:
    project, metadata = built.member.project, built.metadata
    said = {
        "Name": project["name"],
        "Version": str(built.member.version),
        "Summary": project["description"],
        "License-Expression": project["license"],
        "License-File": "LICENSE",
        "Requires-Python": project["requires-python"],
    }
    for field, value in said.items():
        if metadata[field] != value:
            yield f"the metadata's {field} is {metadata[field]}, not {value}"
    readme = (built.member.folder / "README.md").read_text(encoding="utf-8")
    if str(metadata.get_payload()).strip() != readme.strip():
        yield "the metadata's description is not README.md"
    for line in metadata.get_all("Requires-Dist") or []:
        if Requirement(line).url is not None:
            yield f"the metadata require {line}, a place instead of a version"
