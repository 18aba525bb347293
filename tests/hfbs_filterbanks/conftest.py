"""Generated layouts of every kind, which the tests get with ``st.from_type(BandLayout)``."""

import warnings
from functools import partial

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
from hypothesis import reject

from hfbs_filterbanks import (
    BandLayout,
    bark_layout,
    contiguous_layout,
    edges_layout,
    erb_layout,
    mel_layout,
    octave_layout,
)

with warnings.catch_warnings():
    # The lowest versions that the extras admit call what their own dependencies have come to deprecate.
    warnings.simplefilter("ignore", DeprecationWarning)
    import librosa.filters  # noqa: F401
    import matplotlib.pyplot  # noqa: F401

SAMPLE_RATES = st.sampled_from((8000, 16000, 22050.5, 44100, 48000, 96000)) | st.integers(1000, 192000)
FFT_SIZES = st.integers(1, 256).map(lambda half: 2 * half)


@st.composite
def matrices(draw: st.DrawFn) -> BandLayout:
    """Any matrix: bands overlap, have holes, and come in any order."""
    matrix = draw(hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(2, 40))))
    num_bands, num_bins = matrix.shape
    empty_bands, uncovered_bins = np.flatnonzero(~matrix.any(axis=1)), np.flatnonzero(~matrix.any(axis=0))
    matrix[empty_bands, empty_bands % num_bins] = True
    matrix[uncovered_bins % num_bands, uncovered_bins] = True
    return BandLayout(matrix)


@st.composite
def edges(draw: st.DrawFn) -> BandLayout:
    """Bands side by side between bins drawn as boundaries, in Hz, each moved by less than the gap to the bin below."""
    n_fft, sample_rate = draw(FFT_SIZES), draw(SAMPLE_RATES)
    inner = sorted(draw(st.sets(st.integers(1, n_fft // 2))))
    fractions = draw(st.lists(st.integers(1, 99), min_size=len(inner), max_size=len(inner)))
    boundaries = [bin_ - fraction / 100 for bin_, fraction in zip(inner, fractions, strict=True)]
    return edges_layout(
        [0.0, *(position * sample_rate / n_fft for position in boundaries), sample_rate / 2],
        n_fft=n_fft,
        sample_rate=sample_rate,
    )


@st.composite
def spaced(draw: st.DrawFn) -> BandLayout:
    """Bands spaced evenly on a scale of hearing, as many as the resolution carries at most."""
    overlap = draw(st.booleans())
    build = draw(
        st.sampled_from((mel_layout, partial(bark_layout, overlap=overlap), partial(erb_layout, overlap=overlap)))
    )
    n_fft, sample_rate = draw(FFT_SIZES), draw(SAMPLE_RATES)
    num_bands = draw(st.integers(1, max(1, n_fft // 16)))
    try:
        return build(num_bands, sample_rate=sample_rate, n_fft=n_fft)
    except ValueError:
        reject()


octaves = st.builds(octave_layout, st.integers(1, 24), sample_rate=SAMPLE_RATES, n_fft=FFT_SIZES, overlap=st.booleans())
contiguous = st.lists(st.integers(1, 9), min_size=2, max_size=30).map(contiguous_layout)

st.register_type_strategy(BandLayout, st.one_of(contiguous, matrices(), edges(), spaced(), octaves))
