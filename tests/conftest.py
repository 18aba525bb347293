"""For all tests: how hypothesis searches, and how much it searched."""

import re

import pytest
from hypothesis import settings

# On top of hypothesis's own choice, which is derandomised where CI is set. No test depends on absolute time.
settings.register_profile("hfbs", deadline=None, print_blob=True)
settings.load_profile("hfbs")

EXAMPLES = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[EXAMPLES] = 0


def pytest_runtest_teardown(item: pytest.Item) -> None:
    statistics = getattr(item, "hypothesis_statistics", "")
    item.config.stash[EXAMPLES] += sum(int(passing) for passing in re.findall(r"(\d+) passing", statistics))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[EXAMPLES]:
        terminalreporter.write_line(f"hypothesis: {config.stash[EXAMPLES]:,} examples")
