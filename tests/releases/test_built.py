"""What is wrong with built files is found."""

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from release.built import Built, build, check, faults
from release.errors import ReleaseError
from release.members import read_members
from releases._workspace import make_workspace

INFORMATION = "hfbs_attention-0.1.0.dist-info"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """hfbs-attention as it is built, without a fault."""
    folder = tmp_path_factory.mktemp("whole")
    repository = make_workspace(folder / "workspace")
    return build(read_members(repository.root)["hfbs-attention"], repository.root, folder / "built")


@pytest.fixture
def built(whole: Built, tmp_path: Path) -> Built:
    """A copy to damage."""
    sdist, wheel = (Path(shutil.copy(path, tmp_path)) for path in whole.files)
    return Built(whole.member, sdist, wheel)


def change_wheel(built: Built, name: str, change: Callable[[bytes], bytes | None]) -> None:
    """Change one file of the wheel, take it out where `change` returns nothing, or add it."""
    with zipfile.ZipFile(built.wheel) as wheel:
        contents = {each: wheel.read(each) for each in wheel.namelist()}
    changed = change(contents.pop(name, b""))
    with zipfile.ZipFile(built.wheel, "w") as wheel:
        for each, content in {**contents, **({} if changed is None else {name: changed})}.items():
            wheel.writestr(each, content)


def test_what_is_whole_has_no_faults(whole: Built):
    assert list(faults(whole)) == []
    check(whole)


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        (f"{INFORMATION}/licenses/LICENSE", lambda _: None, "the wheel has no licence file"),
        (f"{INFORMATION}/licenses/LICENSE", lambda _: b"Do not.", "the wheel's licence file is not the member's"),
        ("hfbs_attention/py.typed", lambda _: None, "the wheel has no py.typed"),
        ("hfbs_attention/_attend.py", lambda _: None, "the wheel lacks hfbs_attention/_attend.py"),
        ("hfbs_model/__init__.py", lambda _: b"", "the wheel has hfbs_model/__init__.py, which is none of the"),
        (f"{INFORMATION}/METADATA", lambda text: text.replace(b"0.1.0", b"0.2.0"), "Version is 0.2.0, not 0.1.0"),
        (f"{INFORMATION}/METADATA", lambda text: text.replace(b"MIT", b"GPL"), "License-Expression is GPL, not MIT"),
        (
            f"{INFORMATION}/METADATA",
            lambda text: text.replace(b"Attention ", b"Model "),
            "is not README.md",
        ),
        (
            f"{INFORMATION}/METADATA",
            lambda text: text.replace(b"Name:", b"Requires-Dist: hfbs-model @ file:///here\nName:", 1),
            "a place instead of a version",
        ),
    ],
)
def test_a_damaged_wheel_is_told(built: Built, name: str, change: Callable[[bytes], bytes | None], fault: str):
    change_wheel(built, name, change)
    assert any(fault in each for each in faults(built))
    with pytest.raises(ReleaseError, match=r"hfbs-attention 0\.1\.0 was built with faults"):
        check(built)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("hfbs_attention-0.1.0/LICENSE", "the source distribution lacks hfbs_attention-0.1.0/LICENSE"),
        ("hfbs_attention-0.1.0/CHANGELOG.md", "the source distribution lacks hfbs_attention-0.1.0/CHANGELOG.md"),
        ("hfbs_attention-0.1.0/src/hfbs_attention/py.typed", "the source distribution lacks"),
        (None, "the source distribution has hfbs_attention-0.1.0/src/hfbs_model/__init__.py as well"),
    ],
)
def test_a_damaged_source_distribution_is_told(whole: Built, built: Built, name: str | None, fault: str):
    with tarfile.open(whole.sdist) as old, tarfile.open(built.sdist, "w:gz") as new:
        for member in old.getmembers():
            if member.name != name:
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
        if name is None:
            new.addfile(tarfile.TarInfo("hfbs_attention-0.1.0/src/hfbs_model/__init__.py"), io.BytesIO())
    assert any(fault in each for each in faults(built))


def test_twine_looks_at_what_an_index_will_show(built: Built):
    """Metadata without a description are whole for us where README.md is empty, but not for an index."""
    (built.member.folder / "README.md").write_text("")
    change_wheel(built, f"{INFORMATION}/METADATA", lambda text: text.partition(b"\n\n")[0] + b"\n\n")
    assert list(faults(built)) == []
    with pytest.raises(ReleaseError, match="twine check --strict"):
        check(built)
