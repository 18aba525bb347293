"""A trained separator's weights, carried to other bands."""

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from hfbs_attention import RMSNorm
from hfbs_filterbanks import BandLayout

from ._band_split import BandSplit
from ._donated_weights import mask_network, projection, tokens_of_noise
from ._mask import MaskEstimator
from ._rotator import BandSplitRotator
from ._shared_bins import donors_of, level_as_seen, relative_density

_ENDS = ("band_split.", "mask_estimators.")
_FREQUENCIES = re.compile(r"layers\.\d+\.(\d)\..*\.(rotary_embed\.freqs|pope_embed\.inv_freqs)$")


@torch.no_grad()
def reband(
    model: BandSplitRotator,
    layout: BandLayout,
    *,
    sample_rates: tuple[float | int, float | int] | None = None,
    stft_n_fft: int | None = None,
    stft_hop_length: int | None = None,
    stft_win_length: int | None = None,
) -> BandSplitRotator:
    r"""Carry a trained model to another layout of bands, as a start for fine-tuning.

    The trunk is copied. Each new band's projection and mask networks are made from those of the old bands that hold its
    bins, which are matched by frequency. On the layout that the model has, the result is the same model, bit for bit.

    A band's projection with weights W, gains γ and D features multiplies the unit vector x/‖x‖ by
    :math:`A = \sqrt{D}\, W \operatorname{diag} \gamma`. The new A takes each column from the old one of that bin, or
    the mean of several old bands' that hold it: the least-squares choice for spectra that are white on the shared bins
    and zero elsewhere. So W is the old W times :math:`\sqrt{D_\mathrm{old} / D_\mathrm{new}}`, and tokens keep their
    variance. The bias is the mean of the old ones, by their bands' shares.

    A new band gets the hidden layers of the mask network of the old band with the largest share in it, and the rows of
    the last layer that belong to that band's bins. The rows of other bands' bins are fitted by least squares, on tokens
    of white noise, to give through these hidden layers what they gave through their own.

    Args:
        model: The separator to start from. It is left as it is, and shares no memory with the result.
        layout: Bands over the bins that the new model sees.
        sample_rates: Samples a second that the old and the new model are for; None means that they are equal. What lies
            above the old Nyquist frequency gets the weights of the topmost old band, mirrored.
        stft_n_fft: The new model's, as for the two below; None means the old model's. Where bins come to lie between
            old ones, weights are interpolated.
        stft_hop_length: Distance between frames in samples.
        stft_win_length: Length of the window in samples.

    Returns:
        A model with the old one's keywords but for those given, its dtypes, device and mode. ``norm_output`` and
        ``final_norm`` are what they were, also where the new layout suggests other ones.

    Raises:
        ValueError: A layout over another number of bins than ``stft_n_fft`` gives, or lengths that do not fit each
            other; sample rates that are not positive; other bins for a model that sees only a range of them.
        TypeError: Something else than a separator and a layout; or a separator whose band split or mask estimators are
            not the stable ones.

    Example:
        >>> from hfbs_filterbanks import contiguous_layout
        >>> model = BandSplitRotator(dim=16, depth=1, heads=2, dim_head=8)
        >>> reband(model, contiguous_layout([5] * 205)).layout
        BandLayout(205 bands × 1025 bins, partition)
    """
    _refuse_other_kinds(model, layout)
    spacing = _spacing(model, stft_n_fft, sample_rates)
    changed = {"stft_n_fft": stft_n_fft, "stft_hop_length": stft_hop_length, "stft_win_length": stft_win_length}
    new = _untrained(model, layout, {name: value for name, value in changed.items() if value is not None})
    donors = donors_of(model.layout, layout, spacing)
    level = 1.0
    if spacing != 1:
        window = new.stft_settings.window(torch.device("cpu"), torch.float64)
        level = level_as_seen(model.layout, layout.num_bins, spacing, window.numpy())
    per_bin = 2 * model.audio_channels
    old_signs, new_signs = _alternation(model.layout), _alternation(layout)

    state = {name: value.clone() for name, value in model.state_dict().items() if not name.startswith(_ENDS)}
    state |= _frequencies_of_positions(model, new, relative_density(model.layout, layout, spacing), sample_rates)
    for band, made_of in enumerate(donors):
        prefix = f"band_split.to_features.{band}."
        weights = projection(model.band_split, made_of, per_bin, old_signs, new_signs[band] / level)
        state |= {prefix + name: value for name, value in weights.items()}
    tokens = cache(lambda: tokens_of_noise(model))
    for stem, estimator in enumerate(cast("Sequence[MaskEstimator]", tuple(model.mask_estimators))):
        for band, made_of in enumerate(donors):
            prefix = f"mask_estimators.{stem}.to_freqs.{band}.0."
            weights = mask_network(estimator, made_of, per_bin, tokens)
            state |= {prefix + name: value for name, value in weights.items()}
    # Another order in memory would be rounded otherwise.
    new.load_state_dict({name: value.contiguous() for name, value in state.items()}, assign=True)
    return new.train(model.training)


def _frequencies_of_positions(
    model: BandSplitRotator,
    new: BandSplitRotator,
    band_step: float,
    sample_rates: tuple[float | int, float | int] | None,
) -> dict[str, Tensor]:
    """Turns of queries and keys from one frame, or band, to the next, such as to be the same from second to second, and
    from one frequency to another."""
    old_rate, new_rate = (1.0, 1.0) if sample_rates is None else sample_rates
    frame_step = new.stft_settings.hop_length * old_rate / (model.stft_settings.hop_length * new_rate)
    first_axis = 1 if model.keywords["linear_transformer_depth"] else 0
    steps = {first_axis: frame_step, first_axis + 1: band_step}
    return {
        name: value * steps[int(match[1])]
        for name, value in model.state_dict().items()
        if (match := _FREQUENCIES.match(name))
    }


def _refuse_other_kinds(model: object, layout: object) -> None:
    if not isinstance(model, BandSplitRotator):
        raise TypeError(
            f"reband carries a BandSplitRotator, got {type(model).__name__}; give it the model that a wrapper holds, "
            "and of a checkpoint its model"
        )
    if not isinstance(layout, BandLayout):
        raise TypeError(
            f"reband takes the new bands as a BandLayout, got {type(layout).__name__}; "
            "build one with hfbs_filterbanks, or from a matrix by BandLayout(matrix)"
        )
    ends = [(model.band_split, BandSplit), *((estimator, MaskEstimator) for estimator in model.mask_estimators)]
    for part, known in ends:
        if type(part) is not known:
            raise TypeError(
                f"reband knows how bins go through {known.__name__}, but this model has {type(part).__name__} in its "
                "place; only models with the stable band split and mask estimators can be carried"
            )


def _spacing(model: BandSplitRotator, n_fft: int | None, sample_rates: tuple[float | int, float | int] | None) -> float:
    """Distance of new bins in Hz over that of old ones."""
    old_rate, new_rate = (1.0, 1.0) if sample_rates is None else sample_rates
    if not (0 < old_rate < math.inf and 0 < new_rate < math.inf):
        raise ValueError(
            "sample_rates are those of the old and the new model in samples a second, both above 0, "
            f"got {sample_rates}; an example is (44100, 48000)"
        )
    old_n_fft = model.stft_settings.n_fft
    new_n_fft = old_n_fft if n_fft is None else n_fft
    if model.bins != slice(0, model.stft_settings.num_bins) and (old_n_fft, old_rate) != (new_n_fft, new_rate):
        raise ValueError(
            f"a model that sees only the bins of freq_range={model.keywords['freq_range']} keeps its stft_n_fft and "
            f"sample rate, got {new_n_fft} after {old_n_fft} and {new_rate:g} after {old_rate:g}; "
            "give a layout over the same bins, and leave both as they are"
        )
    return (new_rate * old_n_fft) / (old_rate * max(new_n_fft, 1))


def _untrained(model: BandSplitRotator, layout: BandLayout, changed: Mapping[str, int]) -> BandSplitRotator:
    """A model of the same kind over other bands."""
    ways_to_say_bands = ("freqs_per_bands", "num_bands", "sample_rate", "dim_freqs_in")
    norm_output = model.keywords["norm_output"]
    keywords = {
        **model.keywords,
        **dict.fromkeys(ways_to_say_bands),
        **changed,
        "mask_filter_bank": layout,
        "norm_output": not model.layout.is_partition if norm_output is None else norm_output,
        "final_norm": isinstance(model.final_norm, RMSNorm),
    }
    random_state = torch.get_rng_state()  # Its first weights are replaced: no one's random numbers shall change.
    new = BandSplitRotator(**cast("dict[str, Any]", keywords), parts=model.parts)
    torch.set_rng_state(random_state)
    return new.to(next(model.parameters()).device)


def _alternation(layout: BandLayout) -> list[Tensor]:
    """Per band, +1 at its even bins and −1 at its odd ones.

    An STFT counts phases from the start of the frame. Counted from its middle, where frames of any length agree, they
    differ by half a turn from each bin to the next.
    """
    return [torch.as_tensor(1.0 - 2.0 * (np.flatnonzero(band) % 2)) for band in layout.matrix]
