"""Other programs, run to their end."""

import subprocess
from pathlib import Path

from release.errors import ReleaseError


def output_of(*words: str | Path, cwd: Path) -> str:
    """Run a program and return what it prints; what it says on standard error goes to the terminal.

    Raises:
        ReleaseError: It ended with another status than 0.
    """
    run = subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if run.returncode:
        raise ReleaseError(f"`{' '.join(map(str, words))}` ended with status {run.returncode}{told(run.stdout)}")
    return run.stdout


def told(output: str) -> str:
    """The last line of an output, to put behind what is said of the program."""
    lines = output.strip().splitlines()
    return f": {lines[-1].strip()}" if lines else ""
