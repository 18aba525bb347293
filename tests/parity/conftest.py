"""Collects the rows of the table and prints it at the end."""

import pytest

from parity.table import Row, lines

ROWS = pytest.StashKey[list[Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[Row]:
    return request.config.stash[ROWS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if rows := config.stash[ROWS]:
        terminalreporter.section("relative difference from upstream, same weights, float32")
        for line in lines(rows):
            terminalreporter.write_line(line)
