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
