"""The committed uv.lock is what uv resolves here, with every registry's address taken out."""

import difflib
import os
import re
import shutil
import subprocess
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lock_filter import clean
from workspace._repository import MEMBERS, ROOT, tracked_files

HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,8}){1,3}(:[1-9][0-9]{1,3})?", fullmatch=True)
# A registry's page of a package, and the folder of a file by its hash.
REGISTRY_ADDRESS = re.compile(r"https?://[^\s\"'`]*(/simple\b|/packages/[0-9a-f]{2}/[0-9a-f]{2}/)")

needs_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the sources lie outside git")


def committed_lock() -> str:
    """The lock as git will have it; where the sources lie outside git, as it would be committed."""
    if not (ROOT / ".git").exists():
        return clean((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return subprocess.run(["git", "show", ":uv.lock"], cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def written_lock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What uv makes of the committed lock and the present pyprojects, on this machine's registry."""
    copy = tmp_path_factory.mktemp("workspace")
    for pyproject in [ROOT / "pyproject.toml", *(member.folder / "pyproject.toml" for member in MEMBERS.values())]:
        target = copy / pyproject.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pyproject, target)
    (copy / "uv.lock").write_text(committed_lock(), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name not in ("UV_FROZEN", "UV_LOCKED")}
    subprocess.run(["uv", "lock", "--quiet"], cwd=copy, check=True, env=environment)
    return (copy / "uv.lock").read_text(encoding="utf-8")


def test_cleaning_what_uv_writes_gives_the_committed_lock(written_lock: str):
    committed, written = committed_lock().splitlines(), clean(written_lock).splitlines()
    difference = "\n".join(difflib.unified_diff(committed, written, "committed", "written", lineterm="", n=1))
    assert not difference, f"uv.lock is not what uv writes. If that is meant: uv lock && git add uv.lock\n{difference}"


def test_uv_writes_hashes_and_addresses_that_the_committed_lock_lacks(written_lock: str):
    assert "sha256:" in written_lock
    assert ".invalid" not in written_lock
    assert set(re.findall(r"https?://([^/\"]*)", committed_lock())) == {"registry.invalid", "files.invalid"}


def test_no_tracked_file_names_a_registry(written_lock: str):
    hosts = {host for url in re.findall(r'"(https?://[^"]+)"', written_lock) if (host := urlsplit(url).hostname)}
    named = re.compile("|".join([REGISTRY_ADDRESS.pattern, *map(re.escape, hosts)]))
    found: list[str] = []
    for path in tracked_files():
        text = committed_lock() if path == ROOT / "uv.lock" else path.read_bytes().decode("utf-8", "replace")
        lines = (line for line in text.splitlines() if named.search(line) and ".invalid/" not in line)
        found += [f"{path.relative_to(ROOT)}: {line.strip()[:100]}" for line in lines]
    assert not found, "these lines hold a registry's address:\n" + "\n".join(found)


@given(host=HOSTS, folder=st.from_regex(r"(/[a-z0-9_-]{1,12}){0,4}", fullmatch=True))
def test_no_registry_makes_a_difference_to_the_committed_lock(host: str, folder: str):
    committed = committed_excerpt()
    elsewhere = committed.replace("https://registry.invalid/simple", f"https://{host}{folder}/simple")
    elsewhere = elsewhere.replace("https://files.invalid", f"http://{host}/packages{folder}")
    assert clean(elsewhere) == committed


def test_cleaning_keeps_versions_names_and_hashes():
    registry = "https://example.org"
    lock = (
        'requires-python = ">=3.12"\n[[package]]\nname = "soxr"\nversion = "1.1.0"\n'
        f'source = {{ registry = "{registry}/simple" }}\n'
        f'sdist = {{ url = "{registry}/packages/a/soxr-1.1.0.tar.gz", hash = "sha256:ab", size = 5, '
        'upload-time = "2026-01-01T00:00:00Z" }\n'
    )
    assert clean(lock) == (
        'requires-python = ">=3.12, <4"\n[[package]]\nname = "soxr"\nversion = "1.1.0"\n'
        'source = { registry = "https://registry.invalid/simple" }\n'
        'sdist = { url = "https://files.invalid/soxr-1.1.0.tar.gz", hash = "sha256:ab" }\n'
    )


def test_cleaning_twice_is_cleaning_once(written_lock: str):
    assert clean(clean(written_lock)) == clean(written_lock)


@needs_git
def test_git_cleans_the_lock_with_the_filter():
    attribute = ["git", "check-attr", "filter", "uv.lock"]
    assert (
        subprocess.run(attribute, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[-1] == "uv-lock"
    )
    assert clean(committed_lock()) == committed_lock()


def committed_excerpt() -> str:
    """The first packages of the committed lock: enough to hold every kind of address."""
    return "[[package]]".join(committed_lock().split("[[package]]")[:4])
