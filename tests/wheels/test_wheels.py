"""What is built from this workspace installs outside it, together and alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from release.built import Built, faults
from release.members import Member
from workspace._repository import MEMBERS, ROOT

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
def test_what_is_built_is_the_package_and_nothing_else(member: Member, built: Path):
    assert list(faults(Built.of(member, built))) == []


@each_member
def test_a_wheel_admits_the_siblings_built_with_it(member: Member, built: Path):
    for line in Built.of(member, built).metadata.get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        if requirement.name in MEMBERS:
            version = Built.of(MEMBERS[requirement.name], built).metadata["Version"]
            assert requirement.specifier.contains(Version(version)), (
                f"{member.name} requires {line}; built was {version}"
            )


def test_all_wheels_install_together_and_work(built: Path, tmp_path: Path):
    python = fresh_environment(tmp_path, *(Built.of(member, built).wheel for member in MEMBERS.values()))
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
    python = fresh_environment(tmp_path, Built.of(member, built).wheel if kind == "wheel" else member.folder)
    assert installed(python) == {"hfbs-filterbanks", "numpy"}
    subprocess.run([python, "-I", "-c", "import hfbs_filterbanks"], cwd=tmp_path, check=True)


def test_attention_alone_brings_no_audio_library(built: Path, tmp_path: Path):
    python = fresh_environment(tmp_path, Built.of(MEMBERS["hfbs-attention"], built).wheel)
    assert not installed(python) & (AUDIO | MEMBERS.keys() - {"hfbs-attention"})
    subprocess.run([python, "-I", "-c", "import hfbs_attention"], cwd=tmp_path, check=True)
