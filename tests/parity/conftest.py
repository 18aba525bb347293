"""Collects the rows of the table and prints it at the end."""

import pytest

from parity.table import FamilyRow, Row, family_lines, lines

ROWS = pytest.StashKey[list[Row]]()
FAMILIES = pytest.StashKey[list[FamilyRow]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS], config.stash[FAMILIES] = [], []


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[Row]:
    return request.config.stash[ROWS]


@pytest.fixture
def families(request: pytest.FixtureRequest) -> list[FamilyRow]:
    return request.config.stash[FAMILIES]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if rows := config.stash[ROWS]:
        terminalreporter.section("relative difference from upstream, same weights, float32")
        for line in lines(rows):
            terminalreporter.write_line(line)
    if families := config.stash[FAMILIES]:
        terminalreporter.section("families of checkpoints, each loaded from its weights alone")
        for line in family_lines(families):
            terminalreporter.write_line(line)
