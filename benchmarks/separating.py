"""What separating whole files costs besides the model: memory and time for longer and longer songs.

``python benchmarks/separating.py`` writes songs of noise, separates each with a small model in a process of its own,
and prints that process's peak memory and time; then it separates one with a real model's shape and prints how much of
the time was not the model's. It takes half an hour and 10 GB of disk.
"""

import argparse
import json
import subprocess
import sys
import wave
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

RATE = 44100
SMALL: dict[str, Any] = {"dim": 16, "depth": 1, "heads": 2, "dim_head": 8, "stft_hop_length": 1024}
REAL: dict[str, Any] = {"dim": 384, "depth": 6, "stft_hop_length": 441}
TRUNK: dict[str, Any] = {"time_transformer_depth": 1, "freq_transformer_depth": 1, "stereo": True, "num_stems": 2}

WRITE = """
import json, sys
from hfbs_model import BandSplitRotator, Checkpoint, save_checkpoint
keywords, path = json.loads(sys.argv[1]), sys.argv[2]
save_checkpoint(Checkpoint(BandSplitRotator(**keywords), ("vocals", "other"), 44100, 352800), path)
"""
SEPARATE = """
import json, sys, time
from pathlib import Path
import hfbs_separate._separator
from hfbs_separate._estimate import Estimator
from hfbs_separate.cli import main
spent, estimate = 0.0, Estimator.__call__
def timed(self, chunks):
    global spent
    began = time.perf_counter()
    result = estimate(self, chunks)
    spent += time.perf_counter() - began
    return result
Estimator.__call__ = timed
sys.argv[0] = "hfbs"
try:
    main()
except SystemExit as end:
    code = end.code
(record,) = Path(sys.argv[sys.argv.index("-o") + 1]).rglob("separation.json")
(line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
took = json.loads(record.read_text())["seconds"]
print(json.dumps({"code": code, "model": spent, "took": took, "peak": int(line.split()[1]) / 1024}), file=sys.stderr)
"""


def song_of(minutes: float, path: Path) -> None:
    block = np.random.default_rng(0).integers(-8000, 8000, (RATE, 2), np.int16).tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(round(60 * minutes)):
            file.writeframes(block)


def separated(folder: Path, checkpoint: Path, minutes: float) -> dict[str, float]:
    song, out = folder / "song.wav", folder / "out"
    song_of(minutes, song)
    options = ["--checkpoint", checkpoint, "-o", out, "--device", "cpu", "--quiet", "--force"]
    words = [sys.executable, "-c", SEPARATE, "separate", song, *options]
    words = [str(word) for word in words]
    done = subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return json.loads(done.stderr.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", nargs="+", type=float, default=[3, 10, 30, 180], help="lengths of songs of noise")
    parser.add_argument("--real-minutes", type=float, default=0.5, help="length for the real model's shape; 0: none")
    parser.add_argument("--folder", type=Path, help="where to write; default: the system's folder for temporary files")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        for name, keywords in (("small", SMALL), ("real", REAL)):
            file = folder / f"{name}.safetensors"
            subprocess.run([sys.executable, "-c", WRITE, json.dumps(TRUNK | keywords), str(file)], check=True)
        first: dict[str, float] = {}
        print("minutes  peak MB  × first  seconds  seconds/minute  × first")
        for minutes in options.minutes:
            figures = separated(folder, folder / "small.safetensors", minutes)
            pace = figures["took"] / minutes
            first = first or {"peak": figures["peak"], "pace": pace}
            memory = f"{figures['peak']:7.0f}  {figures['peak'] / first['peak']:7.3f}"
            time = f"{figures['took']:7.1f}  {pace:14.3f}  {pace / first['pace']:7.3f}"
            print(f"{minutes:7g}  {memory}  {time}", flush=True)
        if options.real_minutes:
            figures = separated(folder, folder / "real.safetensors", options.real_minutes)
            besides = 1 - figures["model"] / figures["took"]
            print(f"dim 384, depth 6: {figures['took']:.1f} s, of which {besides:.1%} not in the model")


if __name__ == "__main__":
    main()
