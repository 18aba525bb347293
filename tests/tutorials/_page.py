"""A tutorial as a runner sees it: files to write, commands to type, Python to run, and what each is to show.

The rule, which docs/tutorials/index.md states for readers: blocks are taken in the page's order.

- A block of python, toml, yaml or text whose first line is `# NAME` is the file of that name.
- A console block is typed, its lines that begin with `$ `, into one shell.
- Any other block of python runs in one interpreter of the environment that the shell has made.
- A text block after one of the latter two is what it shows: see :func:`missing_line`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
_NAMED = re.compile(r"# ([\w./-]+\.\w+)\n")
_DECIMAL = r"-?\d+\.\d+"
FILES = ("python", "toml", "yaml", "text")


@dataclass
class Step:
    """One block: what to do, the page's line, and the lines that it is to show."""

    kind: str
    text: str
    line: int
    name: str = ""
    screen: list[str] = field(default_factory=list[str])

    @property
    def commands(self) -> list[str]:
        """The lines to type, without their prompts."""
        return [line.removeprefix("$ ") for line in self.text.splitlines()]


def read_steps(page: Path) -> list[Step]:
    """The blocks of a page in their order; a screen belongs to the step before it.

    Raises:
        ValueError: A block is none of those that the rule knows.
    """
    text, steps = page.read_text(encoding="utf-8"), list[Step]()
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        language, content = block["language"], block["text"]
        if language in FILES and (named := _NAMED.match(content)):
            steps.append(Step("file", content, line, named[1]))
        elif language == "text" and steps and steps[-1].kind != "file" and not steps[-1].screen:
            steps[-1].screen = content.splitlines()
        elif language == "python" or (language == "console" and all(map(_typed, content.splitlines()))):
            steps.append(Step(language, content, line))
        else:
            raise ValueError(f"{page.name}:{line}: a block of {language} is no file, command, Python or screen here")
    return steps


def _typed(line: str) -> bool:
    return line.startswith("$ ")


def missing_line(screen: list[str], shown: str) -> str | None:
    """The first line of a screen that was not shown, or not after those before it; None where all were.

    Lines may be left out of a screen. In a line, `…` stands for anything, a figure with a decimal point for any such
    figure, and spaces for at least one.
    """
    lines = iter([" ".join(line.split()) for line in shown.splitlines()])
    for line in filter(None, (" ".join(line.split()) for line in screen)):
        pattern = ".*".join(re.sub(r"\\?-?\d+\\\.\d+", lambda _: _DECIMAL, re.escape(part)) for part in line.split("…"))
        if not any(re.fullmatch(pattern, each) for each in lines):
            return line
    return None
