"""What a step of ``hfbs-train run`` takes over the model's own step: loading, clipping, the mean of weights and all.

    python benchmarks/stepping.py --formats "WAV 16" FLAC

The model's own step is a forward and a backward pass with its own loss and AdamW, on a batch that lies ready, as
``run.py`` measures it against the floor. It takes turns with runs whose songs are read by the training process itself
(0), by workers, or are held on the device. Printed are medians over the rounds. On a GPU where there is one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from excerpts import FORMATS, RATE, STEMS, songs_in

from hfbs_model import BandSplitRotator

HOP = 512


def core(model: Mapping[str, Any], device: str, batch_size: int, samples: int) -> Callable[[], None]:
    """The model's own step, on a batch that lies ready."""
    rotator = BandSplitRotator(**model, num_stems=len(STEMS)).to(device)
    optimizer = torch.optim.AdamW(rotator.parameters(), lr=1e-4, fused=device == "cuda")
    stems = 0.1 * torch.randn(batch_size, len(STEMS), 2, samples, device=device)
    mixture = stems.sum(dim=1)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = rotator(mixture, stems)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def seconds_of(step: Callable[[], None], steps: int) -> float:
    """Seconds of a step, the mean over as many after as many that warm up."""
    for _ in range(steps):
        step()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - began) / steps


def seconds_of_run(configuration: Mapping[str, Any], steps: int, threads: int) -> float:
    """Seconds of a step of a run, the mean over as many after as many that warm up."""
    told = {"steps": 2 * steps, "save_every": 2 * steps, "logs": {"every": steps, "to": []}}
    told["machines"] = {"threads": threads}
    with TemporaryDirectory() as folder:
        file = Path(folder, "run.yaml")
        file.write_text(json.dumps({**configuration, **told}))  # which YAML takes, too
        command = [sys.executable, "-m", "hfbs_train", "run", file, "-o", Path(folder, "run"), "--json"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(run.stdout + run.stderr)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    return [event["seconds"] for event in events if event["event"] == "step"][-1]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=["WAV 16", "FLAC", "MP3"])
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--songs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1.0, help="length of a song")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of an excerpt")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10, help="steps that are timed, after as many that are not")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = {"dim": options.dim, "depth": options.depth, "heads": 4, "stereo": True, "stft_hop_length": HOP}
    samples = round(options.seconds * RATE / HOP) * HOP
    own = core(model, device, options.batch_size, samples)
    print(f"dim {options.dim}, depth {options.depth}, {options.batch_size} × {samples / RATE:.2g} s; {device}")
    print(f"{'format':12}{'loading':>8}{'step of a run, s':>18}{'the model’s own, s':>20}{'ratio':>8}")
    for name in options.formats:
        with TemporaryDirectory() as folder:
            songs = songs_in(Path(folder), *FORMATS[name], options.songs, options.minutes)
            configuration = {"stems": list(STEMS), "model": model, "batch_size": options.batch_size}
            configuration["audio"] = {"sample_rate": RATE, "chunk_seconds": samples / RATE}
            loading = {str(count): {"workers": count} for count in options.workers} | {"held": {"resident": True}}
            for how, data in loading.items():
                configuration["data"] = {"songs": [str(songs)], **data}
                pairs: list[tuple[float, float]] = []
                for _ in range(options.rounds):
                    alone = seconds_of(own, options.steps)
                    pairs.append((seconds_of_run(configuration, options.steps, torch.get_num_threads()), alone))
                ratio = statistics.median(run / alone for run, alone in pairs)
                run, alone = (statistics.median(values) for values in zip(*pairs, strict=True))
                print(f"{name:12}{how:>8}{run:18.3f}{alone:20.3f}{ratio:8.2f}", flush=True)


if __name__ == "__main__":
    main()
