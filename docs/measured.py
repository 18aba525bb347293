"""A table of speeds and a picture of losses, of figures that the benchmarks have written."""

import json
import re
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results.json"
SCALE = Path(__file__).parent / "scale.md"
# Of Okabe and Ito, told apart in every colour vision; hatched, so that it needs no colour either.
LOSSES = {
    "slowed": ("#e69f00", ""),
    "lost": ("#d55e00", "xx"),
    "copied": ("#cc79a7", ".."),
    "starting": ("#0072b2", "//"),
    "idle": ("#bbbbbb", ""),
}
CONTESTANTS = ("hfbs", "hfbs compiled", "pymss-core", "BS-RoFormer")
HEADS = ("Model", "Task", "Precision", "Device", *CONTESTANTS, "hfbs, × real time")


def speeds() -> str:
    """Each stored setting as a row: times as multiples of the floor's, and how fast ours is."""
    tables: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))["tables"]
    lines = ["| " + " | ".join(HEADS) + " |", "| --- " * 4 + "| ---: " * (len(HEADS) - 4) + "|"]
    for table in sorted(tables, key=lambda each: (each["setting"]["task"], each["setting"]["device"])):
        setting = table["setting"]
        rows = {row["name"]: row for row in table["rows"]}
        ratios = (f"{rows[name]['of_floor'][0]:.2f}" if name in rows else "–" for name in CONTESTANTS)
        about = (f"`{setting['name']}`", setting["task"], setting["precision"], setting["device"])
        speed = setting["batch"] * setting["seconds"] / rows["hfbs"]["seconds"]
        lines.append("| " + " | ".join((*about, *ratios, f"{speed:.3g}")) + " |")
    machines = sorted({table["run"]["machine"] for table in tables})
    return "\n".join([*lines, "", f"Measured on: {'; '.join(machines)}."]) + "\n"


def losses() -> dict[str, dict[str, float]]:
    """Per scenario of the table in docs/scale.md, which share of the workers' time went where, in per cent."""
    lines = [re.split(r" *\| *", line.strip("| ")) for line in SCALE.read_text(encoding="utf-8").splitlines()]
    start = next(number for number, cells in enumerate(lines) if {*LOSSES} <= {*cells})
    heads = lines[start]
    rows: dict[str, dict[str, float]] = {}
    for cells in lines[start + 2 :]:
        if len(cells) != len(heads) + 1:
            break
        rows[cells[0]] = {head: float(cell.rstrip("%")) for head, cell in zip(heads, cells[1:], strict=True)}
    return rows


def plot_losses() -> Figure:
    """What of the workers' time was of no use, scenario by scenario."""
    rows = losses()
    figure, axes = plt.subplots(figsize=(7.5, 3.9), layout="constrained")
    ends = [0.0] * len(rows)
    for kind, (color, hatch) in LOSSES.items():
        shares = [row[kind] for row in rows.values()]
        axes.barh(list(rows), shares, left=ends, color=color, hatch=hatch, edgecolor="white", linewidth=0.3, label=kind)
        ends = [end + share for end, share in zip(ends, shares, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="% of the workers' time that was of no use")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(LOSSES), frameon=False)
    return figure
