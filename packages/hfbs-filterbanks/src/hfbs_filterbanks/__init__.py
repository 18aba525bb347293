"""Layouts of frequency bands for band-split audio models: build, check, describe, draw."""

from hfbs_filterbanks._contiguous import DEFAULT_FREQS_PER_BANDS as DEFAULT_FREQS_PER_BANDS
from hfbs_filterbanks._contiguous import contiguous_layout as contiguous_layout
from hfbs_filterbanks._layout import BandLayout as BandLayout
from hfbs_filterbanks._mel import mel_layout as mel_layout
from hfbs_filterbanks._static import mask_filter_bank_bs_roformer_default as mask_filter_bank_bs_roformer_default
from hfbs_filterbanks._static import mask_filter_bank_mel_band_default as mask_filter_bank_mel_band_default
