"""Half precision on real music: how much of the stems' energy is error."""

import copy
import math
from pathlib import Path

import pytest
import soundfile
import torch

from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS
from hfbs_model import BandSplitRotator

DECIBELS = {torch.bfloat16: -40, torch.float16: -55}


@torch.inference_mode()
@pytest.mark.parametrize("precision", DECIBELS)
def test_half_precision_errs_little(shared_audio: Path, precision: torch.dtype) -> None:
    path = shared_audio / "mixtures" / "lets-go-fishin.ogg"
    samples, _ = soundfile.read(path, start=30 * 44100, frames=2 * 44100, dtype="float32")
    mixture = torch.from_numpy(samples).expand(1, 2, -1)
    torch.manual_seed(0)
    model = BandSplitRotator(128, depth=2, stereo=True, num_stems=2, freqs_per_bands=DEFAULT_FREQS_PER_BANDS).eval()
    exact, rounded = model(mixture), copy.deepcopy(model).to(precision)(mixture)
    error = (rounded - exact).square().sum() / exact.square().sum()
    assert 10 * math.log10(error) < DECIBELS[precision]
