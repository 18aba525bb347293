"""Each test has a workspace of its own to release from."""

from pathlib import Path

import pytest

from release.repository import Repository
from releases._workspace import make_workspace


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_workspace(tmp_path / "workspace")
