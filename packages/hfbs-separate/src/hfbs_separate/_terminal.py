"""What the command says while it works: lines and a progress bar on stderr, the files written on stdout."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from unicodedata import category

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ._chunks import Progress as Callback


class Terminal:
    """Where the command speaks. Without a terminal behind stderr there is no bar, and lines stay unbroken."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)

    def say(self, message: str) -> None:
        """One line of information."""
        self._console.print(escape(one_line(message)))

    def warn(self, message: str) -> None:
        """One line, marked as a warning."""
        self._console.print(f"[yellow]hfbs: warning:[/yellow] {escape(one_line(message))}")

    def fail(self, message: str) -> None:
        """One line, marked as an error."""
        self._console.print(f"[red]hfbs: error:[/red] {escape(one_line(message))}")

    def wrote(self, file: Path) -> None:
        """The path of a file written, on stdout, where a script can read it: the bytes that the system knows it by."""
        sys.stdout.buffer.write(os.fsencode(file) + b"\n")
        sys.stdout.buffer.flush()

    @contextmanager
    def busy(self, message: str) -> Generator[None]:
        """Show that something without known length is under way."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(escape(message)):
            yield

    @contextmanager
    def bar(self, message: str) -> Generator[Callback | None]:
        """Show a bar with the time left; it vanishes at the end. None where there is no terminal to show it on."""
        if not self._console.is_terminal:
            yield None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
        )
        with Progress(*columns, console=self._console, transient=True, expand=True) as progress:
            task = progress.add_task(escape(message), total=None)

            def update(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            yield update


def one_line(message: str) -> str:
    """The message for a terminal: line breaks and what stands around them made single spaces.

    What names of files may hold and a terminal cannot show, or would obey, is written as ``\\x1b``: control characters,
    and bytes that are no UTF-8.
    """
    line = " ".join(line.strip() for line in message.splitlines() if line.strip())
    return "".join(sign if category(sign) not in ("Cc", "Cs") else _escaped(sign) for sign in line)


def _escaped(sign: str) -> str:
    number = ord(sign)
    # A byte of a name that is no UTF-8 is a character from 0xDC80 on, by surrogateescape.
    return f"\\x{number & 0xFF:02x}" if number < 0x100 or 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def clock(seconds: float) -> str:
    """A length of time for people: ``7.3 s``, ``3:05`` or ``1:02:03``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
