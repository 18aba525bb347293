"""Tiny separators and drawn layouts for the tests of hfbs-model."""

from typing import Any, Protocol

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jaxtyping
import numpy as np
import pytest
import torch

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator

# Threads that wait for each other cost more than such small tensors, above all on a busy machine.
torch.set_num_threads(1)

TINY: dict[str, Any] = {
    "dim": 8,
    "depth": 1,
    "heads": 2,
    "dim_head": 4,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "stft_n_fft": 64,
    "stft_hop_length": 16,
    "stft_win_length": 64,
    "freqs_per_bands": (3, 5, 9, 16),
    "mlp_expansion_factor": 1,
    "multi_stft_resolutions_window_sizes": (64, 32),
    "multi_stft_hop_size": 16,
}
BANDS = ("freqs_per_bands", "mask_filter_bank", "num_bands")


class Tiny(Protocol):
    """Builds a separator of a few hundred weights; keywords replace its own."""

    def __call__(self, **keywords: Any) -> BandSplitRotator: ...


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    def build(**keywords: Any) -> BandSplitRotator:
        own = {name: value for name, value in TINY.items() if name not in BANDS or not keywords.keys() & {*BANDS}}
        return BandSplitRotator(**own | keywords).eval()

    return build


@pytest.fixture
def as_users_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the run-time check of shapes and types, which would refuse bad input before the package does."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@st.composite
def overlapping_layouts(draw: st.DrawFn, num_bins: int = 33) -> BandLayout:
    """Bands that overlap, have holes, and come in any order."""
    matrix = draw(hnp.arrays(np.bool_, st.tuples(st.integers(1, 6), st.just(num_bins))))
    empty_bands, uncovered_bins = np.flatnonzero(~matrix.any(axis=1)), np.flatnonzero(~matrix.any(axis=0))
    matrix[empty_bands, empty_bands % num_bins] = True
    matrix[uncovered_bins % len(matrix), uncovered_bins] = True
    return BandLayout(matrix)


st.register_type_strategy(BandLayout, overlapping_layouts())


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
