"""Each test has a workspace of its own to release from."""

import shutil
from pathlib import Path

import pytest

from release.repository import Repository
from releases._workspace import make_workspace


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return make_workspace(tmp_path_factory.mktemp("template") / "workspace")


@pytest.fixture
def repository(template: Repository, tmp_path: Path) -> Repository:
    return Repository(Path(shutil.copytree(template.root, tmp_path / "workspace")))
