"""A shell and a Python interpreter that a tutorial's blocks are given to one after the other."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Self

_END = "--- end of what it shows ---"
_LONGEST = 300  # seconds that a block may take
_READ_BLOCKS = f"""
import json, sys, traceback
names = {{"__name__": "__main__"}}
for line in sys.stdin:
    code = 0
    try:
        exec(compile(json.loads(line), "<tutorial>", "exec"), names)
    except BaseException:
        code = 1
        traceback.print_exc()
    print("\\n{_END}", code, flush=True)
"""


class Session:
    """A program that takes a text, and shows what comes of it before a line of its own."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _ask(self, text: str) -> tuple[str, int]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(text)
        self._process.stdin.flush()
        shown: list[str] = []
        late = Timer(_LONGEST, self._process.kill)
        late.start()
        try:
            for line in self._process.stdout:
                if line.startswith(_END):
                    return "".join(shown).removesuffix("\n"), int(line.removeprefix(_END))
                shown.append(line)
        finally:
            late.cancel()
        return "".join(shown) + "\n(it ended, or took too long)", 1


class Shell(Session):
    """Bash: what a command changes, such as the folder, holds for the next."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(["bash", "--norc"], folder, environment)

    def type(self, command: str) -> tuple[str, int]:
        """What a command shows, and its exit code."""
        return self._ask(f"{{ {command}\n}} </dev/null; printf '\\n{_END} %d\\n' $?\n")


class Python(Session):
    """The interpreter that `python` is in a shell, in the folder where the shell is: names stay from block to block."""

    def __init__(self, shell: Shell, environment: Mapping[str, str]) -> None:
        program, folder = (Path(shell.type(command)[0].strip()) for command in ("command -v python", "pwd"))
        super().__init__([str(program), "-u", "-c", _READ_BLOCKS], folder, environment)
        self.program = program

    def run(self, block: str) -> tuple[str, int]:
        """What a block shows, and whether it failed: 0 or 1."""
        return self._ask(json.dumps(block) + "\n")
