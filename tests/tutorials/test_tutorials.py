"""Each tutorial, followed from its first line in an empty folder, shows what its page says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tutorials._page import Step, missing_line, read_steps
from tutorials._sessions import Python, Shell
from workspace._repository import ROOT

PAGES = sorted(set((ROOT / "docs" / "tutorials").glob("*.md")) - {ROOT / "docs" / "tutorials" / "index.md"})
# Of whatever runs these tests, nothing but uv and an interpreter is to help a tutorial.
FOREIGN = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_FROZEN", "UV_LOCKED"}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One in which `uv pip install hfbs-…` installs what this workspace builds."""
    wheels = tmp_path_factory.mktemp("wheels")
    build = ["uv", "build", "--quiet", "--all-packages", "--wheel", "--no-sources", "--out-dir", wheels]
    subprocess.run(build, cwd=ROOT, check=True)
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    cache = subprocess.run(["uv", "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    return kept | {
        # Where `uv venv` looks first.
        "PATH": os.pathsep.join([str(Path(sys.base_prefix, "bin")), kept["PATH"]]),
        "UV_FIND_LINKS": str(wheels),
        # What programs cache is empty at first, but for what uv has downloaded.
        "UV_CACHE_DIR": cache,
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "MPLBACKEND": "agg",
        "COLUMNS": "100",
        # As on a terminal, where what goes to stdout and to stderr comes in its order.
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, which is gone afterwards: an environment holds thousands of files."""
    with TemporaryDirectory(prefix="tutorial-") as name:
        yield Path(name).resolve()


def test_there_are_five():
    assert len(PAGES) == 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tutorial_shows_what_it_says(page: Path, folder: Path, environment: dict[str, str]):
    with ExitStack() as opened:
        shell, python = opened.enter_context(Shell(folder, environment)), None
        for step in read_steps(page):
            where = f"{page.name}:{step.line}"
            match step.kind:
                case "file":
                    path = Path(shell.type("pwd")[0].strip(), step.name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(step.text, encoding="utf-8")
                    continue
                case "console":
                    shown = typed(shell, step, where)
                case _:
                    python = python or opened.enter_context(Python(shell, environment))
                    assert python.program.is_relative_to(folder), f"{where} runs in no environment of its own"
                    shown, code = python.run(step.text)
                    assert code == 0, f"{where} fails:\n{shown}"
            print(f"{where}\n{shown}")  # pytest shows it where a tutorial fails, or with -rP
            missing = missing_line(step.screen, shown)
            assert missing is None, f"{where} does not show, or not there:\n{missing}\nbut\n{shown}"


def typed(shell: Shell, step: Step, where: str) -> str:
    """What the commands of a block show; only the last may fail, where its screen says so."""
    shown = ""
    for number, command in enumerate(step.commands, start=1):
        output, code = shell.type(command)
        may_fail = number == len(step.commands) and any("error:" in line for line in step.screen)
        assert (code != 0) == may_fail, f"{where}: `{command}` ends with {code}:\n{output}"
        shown += output
    return shown
