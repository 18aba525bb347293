"""The table of speeds for the page on speed, from what the benchmarks stored."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results.json"
CONTESTANTS = ("hfbs", "hfbs compiled", "pymss-core", "BS-RoFormer")
HEADS = ("Model", "Task", "Precision", "Device", *CONTESTANTS, "hfbs, seconds", "of audio")


def speeds() -> str:
    """Each stored setting as a row: times as multiples of the floor's, and ours in seconds."""
    tables: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))["tables"]
    lines = ["| " + " | ".join(HEADS) + " |", "| --- " * 4 + "| ---: " * (len(HEADS) - 4) + "|"]
    for table in sorted(tables, key=lambda each: (each["setting"]["task"], each["setting"]["device"])):
        setting = table["setting"]
        rows = {row["name"]: row for row in table["rows"]}
        ratios = (f"{rows[name]['of_floor'][0]:.2f}" if name in rows else "–" for name in CONTESTANTS)
        about = (f"`{setting['name']}`", setting["task"], setting["precision"], setting["device"])
        audio = f"{setting['batch']} × {setting['seconds']:g} s"
        lines.append("| " + " | ".join((*about, *ratios, f"{rows['hfbs']['seconds']:.3g}", audio)) + " |")
    machines = sorted({table["run"]["machine"] for table in tables})
    return "\n".join([*lines, "", f"Measured on: {'; '.join(machines)}."]) + "\n"
