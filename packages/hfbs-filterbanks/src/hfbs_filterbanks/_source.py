"""Static masks as source, to paste into a program that then needs neither this package nor librosa."""

from collections.abc import Iterable
from textwrap import fill
from typing import Literal, SupportsFloat, SupportsIndex, cast

from numpy.typing import ArrayLike

from ._checks import fft_size, positive_hertz, whole_number
from ._contiguous import contiguous_layout
from ._layout import BandLayout
from ._mel import librosa_mel_layout
from ._runs import boundaries_of, pairs


def print_static_mask(mask_filter_bank: ArrayLike) -> None:
    """Print numpy source that builds a mask, as an array named ``mask_filter_bank``.

    Args:
        mask_filter_bank: Band-membership matrix of shape (bands, bins), checked as :class:`BandLayout` does.

    Raises:
        TypeError: The values are neither Booleans nor numbers.
        ValueError: It is not a valid layout of bands.
    """
    matrix = BandLayout(mask_filter_bank).matrix
    runs = [(band, start, stop) for band, row in enumerate(matrix) for start, stop in pairs(boundaries_of(row))]
    # Lines are broken at the spaces, so that those inside of a triple are put in afterwards.
    triples = " ".join(f"({band},~{start},~{stop})," for band, start, stop in runs)
    table = fill(triples, width=110, initial_indent="    ", subsequent_indent="    ").replace("~", " ")
    print(
        "import numpy as np",
        "",
        f"mask_filter_bank = np.zeros({matrix.shape}, dtype=np.bool_)",
        "for band, start, stop in (",
        table,
        "):",
        "    mask_filter_bank[band, start:stop] = True",
        sep="\n",
    )


def filter_bank_non_overlapping(
    freqs_per_bands: Iterable[SupportsIndex], num_bands: SupportsIndex | None = None
) -> None:
    """Print the source of a mask of bands side by side, as :func:`print_static_mask` does.

    Args:
        freqs_per_bands: Width of each band in bins, each at least 1.
        num_bands: How many widths there must be; None means any number.

    Raises:
        TypeError: A width is not a whole number.
        ValueError: There is no width, one is below 1, or there are not ``num_bands`` of them.
    """
    layout = contiguous_layout(freqs_per_bands)
    if num_bands is not None and whole_number("num_bands", num_bands, at_least=1) != layout.num_bands:
        raise ValueError(
            f"freqs_per_bands must name the width of each of num_bands = {num_bands} bands, but it names "
            f"{layout.num_bands}. Make them agree, or leave num_bands out."
        )
    print_static_mask(layout.matrix)


def librosa_filters_mel(
    sample_rate: SupportsFloat | None = None,
    stft_n_fft: SupportsIndex | None = None,
    num_bands: SupportsIndex | None = None,
    sr: SupportsFloat | None = None,
    n_fft: SupportsIndex | None = None,
    n_mels: SupportsIndex | None = None,
    *,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: Literal["slaney"] | float | None = "slaney",
) -> None:
    """Print the source of a mel mask computed by librosa, as :func:`print_static_mask` does.

    It is the mask of :func:`mel_layout`. Each of the three values goes by either of two names, and is needed.

    Args:
        sample_rate: In Hz, above 0; also ``sr``.
        stft_n_fft: FFT size, even; also ``n_fft``.
        num_bands: How many bands, at least 1; also ``n_mels``.
        sr: Another name of ``sample_rate``.
        n_fft: Another name of ``stft_n_fft``.
        n_mels: Another name of ``num_bands``.
        fmin: As librosa has it, but only 0 Hz: a mask leaves no bin out.
        fmax: As librosa has it, but only the Nyquist frequency, which None means as well.
        htk: The mel scale, as librosa has it: HTK's formula, or else Slaney's.
        norm: The scaling of the triangles, as librosa has it; a Boolean mask is the same with any.

    Raises:
        ImportError: librosa is missing; the message says how to install it.
        TypeError: A value goes by neither of its names, or is of another type.
        ValueError: Two names of one value disagree, a bin would be left out, or ``n_fft`` does not
            resolve so many bands.
    """
    rate = positive_hertz("sample_rate", _one_of("sample_rate", sample_rate, "sr", sr))
    size = fft_size(_one_of("stft_n_fft", stft_n_fft, "n_fft", n_fft))
    bands = whole_number("num_bands", _one_of("num_bands", num_bands, "n_mels", n_mels), at_least=1)

    for name, value, only in (("fmin", fmin, 0.0), ("fmax", fmax, rate / 2)):
        if value is not None and value != only:
            raise ValueError(
                f"A mask covers every bin from 0 Hz to the Nyquist frequency, so that {name} can only be {only:g} Hz, "
                f"not {value!r}. Leave it out."
            )
    print_static_mask(librosa_mel_layout(bands, rate, size, htk=htk, norm=norm).matrix)


def _one_of[T](name: str, value: T | None, alias: str, alias_value: T | None) -> T:
    if value is None and alias_value is None:
        raise TypeError(f"{name} is needed; it may also be given as {alias}.")
    if value is not None and alias_value is not None and value != alias_value:
        raise ValueError(
            f"{name} and {alias} are two names of one value, but they are {value!r} and {alias_value!r}. "
            "Give one of them."
        )
    return cast("T", value if value is not None else alias_value)
