"""Flat keywords, as YAML files and the ecosystem have them, resolved once into objects that mean one thing each."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Never

from numpy.typing import ArrayLike

from hfbs_attention import ValueMix
from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS, BandLayout, contiguous_layout, mel_layout

if TYPE_CHECKING:
    type UnknownKeyword = Never
else:
    # Run-time checkers of types know no Never among parameters.
    UnknownKeyword = object


def resolve_layout(
    *,
    num_bins: int,
    freqs_per_bands: Sequence[int] | None,
    mask_filter_bank: ArrayLike | BandLayout | None,
    num_bands: int | None,
    sample_rate: int | None,
    freq_range: tuple[int, int] | None,
) -> BandLayout:
    """The layout that exactly one of the three ways of giving it describes, checked against the number of bins."""
    mel = {"num_bands": num_bands, "sample_rate": sample_rate}
    ways = {"freqs_per_bands": freqs_per_bands, "mask_filter_bank": mask_filter_bank, **mel}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1 and given != list(mel):
        raise ValueError(
            "the bands are given by one of freqs_per_bands, mask_filter_bank, or num_bands with sample_rate; "
            f"got {', '.join(given)}"
        )
    if len(given) == 1 and given[0] in mel:
        missing = next(name for name in mel if name != given[0])
        raise ValueError(
            f"mel bands need num_bands and sample_rate; got {given[0]} alone, add {missing} (often 60 and 44100)"
        )

    if num_bands is not None and sample_rate is not None:
        if freq_range is not None:
            raise ValueError(
                "freq_range cuts bins that mel bands of the whole spectrum hold; "
                "give the bands of the range by mask_filter_bank"
            )
        return mel_layout(num_bands, sample_rate=sample_rate, n_fft=2 * (num_bins - 1))
    if mask_filter_bank is not None:
        layout = mask_filter_bank if isinstance(mask_filter_bank, BandLayout) else BandLayout(mask_filter_bank)
    else:
        layout = contiguous_layout(DEFAULT_FREQS_PER_BANDS if freqs_per_bands is None else freqs_per_bands)
    if layout.num_bins != num_bins:
        raise ValueError(
            f"the bands must hold the {num_bins} bins that stft_n_fft (and freq_range) give, "
            f"got bands over {layout.num_bins} bins; a layout of {layout.num_bins} bins fits stft_n_fft={layout.n_fft}"
        )
    return layout


def resolve_freq_range(freq_range: tuple[int, int] | None, num_bins: int) -> tuple[int, int]:
    """First bin and the one after the last that the model sees; −1 stands for the end of the spectrum."""
    first, last = (-1, -1) if freq_range is None else freq_range
    first, last = (0 if first == -1 else first), (num_bins if last == -1 else last)
    if not 0 <= first < last <= num_bins:
        raise ValueError(f"freq_range is (first bin, bin after the last) within 0 to {num_bins}, got {freq_range}")
    return first, last


def resolve_value_mix(
    use_value_residual_learning: bool, learned_value_residual_mix: bool | None, depth: int
) -> ValueMix:
    """How layers after the first mix in the first layer's values."""
    if not use_value_residual_learning:
        if learned_value_residual_mix is not None:
            raise ValueError(
                f"learned_value_residual_mix={learned_value_residual_mix} needs use_value_residual_learning=True; "
                "set it, or leave both out"
            )
        return None
    if depth == 1:
        raise ValueError("use_value_residual_learning=True needs depth of at least 2: one layer has none to mix in")
    return "fixed" if learned_value_residual_mix is False else "learned"


def refuse_unknown(unknown: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Raise for the first unknown keyword, with the known one nearest to it.

    Raises:
        TypeError: ``unknown`` is not empty.
    """
    for name in unknown:
        near = get_close_matches(name, list(known), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(f"{owner} has no keyword {name!r}{hint}")
