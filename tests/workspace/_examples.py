"""Runs examples, each as a program of its own.

Importing PyTorch takes most of an example's time. So on Linux they come out of one process that has imported it, by
forking; started as a program, this file is that process. Elsewhere each starts from nothing.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Protocol

# Of several threads, numpy's would be there before the fork, and would not outlive it.
_ENVIRONMENT = {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
_PYTHON = [sys.executable, "-W", "error"]


class Run(Protocol):
    """Run a text as `python -W error -c` would in this folder, and give its exit status and all that it wrote."""

    def __call__(self, text: str, folder: Path) -> tuple[int, str]: ...


@contextmanager
def examples() -> Generator[Run]:
    environment = {**os.environ, **_ENVIRONMENT}

    def from_nothing(text: str, folder: Path) -> tuple[int, str]:
        command = [*_PYTHON, "-c", text]
        ended = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return ended.returncode, ended.stdout

    if sys.platform != "linux":
        yield from_nothing
        return

    with subprocess.Popen(
        [*_PYTHON, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        asked, told = parent.stdin, parent.stdout
        assert asked is not None
        assert told is not None

        def forked(text: str, folder: Path) -> tuple[int, str]:
            written = folder / "written.txt"
            asked.write(json.dumps([text, str(folder), str(written)]) + "\n")
            asked.flush()
            status = told.readline()
            assert status, "the process that examples come out of has ended"
            return int(status), written.read_text(encoding="utf-8")

        yield forked


def _main() -> None:
    import torch  # noqa: F401  what all of them need

    for line in sys.stdin:
        text, folder, written = json.loads(line)
        example = os.fork()
        if not example:
            _become(folder, written)
            exec(compile(text, "<example>", "exec"), sys.modules["__main__"].__dict__)
            return
        _, status = os.waitpid(example, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(folder: str, written: str) -> None:
    os.chdir(folder)
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_CREAT), (2, os.O_WRONLY | os.O_APPEND)):
        opened = os.open(written if descriptor else os.devnull, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv, sys.path[0] = ["-c"], ""
    sys.modules["__main__"] = ModuleType("__main__")


if __name__ == "__main__":
    _main()
