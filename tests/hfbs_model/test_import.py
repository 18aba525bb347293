"""Importing the package is light, and its names are those that users know."""

import subprocess
import sys

import pytest

import hfbs_model

HEAVY = {"librosa", "soundfile", "matplotlib", "scipy", "numba", "torchaudio", "torchvision", "pandas", "av"}
CODE = f"""
import sys
import hfbs_model, hfbs_model.bs_roformer
from hfbs_model.mel_band_roformer import MelBandRoformer

for n_fft, rate in (2048, 44100), (4096, 44100), (2048, 48000):
    MelBandRoformer(8, depth=1, stft_n_fft=n_fft, stft_win_length=n_fft, sample_rate=rate)
print(sorted(sys.modules.keys() & {HEAVY}))
sys.modules["librosa"] = None
try:
    MelBandRoformer(8, depth=1, num_bands=32)
except ImportError as error:
    print(error)
"""


def test_neither_import_nor_published_models_load_an_audio_or_plotting_library() -> None:
    # PyTorch 2.6, the lowest version, leaves a temporary folder of its own to the interpreter's exit.
    strict = ["-W", "error", "-W", "ignore:Implicitly cleaning up:ResourceWarning"]
    run = subprocess.run([sys.executable, *strict, "-c", CODE], check=True, capture_output=True, text=True)
    loaded, refusal = run.stdout.splitlines()
    assert loaded == "[]"
    assert "[mel]" in refusal
    assert "pip install" in refusal
    assert not run.stderr


def test_the_registry_answers_without_torch() -> None:
    code = "import sys, hfbs_model; print(len(hfbs_model.known_checkpoints()) > 50, 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "True False\n"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'hfbs_model' has no attribute 'BandSplitter'"):
        _ = hfbs_model.BandSplitter  # pyright: ignore[reportAttributeAccessIssue]


def test_the_predecessors_names_are_there() -> None:
    assert set(dir(hfbs_model)) >= {
        "BandSplit",
        "BandSplitRotator",
        "MLP",
        "MaskEstimator",
        "ParametersComputeLoss",
        "ParametersSTFT",
        "lossComputation",
    }
