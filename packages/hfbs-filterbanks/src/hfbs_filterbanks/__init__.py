"""Layouts of frequency bands for band-split audio models: build, check, describe, draw."""

from hfbs_filterbanks._auditory import bark_layout as bark_layout
from hfbs_filterbanks._auditory import erb_layout as erb_layout
from hfbs_filterbanks._contiguous import DEFAULT_FREQS_PER_BANDS as DEFAULT_FREQS_PER_BANDS
from hfbs_filterbanks._contiguous import contiguous_layout as contiguous_layout
from hfbs_filterbanks._edges import edges_layout as edges_layout
from hfbs_filterbanks._layout import BandLayout as BandLayout
from hfbs_filterbanks._mel import mel_layout as mel_layout
from hfbs_filterbanks._octave import octave_layout as octave_layout
from hfbs_filterbanks._plot import plot_layout as plot_layout
from hfbs_filterbanks._source import filter_bank_non_overlapping as filter_bank_non_overlapping
from hfbs_filterbanks._source import librosa_filters_mel as librosa_filters_mel
from hfbs_filterbanks._source import print_static_mask as print_static_mask
from hfbs_filterbanks._static import mask_filter_bank_bs_roformer_default as mask_filter_bank_bs_roformer_default
from hfbs_filterbanks._static import mask_filter_bank_mel_band_default as mask_filter_bank_mel_band_default
