"""What the tables of docs/migration say, read from the pages."""

import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS

PAGES = Path(__file__).parents[1] / "docs" / "migration"
HUNTER, MSST, LUCIDRAINS, PYMSS = "hunterformsbs", "msst", "lucidrains", "pymss"


def section(upstream: str, title: str = "Keywords") -> str:
    text = (PAGES / f"{upstream}.md").read_text(encoding="utf-8")
    return re.split(r"^## ", text.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.M)[0]


def rows(upstream: str, title: str = "Keywords") -> Iterator[list[str]]:
    """The cells of each row of the tables below a heading, heads and rules left out."""
    lines = section(upstream, title).splitlines()
    for above, line in pairwise(lines):
        if line.startswith("|") and above.startswith("|") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def keyword_rows(upstream: str) -> dict[str, list[str]]:
    return {cells[0].strip("` "): cells[1:] for cells in rows(upstream) if re.fullmatch(r"`\w+`", cells[0])}


def listed(upstream: str, beginning: str) -> set[str]:
    """The keywords of the sentence that begins so."""
    sentence = next(part for part in section(upstream).split("\n\n") if beginning in part)
    return set(re.findall(r"`(\w+)`", sentence.partition(beginning)[2].partition(":")[2]))


def value(cell: str) -> Any:
    """What a cell stands for: a Python value, `hann_window`, or the widths of BS-RoFormer's bands."""
    if cell == "62 widths":
        return DEFAULT_FREQS_PER_BANDS
    return eval(cell.strip("`"), {"hann_window": torch.hann_window})


def default(owner: type, keyword: str) -> Any:
    return inspect.signature(owner).parameters[keyword].default
