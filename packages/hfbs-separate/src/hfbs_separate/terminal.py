"""What a command says while it works: lines and bars on stderr, the files written on stdout, or both as JSON lines."""

import json
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, Literal, cast
from unicodedata import category

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, Task, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from ._remote import Place
from ._types import Progress as Callback
from ._workload import Workload

type Speech = Literal["lines", "quiet", "json"]


class Terminal:
    """Where a command speaks. Without a terminal behind stderr there is no bar, and lines stay unbroken.

    Args:
        speech: ``"lines"`` for people; ``"quiet"``: warnings, errors and the files written alone; ``"json"``: one
            object a line on stdout for all of it, and nothing on stderr.
        program: the command's name, with which warnings and errors begin.
    """

    def __init__(self, speech: Speech = "lines", program: str = "hfbs") -> None:
        self._speech = speech
        self._program = program
        # The streams of now: others may stand in their place while a library that writes to them is at work.
        self._stdout = sys.stdout
        self._console = Console(file=sys.stderr, highlight=False, emoji=False, soft_wrap=True)

    def say(self, message: str) -> None:
        """One line of information."""
        if self._speech == "lines":
            self._console.print(escape(one_line(message)))
        self.event("info", message=one_line(message))

    def warn(self, message: str) -> None:
        """One line, marked as a warning."""
        if self._speech != "json":
            self._console.print(f"[yellow]{self._program}: warning:[/yellow] {escape(one_line(message))}")
        self.event("warning", message=one_line(message))

    def fail(self, message: str) -> None:
        """One line, marked as an error."""
        if self._speech != "json":
            self._console.print(f"[red]{self._program}: error:[/red] {escape(one_line(message))}")
        self.event("error", message=one_line(message))

    def wrote(self, file: Place) -> None:
        """The path of a file written, on stdout, where a script can read it: the bytes that the system knows it by."""
        if self._shows_bars and self._stdout.isatty():
            self._console.print(escape(printable(str(file))))  # above the bar, not into its line
        elif self._speech != "json":
            self._stdout.buffer.write(os.fsencode(str(file)) + b"\n")
            self._stdout.buffer.flush()
        self.event("wrote", file=str(file))

    @contextmanager
    def busy(self, message: str) -> Generator[None]:
        """Show that something without known length is under way."""
        if not self._shows_bars:
            yield
            return
        with self._console.status(escape(message)):
            yield

    @contextmanager
    def bar(self, message: str) -> Generator[Callback | None]:
        """Show a bar with the time left; it vanishes at the end. None where there is nothing to show it on."""
        with self.bars() as bars:
            yield bars.of(message)

    @contextmanager
    def bars(self, songs: Sequence[Place] = ()) -> Generator["Bars"]:
        """Show how far the work on one song is, and above it, where there are several, that on all seconds of audio.

        As JSON lines, each ``progress`` has the samples ``done`` and the ``total`` of the song; of several songs, also
        ``songs`` with how many there are (``count``) and have ``ended``, the ``seconds`` of their audio, those
        ``done``, and the seconds that all will still take (``left``), each null while nobody knows.
        """
        workload = Workload(songs)
        if self._speech == "json":
            yield _JsonBars(workload, self)
            return
        if not self._shows_bars:
            yield Bars(workload)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            _TimeLeft(compact=True),
            TextColumn("left"),
        )
        with Progress(*columns, console=self._console, transient=True, expand=True) as progress:
            yield _RichBars(workload, progress)

    @property
    def _shows_bars(self) -> bool:
        return self._speech == "lines" and self._console.is_terminal

    def event(self, kind: str, **facts: object) -> None:
        """What happened, as a JSON line where these are wanted."""
        if self._speech == "json":
            self._stdout.write(json.dumps({"event": kind, **facts}) + "\n")
            self._stdout.flush()


class Bars:
    """Bars that nobody sees."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload

    def of(self, message: str) -> Callback | None:  # noqa: ARG002
        """What to call with the samples done of the song named, and the samples in all."""
        return None

    def begin_song(self, seconds: float | None) -> None:
        """The work on a song begins; its header says that it is so long, or does not say."""
        self._workload.begin(seconds)

    def next_song(self, seconds: float | None = None) -> None:
        """The work on a song has ended.

        Args:
            seconds: of audio that were separated. None: the song was left alone, or failed.
        """
        self._workload.end(seconds)


class _RichBars(Bars):
    """Bars on a terminal."""

    def __init__(self, workload: Workload, progress: Progress) -> None:
        super().__init__(workload)
        self._progress = progress
        self._all: TaskID | None = progress.add_task("all songs", total=None) if workload.songs > 1 else None
        self._one: TaskID | None = None

    def of(self, message: str) -> Callback:
        self._clear()
        one = self._one = self._progress.add_task(escape(printable(message)), total=None)

        def update(done: int, total: int | None) -> None:
            self._progress.update(one, completed=done, total=total)
            if total:
                self._workload.advance(done / total)
                self._show()

        return update

    def next_song(self, seconds: float | None = None) -> None:
        """As :meth:`Bars.next_song`."""
        super().next_song(seconds)
        self._clear()
        self._show()

    def _show(self) -> None:
        if self._all is not None:
            workload = self._workload
            self._progress.update(
                self._all, completed=workload.seconds_done, total=workload.seconds, left=workload.seconds_left
            )

    def _clear(self) -> None:
        if self._one is not None:
            self._progress.remove_task(self._one)
            self._one = None


class _TimeLeft(TimeRemainingColumn):
    """As Rich has it from the last half minute, but of all songs from the whole run."""

    def render(self, task: Task) -> Text:
        left = cast("float | None", task.fields.get("left"))
        return super().render(task) if left is None else Text(_countdown(left), style="progress.remaining")


class _JsonBars(Bars):
    """Progress as JSON lines, at most one for each percent."""

    def __init__(self, workload: Workload, terminal: Terminal) -> None:
        super().__init__(workload)
        self._terminal = terminal

    def of(self, message: str) -> Callback:
        last = -1

        def update(done: int, total: int | None) -> None:
            nonlocal last
            percent = None if not total else 100 * done // total
            if total:
                self._workload.advance(done / total)
            if percent != last or percent is None:
                last = percent
                self._terminal.event(
                    "progress", message=printable(message), done=done, total=total, **self._all_songs()
                )

        return update

    def _all_songs(self) -> dict[str, object]:
        workload = self._workload
        if workload.songs < 2:
            return {}
        facts = {"seconds": workload.seconds, "done": workload.seconds_done, "left": workload.seconds_left}
        rounded = {name: None if value is None else round(value, 1) for name, value in facts.items()}
        return {"songs": {"count": workload.songs, "ended": workload.ended, **rounded}}


class OneLineGroup(click.Group):
    """Commands whose errors are one line, ``hfbs: error: …``, with exit code 2, and 130 where Ctrl-C ended them.

    A :class:`Terminal` that a command makes the root context's ``obj`` tells of its errors. ``-h`` is ``--help``, whose
    lines have up to 100 letters.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        super().__init__(*args, context_settings=settings, **kwargs)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As :meth:`click.Command.main`, and the process ends."""
        kwargs["standalone_mode"] = False
        stdout: object = sys.stdout
        if isinstance(stdout, TextIOWrapper) and stdout.errors == "strict":
            stdout.reconfigure(errors="replace")  # signs of tables that another encoding than UTF-8 lacks
        try:
            sys.exit(super().main(*args, **kwargs))
        except click.ClickException as error:
            Terminal(program=str(self.name)).fail(error.format_message())
            sys.exit(2)
        except click.Abort:
            Terminal(program=str(self.name)).fail("interrupted; the work at hand left nothing behind")
            sys.exit(130)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it, but the terminal of a command tells of its error."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if not isinstance(ctx.obj, Terminal):
                raise
            ctx.obj.fail(error.format_message())
            ctx.exit(2)


def one_line(message: str) -> str:
    """The message with line breaks and what stands around them made single spaces, as a terminal can show it."""
    return printable(" ".join(line.strip() for line in message.splitlines() if line.strip()))


def printable(text: str) -> str:
    """The text with what a terminal cannot show, or would obey, written as ``\\x1b``.

    Names of files may hold it: control characters, and bytes that are no UTF-8.
    """
    return "".join(sign if category(sign) not in ("Cc", "Cs") else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    number = ord(sign)
    # A byte of a name that is no UTF-8 is a character from 0xDC80 on, by surrogateescape.
    return f"\\x{number & 0xFF:02x}" if number < 0x100 or 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def _countdown(seconds: float) -> str:
    """As Rich writes a time left: ``03:05`` or ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def clock(seconds: float) -> str:
    """A length of time for people: ``7.3 s``, ``3:05`` or ``1:02:03``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
