"""Importing the package is light, and the names that the predecessor documents are there."""

import subprocess
import sys

HEAVY = {"librosa", "soundfile", "matplotlib", "scipy", "numba", "torchaudio", "torchvision", "pandas", "av"}
CODE = f"""
import sys
import hfbs_experimental
assert "torch" not in sys.modules
from hfbs_experimental.attend import Attention, Transformer
from hfbs_experimental.bs_roformer import BSRoformer
from hfbs_experimental.mel_band_roformer import MelBandRoformer
print(sorted(sys.modules.keys() & {HEAVY}))
"""


def test_imports_load_no_audio_or_plotting_library() -> None:
    # PyTorch 2.6, the lowest version, leaves a temporary folder of its own to the interpreter's exit.
    strict = ["-W", "error", "-W", "ignore:Implicitly cleaning up:ResourceWarning"]
    run = subprocess.run([sys.executable, *strict, "-c", CODE], check=True, capture_output=True, text=True)
    assert run.stdout == "[]\n"
    assert not run.stderr
