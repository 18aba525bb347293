"""Which bands of an old layout a new band is made of, bin by bin."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hfbs_filterbanks import BandLayout

type Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Donor:
    """The part that an old band has in a new one.

    Attributes:
        band: Index of the old band.
        share: How much of the new band is made of it, above 0; all donors' shares add up to 1.
        bins: How much of each bin of the new band comes from each bin of the donor, (new band's bins, donor's bins).
            Over all donors, each row adds up to 1.
    """

    band: int
    share: float
    bins: Matrix


def donors_of(old: BandLayout, new: BandLayout, spacing: float) -> tuple[tuple[Donor, ...], ...]:
    r"""For each new band, the old bands that it is made of.

    On the same bins, a new band of exactly an old band's bins is that band. Any other is taken for a mixture of old
    bands with amounts :math:`q_b \ge 0` that come nearest to it: :math:`\sum_f (F_{n,f} - \sum_b q_b F_{b,f})^2` is
    least, where :math:`F_b` are the old bands as the new bins see them. An old band thus counts for more the more of
    itself lies within the new one. Each bin is divided among the donors that hold it by their amounts; bins that none
    of them holds, evenly among all old bands that do.

    Args:
        old: The layout that there was.
        new: The layout that shall be.
        spacing: Distance of new bins in Hz over that of old ones.
    """
    seen = _as_seen(old, new.num_bins, spacing)
    held = seen @ old.matrix.T  # (new bins, old bands): how much of each new bin lies in each old band
    same_bins = np.array_equal(seen, np.eye(len(seen)))
    gram = held.T @ held
    met: Counter[bytes] = Counter()

    def made_of(members: NDArray[np.bool_]) -> tuple[Donor, ...]:
        if same_bins and (twins := np.flatnonzero((old.matrix == members).all(axis=1))).size:
            # Of several old bands with these bins, each is taken in its turn.
            turn = met[members.tobytes()]
            met[members.tobytes()] += 1
            return (Donor(int(twins[turn % len(twins)]), 1.0, np.eye(int(members.sum()))),)
        near = np.flatnonzero(held[members].any(axis=0))
        amounts = _amounts(gram[np.ix_(near, near)], held[np.ix_(members, near)].sum(axis=0))
        mixed = held[np.ix_(members, near)] * amounts
        orphans = mixed.sum(axis=1) == 0
        mixed[orphans] = held[np.ix_(members, near)][orphans]
        # What a new bin sees of an old band comes from the old bins that it lies between.
        per_band = np.where(orphans[:, None], 1.0, amounts) / mixed.sum(axis=1, keepdims=True)
        bins = [per_band[:, [i]] * seen[np.ix_(members, old.matrix[band])] for i, band in enumerate(near)]
        return tuple(
            Donor(int(band), float(part.sum() / len(part)), part)
            for band, part in zip(near, bins, strict=True)
            if part.any()
        )

    return tuple(made_of(members) for members in new.matrix)


def relative_density(old: BandLayout, new: BandLayout, spacing: float) -> float:
    """How many old bands there are for a new one, over the frequencies that both layouts reach, by their centres."""
    top = min(old.num_bins - 1, (new.num_bins - 1) * spacing)
    counts = [
        max(1, int((layout.center_frequencies(layout.n_fft) * scale <= top).sum()))
        for layout, scale in ((old, 1.0), (new, spacing))
    ]
    return counts[0] / counts[1]


def level_as_seen(old: BandLayout, num_bins: int, spacing: float, window: Matrix) -> float:
    """How loud white noise is in old bins as put together from new ones, relative to the new bins and per band: a band
    has as many bins as the spacing is fine.

    Args:
        old: The layout that there was.
        num_bins: How many new bins there are.
        spacing: Distance of new bins in Hz over that of old ones.
        window: The new window, (win_length,); it decides how alike neighbouring bins are.
    """
    seen = _as_seen(old, num_bins, spacing)
    lags, n_fft = np.arange(num_bins), 2 * (num_bins - 1)
    from_middle = np.exp(1j * np.pi * lags * len(window) / n_fft)
    alike = (np.fft.rfft(np.square(window), n_fft) * from_middle).real / np.square(window).sum()
    power = np.einsum("jk,jk->k", seen, alike[np.abs(lags[:, None] - lags)] @ seen)
    return float(np.sqrt(spacing * np.median(power[power > 0])))


def _as_seen(old: BandLayout, num_bins: int, spacing: float) -> Matrix:
    """How much each old bin counts for each new one, (new bins, old bins): a triangle as wide as the wider spacing.

    So new bins between old ones are interpolated, and where new bins are fewer they average the old ones around them.
    Above the old Nyquist frequency the topmost old band is mirrored, forth and back.
    """
    top = old.num_bins - 1
    place = np.arange(num_bins) * spacing
    place = np.where(np.abs(place - np.rint(place)) < 1e-9 * num_bins, np.rint(place), place)
    width = top - max(int(band.argmax()) for band in old.matrix if band[top])
    if width:
        place = np.where(place > top, top - np.abs((place - top + width) % (2 * width) - width), place)
    place = place.clip(0, top)
    near = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(old.num_bins)) / max(1.0, spacing))
    return near / near.sum(axis=1, keepdims=True)


def _amounts(gram: Matrix, product: Matrix) -> Matrix:
    """The x ≥ 0 for which x·Gx − 2x·p is least, by Lawson and Hanson's method of active sets."""
    amounts, free = np.zeros_like(product), np.zeros(len(product), dtype=bool)
    for _ in range(3 * len(product)):
        slope = np.where(free, -np.inf, product - gram @ amounts)
        if slope.max() <= 1e-9 * product.max():
            break
        free[slope.argmax()] = True
        while free.any():
            best = np.zeros_like(amounts)
            best[free] = np.linalg.lstsq(gram[np.ix_(free, free)], product[free], rcond=None)[0]
            blocked = free & (best <= 1e-12)
            if not blocked.any():
                amounts = best
                break
            # As far towards the best as none becomes negative.
            step = np.min(amounts[blocked] / np.maximum(amounts[blocked] - best[blocked], 1e-300))
            amounts = amounts + min(1.0, step) * (best - amounts)
            free &= amounts > 1e-12
            amounts[~free] = 0.0
    return amounts
