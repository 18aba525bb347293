"""What the parity session prints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison: the largest relative differences from upstream."""

    case: str
    output: float
    gradients: float


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table, a line at a time."""
    yield " #   output  gradients  configuration"
    for number, row in enumerate(rows, start=1):
        yield f"{number:2d}  {row.output:7.1e}    {row.gradients:7.1e}  {row.case}"
    worst_output, worst_gradients = max(row.output for row in rows), max(row.gradients for row in rows)
    yield f"    {worst_output:7.1e}    {worst_gradients:7.1e}  the largest of {len(rows)}"


@dataclass(frozen=True)
class FamilyRow:
    """One family of checkpoints, loaded from its weights alone: how many settings they told, and how its output is."""

    family: str
    told: int
    compared_with: str
    difference: float


def family_lines(rows: Sequence[FamilyRow]) -> Iterator[str]:
    """The table of families, a line at a time."""
    width = max(len(row.family) for row in rows)
    yield f"{'family':{width}}  told by weights  difference  compared with"
    for row in rows:
        yield f"{row.family:{width}}  {row.told:15d}  {row.difference:10.1e}  {row.compared_with}"
