"""What is done for speed changes no number by more than rounding: groups of sequences, bands taken together."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator, _band_split, _mask

from .conftest import Tiny

ARCHITECTURES = st.fixed_dictionaries(
    {
        "depth": st.integers(2, 3),
        "stereo": st.booleans(),
        "num_stems": st.integers(1, 3),
        "time_transformer_depth": st.integers(1, 2),
        "freq_transformer_depth": st.integers(1, 2),
        "linear_transformer_depth": st.integers(0, 1),
        "use_pope": st.booleans(),
        "use_value_residual_learning": st.booleans(),
        "skip_connection": st.booleans(),
        "mask_estimator_depth": st.integers(0, 2),
        "norm_output": st.booleans(),
        "zero_dc": st.booleans(),
        "mask_filter_bank": st.from_type(BandLayout),
    }
)


def separated(
    model: BandSplitRotator,
    audio: Tensor,
    positions: int,
    bands_together: bool,
    gradients: Callable[[], AbstractContextManager[Any]],
) -> Tensor:
    with pytest.MonkeyPatch.context() as patch, gradients():
        patch.setattr("hfbs_attention._transformer.POSITIONS_IN_CACHE", positions)
        for module in (_band_split, _mask):
            patch.setattr(module, "pays", lambda _x, _modules: bands_together)
        return model(audio).detach()


@settings(max_examples=60, deadline=None)
@given(
    keywords=ARCHITECTURES,
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(64, 1500),
    batch=st.integers(1, 3),
    positions=st.integers(1, 64),
)
def test_the_fast_path_gives_what_the_plain_one_gives(
    tiny: Tiny, keywords: dict[str, Any], seed: int, length: int, batch: int, positions: int
) -> None:
    """From one window up: of a few samples, each the sum of a whole spectrum, rounding may be a large part."""
    torch.manual_seed(seed)
    model = tiny(**keywords)
    audio = torch.randn(batch, 2 if model.stereo else 1, length)
    plain = separated(model, audio, 10**9, False, nullcontext)
    for gradients in (torch.inference_mode, nullcontext):
        fast = separated(model, audio, positions, True, gradients)
        assert (fast - plain).norm() <= 2e-6 * plain.norm()
