"""A layout as JSON: versioned, one line, each band as its runs of bins."""

import json
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ._runs import boundaries_of, matrix_from_boundaries

_FORMAT = "hfbs-band-layout"
_VERSION = 1
_MOST_CELLS = 2**30
_REMEDY = "Give the text that BandLayout.to_json wrote."


def encode_layout(matrix: NDArray[np.bool_]) -> str:
    """One line of JSON for a checked matrix of shape (bands, bins)."""
    document = {
        "format": _FORMAT,
        "version": _VERSION,
        "num_bins": matrix.shape[1],
        "bands": [boundaries_of(row) for row in matrix],
    }
    return json.dumps(document, separators=(",", ":"))


def decode_layout(text: str) -> NDArray[np.bool_]:
    """The matrix that :func:`encode_layout` was given; what is not such a text is an error that says where."""
    document = _document(text)
    if document.get("format") != _FORMAT:
        raise ValueError(f'A band layout has "format": "{_FORMAT}", not {document.get("format")!r}. {_REMEDY}')
    version = document.get("version")
    if type(version) is not int or version != _VERSION:
        raise ValueError(
            f"This hfbs-filterbanks reads version {_VERSION} of a band layout, not {version!r}. "
            "If a newer hfbs-filterbanks wrote it, upgrade this one."
        )
    unknown = sorted(document.keys() - {"format", "version", "num_bins", "bands"})
    if unknown:
        raise ValueError(f"A band layout has no key {unknown[0]!r}. {_REMEDY}")

    num_bins, bands = document.get("num_bins"), document.get("bands")
    if type(num_bins) is not int or num_bins < 2:
        raise ValueError(f'A band layout has "num_bins", a whole number of at least 2, not {num_bins!r}. {_REMEDY}')
    if not isinstance(bands, list) or not bands:
        raise ValueError(f'A band layout has "bands", a list of at least one band, not {bands!r}. {_REMEDY}')
    rows = cast("list[object]", bands)
    if len(rows) * num_bins > _MOST_CELLS:
        raise ValueError(
            f"A band layout has at most {_MOST_CELLS} memberships, but {len(rows)} bands × {num_bins} bins are more. "
            f"{_REMEDY}"
        )
    return matrix_from_boundaries([_boundaries(index, row, num_bins) for index, row in enumerate(rows)], num_bins)


def _document(text: str) -> dict[str, object]:
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"A band layout is read from a string of JSON, not from {type(text).__name__}.")
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not JSON that a band layout can be read from: {error}. {_REMEDY}") from error
    if not isinstance(document, dict):
        raise ValueError(f"A band layout is a JSON object, not {type(document).__name__}. {_REMEDY}")
    return cast("dict[str, object]", document)


def _boundaries(index: int, row: object, num_bins: int) -> list[int]:
    """One band's boundaries, checked: start, stop, start, stop, …, strictly increasing between 0 and ``num_bins``."""
    values = cast("list[object]", row) if isinstance(row, list) else []
    numbers = [value for value in values if type(value) is int]
    increasing = all(low < high for low, high in pairwise([-1, *numbers, num_bins + 1]))
    if not values or len(values) % 2 or len(numbers) != len(values) or not increasing:
        raise ValueError(
            f"Band {index} must be a list of start, stop, start, stop, …: whole numbers, strictly increasing, from 0 "
            f"to num_bins = {num_bins}; it is {row!r:.80}. {_REMEDY}"
        )
    return numbers
