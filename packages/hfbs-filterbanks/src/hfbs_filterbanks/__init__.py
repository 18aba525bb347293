"""Layouts of frequency bands for band-split audio models: build, check, describe, draw."""

from ._auditory import bark_layout as bark_layout
from ._auditory import erb_layout as erb_layout
from ._contiguous import DEFAULT_FREQS_PER_BANDS as DEFAULT_FREQS_PER_BANDS
from ._contiguous import contiguous_layout as contiguous_layout
from ._edges import edges_layout as edges_layout
from ._layout import BandLayout as BandLayout
from ._mel import mel_layout as mel_layout
from ._octave import octave_layout as octave_layout
from ._plot import plot_layout as plot_layout
from ._source import filter_bank_non_overlapping as filter_bank_non_overlapping
from ._source import librosa_filters_mel as librosa_filters_mel
from ._source import print_static_mask as print_static_mask
from ._static import mask_filter_bank_bs_roformer_default as mask_filter_bank_bs_roformer_default
from ._static import mask_filter_bank_mel_band_default as mask_filter_bank_mel_band_default
