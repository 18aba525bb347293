"""What a step of ``hfbs-train run`` takes over the model's own step: loading, clipping, the mean of weights and all.

    python benchmarks/stepping.py --formats "WAV 16" FLAC

The model's own step, on a batch that lies ready, is the one that ``run.py`` measures against the floor. It takes turns
with runs whose songs are read by the training process itself (0), by workers, or are held on the device. Printed are
medians over the rounds. On a GPU where there is one.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from configurations import BATCH, CONFIGURATIONS, SAMPLE_RATE, Setting
from contestants import CONTESTANTS, KEYWORDS, OURS, build
from excerpts import FORMATS, STEMS, songs_in
from measuring import ready, seconds_of


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
    parser.add_argument("--configuration", choices=CONFIGURATIONS, default="tiny", help="the model")
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=["WAV 16", "FLAC", "MP3"])
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--songs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1.0, help="length of a song")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of an excerpt")
    parser.add_argument("--batch-size", type=int, default=BATCH["training"])
    parser.add_argument("--steps", type=int, default=3, help="steps that are timed, after as many that are not")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    setting = Setting(
        name=options.configuration,
        precision="bfloat16" if device == "cuda" else "float32",  # as a run chooses it
        task="training",
        device=device,
        batch=options.batch_size,
        seconds=options.seconds,
        threads=torch.get_num_threads(),
    )
    own = ready(CONTESTANTS[OURS], build(CONTESTANTS[OURS], setting.configuration), setting)
    model = setting.configuration.keywords | KEYWORDS[OURS][setting.configuration.mel]
    configuration = {"stems": STEMS[: model.pop("num_stems")], "model": model, "batch_size": setting.batch}
    configuration["audio"] = {"sample_rate": SAMPLE_RATE, "chunk_seconds": setting.seconds}
    loading = {str(count): {"workers": count} for count in options.workers} | {"held": {"resident": True}}
    print(setting, device, sep="; ")
    print(f"{'format':12}{'loading':>8}{'step of a run, s':>18}{'the model’s own, s':>20}{'ratio':>8}")
    for name in options.formats:
        with TemporaryDirectory() as folder:
            songs = songs_in(Path(folder), *FORMATS[name], options.songs, options.minutes)
            for how, data in loading.items():
                configuration["data"] = {"songs": [str(songs)], **data}
                pairs: list[tuple[float, float]] = []
                for _ in range(options.rounds):
                    own_steps = [seconds_of(own, device) for _ in range(2 * options.steps)][options.steps :]
                    run = seconds_of_run(configuration, options.steps, setting.threads)
                    pairs.append((run, statistics.mean(own_steps)))
                ratio = statistics.median(run / alone for run, alone in pairs)
                run, alone = (statistics.median(values) for values in zip(*pairs, strict=True))
                print(f"{name:12}{how:>8}{run:18.3f}{alone:20.3f}{ratio:8.2f}", flush=True)


if __name__ == "__main__":
    main()
