"""Bands side by side, given by how many bins each holds."""

from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Final, SupportsIndex

from ._checks import whole_number
from ._layout import BandLayout
from ._runs import matrix_from_boundaries

DEFAULT_FREQS_PER_BANDS: Final[tuple[int, ...]] = (
    *(2,) * 24,
    *(4,) * 12,
    *(12,) * 8,
    *(24,) * 8,
    *(48,) * 8,
    128,
    129,
)
"""Widths in bins of BS-RoFormer's 62 bands :cite:p:`lu2023bsroformer`, as upstream has them; 1025 bins in all."""


def contiguous_layout(
    freqs_per_bands: Iterable[SupportsIndex] = DEFAULT_FREQS_PER_BANDS, num_bins: SupportsIndex | None = None
) -> BandLayout:
    """Bands side by side without overlap, from 0 Hz up to the Nyquist frequency.

    Args:
        freqs_per_bands: Width of each band in bins, each at least 1.
        num_bins: What the widths must add up to, ``n_fft // 2 + 1``; None means that they decide.

    Raises:
        TypeError: A width is not a whole number.
        ValueError: There is no width, one is below 1, or they do not add up to ``num_bins``.

    Example:
        >>> contiguous_layout()  # BS-RoFormer's
        BandLayout(62 bands × 1025 bins, partition)
        >>> contiguous_layout([1, 2, 2]).matrix.astype(int).tolist()
        [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]]
    """
    widths = [
        whole_number(f"The width of band {band}", width, at_least=1) for band, width in enumerate(freqs_per_bands)
    ]
    if not widths:
        raise ValueError("freqs_per_bands must name the width of at least one band, but it is empty.")
    total = sum(widths)
    if num_bins is not None:
        wanted = whole_number("num_bins", num_bins, at_least=2)
        if total != wanted:
            direction = "more" if total < wanted else "fewer"
            raise ValueError(
                f"The widths of the bands must add up to the number of bins, {wanted} (n_fft {2 * (wanted - 1)}), but "
                f"these {len(widths)} add up to {total}. Hand out {abs(wanted - total)} {direction}, or use "
                f"n_fft {2 * (total - 1)}."
            )
    return BandLayout(matrix_from_boundaries(list(pairwise(accumulate(widths, initial=0))), total))
