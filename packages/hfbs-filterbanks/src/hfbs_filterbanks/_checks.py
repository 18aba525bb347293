"""Checks that more than one builder makes of its arguments."""

import math
import operator
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray


def whole_number(name: str, value: SupportsIndex, at_least: int) -> int:
    """The value as an int; a fraction, a Boolean or a value below ``at_least`` is an error that names the argument."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not the Boolean {value}.")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {value!r} ({type(value).__name__}).") from None
    if number < at_least:
        raise ValueError(f"{name} must be at least {at_least}, not {number}.")
    return number


def positive_hertz(name: str, value: SupportsFloat) -> float:
    """The value as a float; what is not a finite number above 0 is an error that names the argument."""
    if isinstance(value, bool | str | bytes):
        raise TypeError(f"{name} must be a number of Hz, not {value!r} ({type(value).__name__}).")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number of Hz, not {value!r} ({type(value).__name__}).") from None
    if not math.isfinite(number) or number <= 0:
        raise ValueError(f"{name} must be finite and above 0 Hz, not {number:g}.")
    return number


def fft_size(n_fft: SupportsIndex) -> int:
    """``n_fft`` as an int; it must be even, since a layout's ``n_fft`` is 2 · (bins - 1)."""
    number = whole_number("n_fft", n_fft, at_least=2)
    if number % 2:
        raise ValueError(f"n_fft must be even, so that its last bin lies at the Nyquist frequency, not {number}.")
    return number


def bin_frequencies(n_fft: int, sample_rate: float) -> NDArray[np.float64]:
    """Frequencies in Hz of the ``n_fft // 2 + 1`` bins."""
    return np.arange(n_fft // 2 + 1, dtype=np.float64) * (sample_rate / n_fft)


def regular_array(what: str, values: ArrayLike) -> NDArray[Any]:
    """The values as an array; sequences of unequal length are an error that says so."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{what} must have rows of equal length. numpy says: {error}") from error


def listing(kind: str, indices: NDArray[np.intp]) -> str:
    """Name ascending indices as a person would, ``band 3`` or ``bins 0, 7 to 9 and 12``; six groups at most."""
    first_of_run = np.flatnonzero(np.diff(indices, prepend=-2) > 1)
    groups: list[str] = []
    for run in np.split(indices, first_of_run[1:]):
        groups.extend([str(run[0])] if len(run) == 1 else [f"{run[0]} to {run[-1]}"])
    if len(groups) > 6:
        named = f"{', '.join(groups[:6])} and more ({len(indices)} in all)"
    elif len(groups) > 1:
        named = f"{', '.join(groups[:-1])} and {groups[-1]}"
    else:
        named = groups[0]
    return f"{kind}{'s' if len(indices) > 1 else ''} {named}"
