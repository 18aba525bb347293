"""How much memory loading a checkpoint takes, as a multiple of the file's size.

Checkpoints of real shapes are written with random weights and loaded from their weights alone, each in a process of
its own: ``python benchmarks/loading.py`` (3 minutes, 6 GB of disk).
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

BANDS_63 = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (64, 64, 129)
TRUNK = {"time_transformer_depth": 1, "freq_transformer_depth": 1, "stereo": True, "zero_dc": False}
SHAPES: dict[str, dict[str, Any]] = {
    "SW, 6 stems": {**TRUNK, "dim": 256, "depth": 12, "num_stems": 6},
    "Kim MelBandRoformer": {
        **TRUNK,
        "dim": 384,
        "depth": 6,
        "num_bands": 60,
        "sample_rate": 44100,
        "mask_estimator_depth": 2,
        "stft_hop_length": 441,
    },
    "anvuew dereverb_room": {
        **TRUNK,
        "stereo": False,
        "dim": 128,
        "depth": 16,
        "dim_head": 16,
        "freqs_per_bands": BANDS_63,
        "mask_estimator_depth": 2,
    },
    "MVSep Mega-53": {**TRUNK, "dim": 256, "depth": 12, "num_stems": 53, "mlp_expansion_factor": 2},
}

WRITE = """
import json, sys, torch
from hfbs_model import BandSplitRotator, Checkpoint, save_checkpoint
keywords, path = json.loads(sys.argv[1]), sys.argv[2]
model = BandSplitRotator(**keywords)
if path.endswith(".ckpt"):
    torch.save({"state_dict": model.state_dict()}, path)
else:
    save_checkpoint(Checkpoint(model, tuple(f"stem {n}" for n in range(model.num_stems)), 44100, 352800), path)
"""
LOAD = """
import json, resource, sys, time
from hfbs_model import load_checkpoint
keywords, path = json.loads(sys.argv[1]), sys.argv[2]
said = {}
if path.endswith(".ckpt"):
    said = dict(stft_hop_length=keywords.get("stft_hop_length", 512), stft_win_length=2048, zero_dc=False)
    said |= dict(skip_connection=False, sample_rate=44100, chunk_size=352800)
    said["stems"] = [f"stem {n}" for n in range(keywords.get("num_stems", 1))]
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
checkpoint = load_checkpoint(path, **said)
took = time.perf_counter() - began
peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(json.dumps({"peak": peak, "seconds": took, "weights": sum(p.numel() for p in checkpoint.model.parameters())}))
"""


def run(program: str, keywords: dict[str, Any], path: Path) -> str:
    command = [sys.executable, "-c", program, json.dumps(keywords), str(path)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measured(keywords: dict[str, Any], path: Path) -> dict[str, float]:
    """Bytes of the file, and of memory that its loading took at the most; the number of weights, and seconds."""
    run(WRITE, keywords, path)
    return json.loads(run(LOAD, keywords, path)) | {"size": path.stat().st_size}


def main() -> None:
    print(f"{'shape':22}{'format':13}{'weights':>10}{'file':>10}{'peak':>10}{'peak/file':>11}{'time':>9}")
    with TemporaryDirectory() as folder:
        for name, keywords in SHAPES.items():
            for suffix in ("ckpt", "safetensors"):
                path = Path(folder) / f"model.{suffix}"
                m = measured(keywords, path)
                print(
                    f"{name:22}{suffix:13}{m['weights'] / 1e6:8.1f} M{m['size'] / 1e6:7.0f} MB{m['peak'] / 1e6:7.0f} MB"
                    f"{m['peak'] / m['size']:11.2f}{m['seconds']:7.2f} s",
                    flush=True,
                )
                path.unlink()


if __name__ == "__main__":
    main()
