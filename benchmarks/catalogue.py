"""How much more two workers of ``hfbs separate --engine ray`` do than one.

    python benchmarks/catalogue.py --songs 40 --seconds 10 --rounds 3

Runs of one and of two workers take turns. What counts is the time from the first song that ended to the last one, and
the songs that ended in between: starting Ray, workers and the model is left out, and said beside it. Each worker
computes on one thread. What the machine itself allows stands beside it: one and two processes of the local engine,
which know nothing of each other; cores that share a memory or a clock do not do twice as much as one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch

from hfbs_model import BandSplitRotator

CONFIG = """\
audio: {sample_rate: 44100, chunk_size: 88200}
model: {dim: 64, depth: 2, heads: 4, dim_head: 16, stereo: true, num_stems: 2,
        stft_hop_length: 512, mask_estimator_depth: 2, zero_dc: false}
training: {instruments: [vocals, other]}
inference: {num_overlap: 2}
"""


class Run(NamedTuple):
    """What a run did.

    Attributes:
        start: seconds until the first song ended.
        rate: songs a second from then on.
    """

    start: float
    rate: float


@click.command()
@click.option("--songs", default=40, show_default=True, type=click.IntRange(min=4), help="Songs of a run.")
@click.option("--seconds", default=10.0, show_default=True, help="Length of each.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="Runs of each kind.")
def main(songs: int, seconds: float, rounds: int) -> None:
    """Print the ratio of two workers' throughput to one's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder, songs, seconds)
        ratios: list[float] = []
        ceilings: list[float] = []
        for number in range(rounds):
            # Whichever comes second finds warm disks: they change places.
            order = (1, 2) if number % 2 == 0 else (2, 1)
            runs = {workers: _run(folder, workers, f"{number}-{workers}") for workers in order}
            for workers, run in sorted(runs.items()):
                print(f"{workers} worker(s): {run.rate:.3f} songs/s after {run.start:.1f} s of start-up", flush=True)
            ratios.append(runs[2].rate / runs[1].rate)
            apart = {processes: _apart(folder, processes, f"{number}-apart-{processes}") for processes in order}
            ceilings.append(apart[2] / apart[1])
    load = f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    print(f"two workers to one: {_told(ratios)} over {rounds} round(s), {load}")
    print(f"two processes of their own to one: {_told(ceilings)}")


def _told(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _prepare(folder: Path, songs: int, seconds: float) -> None:
    import av

    torch.manual_seed(0)
    model = BandSplitRotator(dim=64, depth=2, heads=4, dim_head=16, stereo=True, num_stems=2)
    torch.save(model.state_dict(), folder / "model.ckpt")
    (folder / "model.yaml").write_text(CONFIG)
    (folder / "songs").mkdir()
    for number in range(songs):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, (2, round(44100 * seconds))).astype(np.float32)
        with av.open(str(folder / "songs" / f"{number:04}.wav"), "w") as file:
            track = file.add_stream("pcm_f32le", rate=44100, layout="stereo")
            frame = av.AudioFrame.from_ndarray(noise.T.reshape(1, -1).copy(), format="flt", layout="stereo")
            frame.sample_rate = 44100
            file.mux(track.encode(frame))
            file.mux(track.encode(None))


def _run(folder: Path, workers: int, name: str) -> Run:
    began = time.monotonic()
    words = [folder / "songs", "-o", folder / name, "--engine", "ray", "--workers", workers]
    ends = _ends(folder, words, lambda event, ended: event["done"] if event["event"] == "progress" else ended)
    # Two workers end their first songs together, so that those of the first moment do not count.
    first = ends[workers - 1]
    return Run(first - began, (len(ends) - workers) / (ends[-1] - first))


def _apart(folder: Path, processes: int, name: str) -> float:
    """Songs a second of so many local runs side by side, each with its share of the songs."""
    songs = sorted((folder / "songs").iterdir())
    shares = [[*songs[number::processes], "-o", folder / name / str(number)] for number in range(processes)]

    def ended(event: dict[str, Any], before: int) -> int:
        return before + (event["event"] == "wrote" and event["file"].endswith("other.wav"))

    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda share: _ends(folder, share, ended), shares))
    return sum((len(ends) - 1) / (ends[-1] - ends[0]) for ends in runs)


def _ends(folder: Path, arguments: Sequence[object], ended: Callable[[dict[str, Any], int], int]) -> list[float]:
    """When each song of a run ended: ``ended`` says how many have by an event, told how many had before it."""
    words = [Path(sys.executable).with_name("hfbs"), "separate", *arguments, "--json", "--device", "cpu"]
    words += ["--checkpoint", folder / "model.ckpt", "--config", folder / "model.yaml"]
    ends: list[float] = []
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, text=True, env=inherited | {"OMP_NUM_THREADS": "1"}
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            ends += [time.monotonic()] * (ended(json.loads(line), len(ends)) - len(ends))
    if process.returncode != 0:
        raise SystemExit(f"hfbs ended with {process.returncode}")
    return ends


if __name__ == "__main__":
    main()
