"""The largest count of bands that a resolution carries, for errors that say what works."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def largest_count(num_bands: int, bins_on_scale: NDArray[np.float64], span: int, carries: Callable[[int], bool]) -> int:
    """The largest count of bands below ``num_bands`` for which ``carries(count)`` holds.

    Counts that work need not be consecutive, so each is tried, downwards from the first that can work at all. Band
    i reaches from point i to point i + ``span`` of points spaced evenly along the scale, from the first bin to the
    last. Where ``span + 1`` steps fit between two neighbouring bins, so does a whole band, which then is empty: more
    bands than that cannot work. A single band holds every bin, so that there is always a count.

    Args:
        num_bands: The count that does not work, at least 2.
        bins_on_scale: Where the bins lie on the scale, ascending, of shape (bins,).
        span: How many steps a band reaches over: 1 side by side, 2 where neighbours overlap by half.
        carries: Whether every band of so many holds a bin.
    """
    widest_gap = float(np.diff(bins_on_scale).max())
    most_steps = int((span + 1) * float(bins_on_scale[-1] - bins_on_scale[0]) / widest_gap) + 1
    return next(count for count in range(min(num_bands - 1, most_steps), 0, -1) if count == 1 or carries(count))
