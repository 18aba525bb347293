"""Importing the package is light, and its names are those that users know."""

import subprocess
import sys
from inspect import ismodule

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


def test_the_names_are_those_of_the_predecessor_and_of_checkpoints() -> None:
    names = {name for name, value in vars(hfbs_model).items() if not name.startswith("_") and not ismodule(value)}
    assert names == {
        "BandSplit",
        "BandSplitRotator",
        "Checkpoint",
        "CheckpointError",
        "ConfigError",
        "MLP",
        "MaskEstimator",
        "ParametersComputeLoss",
        "ParametersSTFT",
        "load_checkpoint",
        "lossComputation",
    }
