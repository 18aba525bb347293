"""What was measured, for the terminal, as JSON, as Markdown and as a chart."""

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from configurations import Setting
from contestants import CONTESTANTS, FLOOR, LUCIDRAINS, OURS
from measuring import Row, Start

ROOT = Path(__file__).resolve().parents[1]
NOTES = (
    "× floor: time over that of the model's matrix products and attention alone, as single calls on operands that lie "
    "ready in the precision of the table; for a training step, over three such passes. Median of the alternating "
    "rounds, least and most.",
    "difference: ‖y − ref‖ / ‖ref‖ with the same weights, ref being hfbs in float32, eager, with value residuals where "
    "the row's model has them: lucidrains' BS model of several layers always has. '–': not compared; a training step "
    "has no such output.",
    "memory: the most that a process of its own took (on CUDA, its tensors), over that of BS-RoFormer. Compilation "
    "within that process counts.",
    "import, to first output (import, building, first run) and compilation (first run less second, of what is "
    "compiled) are medians over fresh processes without a cache of compiled code; in training, a run is a step.",
    "bfloat16: for inference hfbs is cast once, but for the row that says so, and the peers are under autocast; in "
    "training all are under autocast, with weights in float32. pymss-core has no backward pass. hfbs trains with "
    "use_torch_checkpoint=True, which keeps products and attention; that of BS-RoFormer keeps neither and is off.",
)
HEADINGS = ("", "× floor", "least", "most", "× hfbs", "seconds", "difference")
# Of tables whose contestants had processes of their own.
STARTS = ("memory", "peak MB", "import s", "first output s", "compilation s")
COLOURS = {True: "#1f6f8b", False: "#b8bfc6"}  # ours, theirs


@dataclass(frozen=True)
class Run:
    """Where, when, of which state and by which command something was measured."""

    machine: str
    date: str
    commit: str
    command: str


@dataclass(frozen=True)
class Table:
    """The contestants of one setting, all measured in one run."""

    run: Run
    setting: Setting
    rows: list[Row]


@dataclass(frozen=True)
class Report:
    """The newest table of each setting."""

    tables: tuple[Table, ...] = ()

    def with_table(self, table: Table) -> "Report":
        """The same with this table in the place of an older one of its setting, or after the others."""
        settings = [other.setting for other in self.tables]
        if table.setting not in settings:
            return Report((*self.tables, table))
        return Report(tuple(table if other.setting == table.setting else other for other in self.tables))


def this_run(command: str, device: str, threads: int) -> Run:
    """Of this machine and moment."""
    accelerator = f"{torch.cuda.get_device_name()}, " if device == "cuda" else ""
    return Run(
        machine=f"{accelerator}{processor()}, {os.cpu_count()} cores, {threads} threads, PyTorch {torch.__version__}",
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=commit(),
        command=command,
    )


def processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """The short hash, and whether tracked files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()

    # What a run itself writes does not count.
    unchanging = (":!uv.lock", ":!benchmarks/RESULTS.md", ":!benchmarks/results.*")
    changes = " + changes" if git("status", "--porcelain", "--untracked-files=no", "--", ".", *unchanging) else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changes


def cells(table: Table) -> Iterator[tuple[str, ...]]:
    """The rows as text, beneath their headings."""
    utilised = any(row.utilisation is not None for row in table.rows)
    peaks = {row.name: row.start.peak for row in table.rows if row.start}
    yield (*HEADINGS, *(STARTS if peaks else []), *(["utilisation"] if utilised else []))
    for row in table.rows:
        started = _started(row, peaks[LUCIDRAINS]) if peaks else []
        yield (
            row.name,
            *(f"{ratio:.2f}" for ratio in row.of_floor),
            f"{row.of_ours:.2f}",
            f"{row.seconds:.3g}",
            "–" if row.difference is None else f"{row.difference:.1e}",
            *started,
            *([f"{row.utilisation:.1%}"] if row.utilisation is not None else []),
        )


def _started(row: Row, peak: float) -> list[str]:
    """What a process of its own took, its memory as a multiple of a peak too."""
    start = row.start
    if start is None:
        return ["–"] * len(STARTS)
    figures = [
        f"{start.peak / peak:.2f}",
        f"{start.peak / 1e6:.0f}",
        f"{start.imports:.2f}",
        f"{start.first_output:.2f}",
    ]
    return [*figures, f"{start.compilation:.2f}" if CONTESTANTS[row.name].compiled else "–"]


def text(table: Table) -> str:
    lines = list(cells(table))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    spaced = ("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)
    return "\n".join([str(table.setting), *spaced])


def markdown(result: Report) -> str:
    parts = [
        "# Results",
        "Written by the commands below: each table holds the figures of one run, on one machine.",
        "\n".join(f"- {note}" for note in NOTES),
    ]
    for table in result.tables:
        heading, *rows = ("| " + " | ".join(line) + " |" for line in cells(table))
        rule = "| --- |" + " ---: |" * (len(next(cells(table))) - 1)
        parts += [f"## {table.setting}", "\n".join([heading, rule, *rows])]
        parts += [f"{table.run.machine}; {table.run.date}; commit {table.run.commit}; `{table.run.command}`"]
    return "\n\n".join(parts) + "\n"


def read_json(path: Path) -> Report:
    """What :func:`write_json` wrote; an empty report where there is no such file."""
    if not path.exists():
        return Report()

    def row(figures: dict[str, Any]) -> Row:
        start = figures["start"] and Start(**figures["start"])
        return Row(**figures | {"start": start, "of_floor": tuple(figures["of_floor"])})

    tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
    return Report(
        tuple(
            Table(Run(**table["run"]), Setting(**table["setting"]), [row(figures) for figures in table["rows"]])
            for table in tables
        )
    )


def write_json(result: Report, path: Path) -> None:
    path.write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_markdown(result: Report, path: Path) -> None:
    path.write_text(markdown(result), encoding="utf-8")


def write_chart(result: Report, path: Path) -> None:
    """Times as multiples of the floor, a panel for each table, two side by side."""
    from matplotlib.figure import Figure

    lines = (len(result.tables) + 1) // 2
    most = max(len(table.rows) for table in result.tables)
    figure = Figure(figsize=(12, 1.1 + lines * (0.9 + 0.38 * most)), layout="constrained")
    panels = list(figure.subplots(lines, 2, squeeze=False).flat)
    for panel in panels:
        panel.set_axis_off()
    for panel, table in zip(panels, result.tables, strict=False):
        panel.set_axis_on()
        rows = [row for row in table.rows if row.name != FLOOR][::-1]
        medians = [row.of_floor[0] for row in rows]
        spread = [
            [row.of_floor[0] - row.of_floor[1] for row in rows],
            [row.of_floor[2] - row.of_floor[0] for row in rows],
        ]
        names, colours = [row.name for row in rows], [COLOURS[row.name.startswith(OURS)] for row in rows]
        panel.barh(names, medians, color=colours, xerr=spread, ecolor="#444444", capsize=3)
        for place, row in enumerate(rows):
            panel.annotate(
                f"{row.of_floor[0]:.2f}", (row.of_floor[2], place), (6, 0), textcoords="offset points", va="center"
            )
        panel.axvline(1, color="#c0392b", linewidth=1.2)
        panel.set_xlim(0, 1.12 * max(1, *(row.of_floor[2] for row in rows)))
        panel.set_title(str(table.setting), fontsize=10, loc="left")
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle("Time as a multiple of the floor (red line); least and most of the rounds", fontsize=12)
    machines = sorted({table.run.machine for table in result.tables})
    figure.supxlabel("; ".join(machines), fontsize=8)
    figure.savefig(path, dpi=130)
