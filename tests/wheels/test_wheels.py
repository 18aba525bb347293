"""What is built from this workspace installs outside it, together and alone."""

import email
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from workspace._repository import MEMBERS, ROOT, Member

AUDIO = {
    "audioread",
    "av",
    "ffmpeg-python",
    "librosa",
    "pydub",
    "resampy",
    "soundfile",
    "soxr",
    "torchaudio",
    "torchcodec",
}
each_member = pytest.mark.parametrize("member", MEMBERS.values(), ids=str)


def uv(*arguments: str | Path, cwd: Path) -> str:
    """Run uv where it finds no workspace, and without the environment that runs these tests."""
    environment = {name: value for name, value in os.environ.items() if name not in ("UV_PYTHON", "VIRTUAL_ENV")}
    return subprocess.run(
        ["uv", *arguments], cwd=cwd, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of every package's source distribution, and of the wheel built from that."""
    folder = tmp_path_factory.mktemp("built")
    uv("build", "--quiet", "--all-packages", "--no-sources", "--out-dir", folder, cwd=ROOT)
    return folder


def wheel_of(member: Member, built: Path) -> Path:
    (wheel,) = built.glob(f"{member.import_name}-{member.version}-*.whl")
    return wheel


def metadata_of(member: Member, built: Path) -> Message:
    with zipfile.ZipFile(wheel_of(member, built)) as wheel:
        return email.message_from_string(
            wheel.read(f"{member.import_name}-{member.version}.dist-info/METADATA").decode()
        )


def fresh_environment(folder: Path, *requirements: str | Path) -> Path:
    """Install the requirements alone into a new environment, and give its interpreter."""
    uv("venv", "--quiet", "--python", sys.executable, "environment", cwd=folder)
    python = folder / "environment" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, *requirements, cwd=folder)
    return python


def installed(python: Path) -> set[str]:
    listing = uv("pip", "list", "--quiet", "--format=json", "--python", python, cwd=python.parent)
    return {package["name"] for package in json.loads(listing)}


@each_member
def test_a_wheel_holds_its_package_and_no_other(member: Member, built: Path):
    information = f"{member.import_name}-{member.version}.dist-info"
    with zipfile.ZipFile(wheel_of(member, built)) as wheel:
        names = set(wheel.namelist())
        assert {name.split("/")[0] for name in names} == {member.import_name, information}
        assert wheel.read(f"{information}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    files = (path for path in member.source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {f"{path.relative_to(member.folder / 'src')}" for path in files} <= names


@each_member
def test_a_source_distribution_holds_licence_and_readme(member: Member, built: Path):
    stem = f"{member.import_name}-{member.version}"
    with tarfile.open(built / f"{stem}.tar.gz") as archive:
        names = set(archive.getnames())
    assert {f"{stem}/{name}" for name in ("LICENSE", "README.md", "pyproject.toml", "PKG-INFO")} <= names


@each_member
def test_metadata_say_what_the_package_is(member: Member, built: Path):
    metadata = metadata_of(member, built)
    assert metadata["Name"] == member.name
    assert metadata["Version"] == str(member.version)
    assert metadata["Summary"] == member.project["description"]
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.12"
    assert str(metadata.get_payload()).strip() == (member.folder / "README.md").read_text(encoding="utf-8").strip()


@each_member
def test_a_wheel_admits_the_siblings_built_with_it(member: Member, built: Path):
    for line in metadata_of(member, built).get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        assert requirement.url is None, f"{line}: a wheel must not know the folder of this workspace"
        if requirement.name in MEMBERS:
            version = metadata_of(MEMBERS[requirement.name], built)["Version"]
            assert requirement.specifier.contains(Version(version)), (
                f"{member.name} requires {line}; built was {version}"
            )


def test_all_wheels_install_together_and_work(built: Path, tmp_path: Path):
    python = fresh_environment(tmp_path, *(wheel_of(member, built) for member in MEMBERS.values()))
    assert installed(python) >= MEMBERS.keys()
    uv("pip", "check", "--quiet", "--python", python, cwd=tmp_path)
    imports = "; ".join(f"import {member.import_name}" for member in MEMBERS.values())
    subprocess.run([python, "-I", "-c", imports], cwd=tmp_path, check=True)
    helped = subprocess.run(
        [python.with_name("hfbs"), "--help"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "separate" in helped.stdout


@pytest.mark.parametrize("kind", ["wheel", "folder"])
def test_filterbanks_alone_bring_numpy_and_nothing_else(kind: str, built: Path, tmp_path: Path):
    member = MEMBERS["hfbs-filterbanks"]
    python = fresh_environment(tmp_path, wheel_of(member, built) if kind == "wheel" else member.folder)
    assert installed(python) == {"hfbs-filterbanks", "numpy"}
    subprocess.run([python, "-I", "-c", "import hfbs_filterbanks"], cwd=tmp_path, check=True)


def test_attention_alone_brings_no_audio_library(built: Path, tmp_path: Path):
    python = fresh_environment(tmp_path, wheel_of(MEMBERS["hfbs-attention"], built))
    assert not installed(python) & (AUDIO | MEMBERS.keys() - {"hfbs-attention"})
    subprocess.run([python, "-I", "-c", "import hfbs_attention"], cwd=tmp_path, check=True)
