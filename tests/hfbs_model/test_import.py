"""Importing the package is light, and its names are those that users know."""

import subprocess
import sys

import pytest

import hfbs_model

HEAVY = (
    "librosa",
    "soundfile",
    "matplotlib",
    "scipy",
    "numba",
    "torchaudio",
    "torchvision",
    "pandas",
    "av",
    "lightning",
)


@pytest.mark.parametrize("module", ["hfbs_model", "hfbs_model.bs_roformer", "hfbs_model.mel_band_roformer"])
def test_import_loads_no_audio_or_plotting_library(module: str) -> None:
    code = f"import {module}, sys; print(sorted(set(sys.modules) & set({HEAVY})))"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"
    assert not run.stderr


def test_the_published_mel_layouts_need_no_librosa() -> None:
    code = (
        "import sys; sys.modules['librosa'] = None\n"
        "from hfbs_model.mel_band_roformer import MelBandRoformer\n"
        "for n_fft, rate in (2048, 44100), (4096, 44100), (2048, 48000):\n"
        "    MelBandRoformer(8, depth=1, stft_n_fft=n_fft, stft_win_length=n_fft, sample_rate=rate)\n"
        "try:\n"
        "    MelBandRoformer(8, depth=1, num_bands=32)\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert "pip install" in run.stdout
    assert "[mel]" in run.stdout


def test_the_names_are_those_of_the_predecessor_and_of_checkpoints() -> None:
    public = {name for name in vars(hfbs_model) if not name.startswith("_")}
    modules = {"bs_roformer", "mel_band_roformer"}
    assert public - modules == {
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
