"""The history of an index: empty, then release after release, made and published as docs/releasing.md says."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from index._index import Index, serving
from release.errors import ReleaseError
from release.refusals import plan
from release.repository import Repository
from release.steps import perform
from releases._workspace import begin, commit_all, edit
from workspace._repository import ROOT, tracked_files

# Each below those that require it.
FROM_BELOW = ("filterbanks", "attention", "model", "experimental", "separate", "train")
BANDS = "packages/hfbs-filterbanks"


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """This repository as it lies here, on a branch main of its own, without its history and its tags."""
    root = tmp_path_factory.mktemp("clone") / "hfbs"
    for path in tracked_files():
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    repository = begin(root)
    repository.git("config", "include.path", "../tools/gitconfig")
    commit_all(repository)
    return repository


@pytest.fixture(scope="session")
def history(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Index]]:
    """An index as it was before the first release, and as it was after each of four:

    1. every package in its present version;
    2. hfbs-attention 0.2.0;
    3. hfbs-filterbanks 0.2.0, which lacks a name;
    4. hfbs-model 0.1.1, which admits both.
    """
    with ExitStack() as servers:
        indexes = [servers.enter_context(serving(tmp_path_factory.mktemp("empty")))]

        def publish(*files: Path) -> None:
            folder = tmp_path_factory.mktemp("index")
            shutil.copytree(indexes[-1].folder, folder, dirs_exist_ok=True)
            indexes.append(servers.enter_context(serving(folder)))
            indexes[-1].publish(*files)

        publish(*(file for name in FROM_BELOW for file in release(repository, f"hfbs-{name}", "first")))

        tell(repository, "hfbs-attention", "- Faster.")
        publish(*release(repository, "hfbs-attention", "minor"))

        name = "from ._source import print_static_mask as print_static_mask\n"
        edit(repository, f"{BANDS}/src/hfbs_filterbanks/__init__.py", name, "")
        tell(repository, "hfbs-filterbanks", "- Smaller.")
        with pytest.raises(ReleaseError, match=r"(?s)which its CHANGELOG.md does not say.*print_static_mask"):
            plan(repository, "hfbs-filterbanks", "minor")
        edit(repository, f"{BANDS}/CHANGELOG.md", "- Smaller.", "### Breaking\n\n- No `print_static_mask`.")
        with pytest.raises(ReleaseError, match=r"(?s)take a minor one.*print_static_mask"):
            plan(repository, "hfbs-filterbanks", "patch")
        publish(*release(repository, "hfbs-filterbanks", "minor"))

        publish(*release(repository, "hfbs-model", "patch"))
        yield indexes


def release(repository: Repository, name: str, part: str) -> tuple[Path, ...]:
    """Release without the tests of the siblings, which have sessions of their own and take minutes."""
    return perform(plan(repository, name, part), repository, day=date(2026, 11, 25), tests_pass=lambda _: True)


def tell(repository: Repository, name: str, line: str) -> None:
    edit(repository, f"packages/{name}/CHANGELOG.md", "## Unreleased\n", f"## Unreleased\n\n{line}\n")
