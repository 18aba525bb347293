"""Scores of separated stems against the true ones, beside anchors that say what the numbers mean."""

from ._evaluation._anchors import ideal_ratio_mask as ideal_ratio_mask
from ._evaluation._anchors import static_wiener as static_wiener
from ._evaluation._folders import SongFiles as SongFiles
from ._evaluation._folders import find_songs as find_songs
from ._evaluation._metrics import log_wmse as log_wmse
from ._evaluation._ratios import museval_sdr as museval_sdr
from ._evaluation._ratios import sdr as sdr
from ._evaluation._ratios import si_sdr as si_sdr
from ._evaluation._scores import Score as Score
from ._evaluation._scores import Summary as Summary
from ._evaluation._scores import evaluate as evaluate
from ._evaluation._scores import summarize as summarize
from ._evaluation._signals import is_silent as is_silent
from ._evaluation._songs import Song as Song
from ._evaluation._songs import load_song as load_song
from ._evaluation._spectra import bleedless_and_fullness as bleedless_and_fullness
from ._evaluation._spectra import l1_freq as l1_freq
