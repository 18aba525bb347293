"""From the number of features of each band to the layout that has such bands."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import cast

import numpy as np

from hfbs_filterbanks import BandLayout, mel_layout

from .._errors import CheckpointError, ConfigError, shown
from ._architecture import Architecture
from ._settling import Settling

_MEL_RATES = (44100, 48000, 32000, 16000, 22050, 24000, 96000, 88200, 8000)
_MEL_FFT_SIZES = (2048, 4096, 1024, 8192, 512)
_FEWEST_BINS = 8
_WAYS = ("freqs_per_bands", "num_bands", "mask_filter_bank")

type _Keywords = dict[str, object]


def settle_layout(settling: Settling, architecture: Architecture) -> None:
    """Settle the bands, the FFT's size and the number of channels, which the numbers of features tell together.

    Raises:
        CheckpointError: A given layout has other bands than the weights.
        ConfigError: A given layout is none.
    """
    features, said = architecture.band_features, settling.said_most()
    layout = _given_layout(said.get("mask_filter_bank"))
    if layout is not None:
        found = _as_given(features, layout, said)
    elif said.get("freq_range") is not None:
        found = _within_range(features, said)
    else:
        found = infer_layout(features, architecture.family, said)
    if found is None:
        _ask_for_layout(features, settling)
        return
    for keyword, value in found.items():
        if keyword == "mask_filter_bank":
            settling.take(keyword, value)
            continue
        settling.told(keyword, value, _in_words(found))
    for keyword in _WAYS:
        if keyword not in found and settling.said(keyword):
            settling.told(keyword, None, _in_words(found))


def infer_layout(band_features: Sequence[int], family: str, said: Mapping[str, object]) -> _Keywords | None:
    """Keywords of a layout with such bands: the one that is said, where it has them; else bands side by side over an
    FFT of a power of two, or mel bands.

    Args:
        band_features: 2 × channels × bins of each band.
        family: Which kind of layout to try first.
        said: Keywords of a configuration; the FFT's size and the rate are tried with usual ones as well.

    Returns:
        ``stereo`` and ``stft_n_fft`` with either ``freqs_per_bands``, or ``num_bands`` and ``sample_rate``; None where
        no such layout has these bands.
    """
    kinds = (_side_by_side, _mel) if family == "bs" else (_mel, _side_by_side)
    return next((found for kind in (_as_said, *kinds) for found in kind(band_features, said)), None)


def _as_said(band_features: Sequence[int], said: Mapping[str, object]) -> Iterator[_Keywords]:
    """The bands that are said, or such side by side over the FFT that is said, however small or unusual."""
    n_fft, num_bands, rate = (said.get(name) for name in ("stft_n_fft", "num_bands", "sample_rate"))
    found: list[_Keywords] = []
    if num_bands is None:
        found = [
            {"stereo": channels == 2, "stft_n_fft": n_fft, "freqs_per_bands": widths}
            for channels, widths in _possible_widths(band_features)
            if n_fft == 2 * (sum(widths) - 1) and said.get("freqs_per_bands") in (None, widths)
        ]
    elif num_bands == len(band_features) and isinstance(n_fft, int) and isinstance(rate, int):
        found = list(_mel_at(band_features, rate, n_fft))
    yield from (keywords for keywords in found if said.get("stereo", keywords["stereo"]) == keywords["stereo"])


def _side_by_side(band_features: Sequence[int], _: Mapping[str, object]) -> Iterator[_Keywords]:
    for channels, widths in _possible_widths(band_features):
        n_fft = 2 * (sum(widths) - 1)
        if sum(widths) >= _FEWEST_BINS and n_fft & (n_fft - 1) == 0:
            yield {"stereo": channels == 2, "stft_n_fft": n_fft, "freqs_per_bands": widths}


def _mel(band_features: Sequence[int], said: Mapping[str, object]) -> Iterator[_Keywords]:
    for sample_rate in _said_first(said.get("sample_rate"), _MEL_RATES):
        for n_fft in _said_first(said.get("stft_n_fft"), _MEL_FFT_SIZES):
            yield from _mel_at(band_features, sample_rate, n_fft)


def _mel_at(band_features: Sequence[int], sample_rate: int, n_fft: int) -> Iterator[_Keywords]:
    possible = [
        # Each bin is in a band: bands over more bins than all widths together are not even computed.
        (channels, widths)
        for channels, widths in _possible_widths(band_features)
        if n_fft // 2 < sum(widths)
    ]
    mel = _mel_widths(len(band_features), sample_rate, n_fft) if possible else None
    for channels, widths in possible:
        if widths == mel:
            bands: _Keywords = {"num_bands": len(band_features), "sample_rate": sample_rate}
            yield {"stereo": channels == 2, "stft_n_fft": n_fft, **bands}


def _as_given(features: Sequence[int], layout: BandLayout, said: Mapping[str, object]) -> _Keywords:
    widths = tuple(int(width) for width in layout.widths)
    for channels, possible in _possible_widths(features):
        if possible == widths:
            n_fft = said.get("stft_n_fft") if said.get("freq_range") else 2 * (layout.num_bins - 1)
            return {"stereo": channels == 2, "stft_n_fft": n_fft, "mask_filter_bank": layout}
    raise CheckpointError(
        f"mask_filter_bank has {len(widths)} bands of {shown(widths)} bins, the weights {len(features)} bands of "
        f"{shown(tuple(features))} features (2 × channels × bins); give the layout of this checkpoint"
    )


def _within_range(features: Sequence[int], said: Mapping[str, object]) -> _Keywords | None:
    """Bands side by side over a part of the spectrum."""
    n_fft = said.get("stft_n_fft")
    if not isinstance(n_fft, int):
        return None
    first, last = cast("Sequence[int]", said["freq_range"])
    kept = (n_fft // 2 + 1 if last == -1 else last) - max(first, 0)
    for channels, widths in _possible_widths(features):
        if sum(widths) == kept:
            return {"stereo": channels == 2, "stft_n_fft": n_fft, "freqs_per_bands": widths}
    return None


def _possible_widths(band_features: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Numbers of channels, each with the bins that the bands then have."""
    for channels in (2, 1):
        if all(features and features % (2 * channels) == 0 for features in band_features):
            yield channels, tuple(features // (2 * channels) for features in band_features)


def _said_first(said: object, usual: Sequence[int]) -> Sequence[int]:
    if isinstance(said, int) and said > 1:
        return (said, *(value for value in usual if value != said))
    return usual


def _mel_widths(num_bands: int, sample_rate: int, n_fft: int) -> tuple[int, ...] | None:
    """Bins of each mel band; None where the FFT does not resolve so many, or librosa is needed and missing."""
    try:
        layout = mel_layout(num_bands, sample_rate=sample_rate, n_fft=n_fft)
    except (ValueError, ImportError):
        return None
    return tuple(int(width) for width in layout.widths)


def _given_layout(bank: object) -> BandLayout | None:
    if bank is None or isinstance(bank, BandLayout):
        return bank
    try:
        return BandLayout(np.asarray(bank, dtype=bool))
    except ValueError as error:
        raise ConfigError(f"mask_filter_bank: {error}") from error


def _in_words(found: Mapping[str, object]) -> str:
    spectrum = f"over an FFT of {found['stft_n_fft']}, {'stereo' if found['stereo'] else 'mono'}"
    if "num_bands" in found:
        return (
            f"the weights have {found['num_bands']} mel bands at {found['sample_rate']} Hz {spectrum}, as Mel-Band "
            "RoFormer has them; is the configuration of another checkpoint?"
        )
    if "freqs_per_bands" in found:
        bands = cast("tuple[int, ...]", found["freqs_per_bands"])
        return (
            f"the weights have {len(bands)} bands side by side {spectrum}, as BS-RoFormer has them; "
            "is the configuration of another checkpoint?"
        )
    return f"the weights have the bands of mask_filter_bank {spectrum}"


def _ask_for_layout(features: Sequence[int], settling: Settling) -> None:
    for keyword in _WAYS:
        if settling.said(keyword):
            raise CheckpointError(
                f"{keyword} gives {shown(settling.said_most()[keyword])}, but no such layout has the weights' "
                f"{len(features)} bands of {shown(tuple(features))} features (2 × channels × bins); "
                "check stereo, stft_n_fft, sample_rate and freq_range"
            )
    missing = "" if find_spec("librosa") else "; mel bands of unusual settings are found with librosa, which is missing"
    settling.missing["mask_filter_bank"] = (
        f"a Boolean matrix of (band, bin): the {len(features)} bands have {shown(tuple(features))} features, and "
        f"neither bands side by side over an FFT of a power of two nor usual mel bands do{missing}; or, for bands side "
        "by side, stft_n_fft with stereo or freq_range"
    )
