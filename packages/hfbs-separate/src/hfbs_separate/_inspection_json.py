"""What ``hfbs inspect --json`` prints: keys that stay, so that programs can rely on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hfbs_filterbanks import BandLayout

if TYPE_CHECKING:
    from hfbs_model import Finding, Inspection

    from ._command_inspect import Memory


def as_document(file: Path, inspection: "Inspection", memory: "Memory") -> dict[str, object]:
    """The whole inspection in values that JSON has."""
    report, known, layout, parameters = inspection.report, inspection.known, inspection.layout, inspection.parameters
    return {
        "file": {
            "name": file.name,
            "bytes": inspection.file_size,
            "sha256": inspection.sha256,
            "dtypes": inspection.dtypes,
        },
        "known": None
        if known is None
        else {"name": known.name, "title": known.title, "author": known.author, "licence": known.licence},
        "family": inspection.family,
        "variants": inspection.variants,
        "absent_variants": inspection.absent_variants,
        "settings": {finding.keyword: _finding(finding) for finding in report.findings},
        "missing": dict(inspection.missing),
        "layout": None
        if layout is None
        else {
            "kind": kind_of(inspection.values),
            "bands": layout.num_bands,
            "bins": layout.num_bins,
            "widths": layout.widths,
            "overlapping": not layout.is_partition,
        },
        "parameters": {
            "total": parameters.total,
            "band_split": parameters.band_split,
            "trunk": parameters.trunk,
            "mask_estimators": parameters.mask_estimators,
        },
        "memory": {
            "bytes": memory.needed,
            "samples": memory.samples,
            "batch_size": memory.batch_size,
            "supposed": dict(memory.supposed),
        },
        "notes": report.notes,
        "unused": report.unused,
        "provenance": dict(inspection.provenance),
    }


def kind_of(values: Mapping[str, object]) -> str:
    """How the bands are given: ``mel``, ``custom`` or ``side by side``."""
    if values.get("num_bands") is not None:
        return "mel"
    return "custom" if values.get("mask_filter_bank") is not None else "side by side"


def _finding(finding: "Finding") -> dict[str, object]:
    return {
        "value": _value(finding.taken),
        "from": finding.origin,
        "said": {origin: _value(value) for origin, value in finding.said.items()},
        "differs": finding.differs,
        "remark": finding.remark,
    }


def _value(value: object) -> object:
    if isinstance(value, BandLayout):
        return value.matrix.astype(int).tolist()
    if isinstance(value, list | tuple):
        return [_value(each) for each in cast("Sequence[object]", value)]
    if value is None or isinstance(value, str | int | float):
        return value
    return getattr(value, "__name__", str(value))
