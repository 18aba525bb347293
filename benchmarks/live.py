"""What live separation loses and takes as its latency falls, beside the same model offline.

``python benchmarks/live.py --results benchmarks/live.json --plot docs/live.png`` separates a minute of music with known
stems by the demo model at each budget, and prints a row for it: the latency stated, the one found by cross-correlation
of what came out with what went in, drop-outs at real time and at half the speed (a headroom of 2), load, and the SDR of
the stems. Budgets that the results' file has, of the same model and settings, are not measured again. It takes three
minutes on two cores with nothing else to do.
"""

import argparse
import json
import os
import platform
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hfbs_model import load_checkpoint
from hfbs_separate import Separator
from hfbs_separate._live_plan import COST
from hfbs_separate.demo import MODEL
from hfbs_separate.evaluation import find_songs, load_song, sdr
from hfbs_separate.live import LiveMeter, LiveSeparator

SONGS = Path(__file__).parents[1] / "tests" / "demo_song"
STEMS = {"vocals": ["vocals"], "instrumental": ["drums", "bass", "other"]}
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}


def song(seconds: float, rate: int) -> dict[str, np.ndarray]:
    """The true stems of the song, from its beginning as often as so many seconds need."""
    (files,) = find_songs(SONGS, STEMS)
    heard = load_song(files).stems
    places = np.arange(round(seconds * rate))
    return {name: np.take(stem, places, axis=1, mode="wrap") for name, stem in heard.items()}


def lag(later: np.ndarray, earlier: np.ndarray) -> int:
    """Samples by which one signal comes after another that it resembles."""
    size = 1 << (later.shape[1] + earlier.shape[1]).bit_length()
    spectrum = sum(np.fft.rfft(a, size) * np.fft.rfft(b, size).conj() for a, b in zip(later, earlier, strict=True))
    return int(np.fft.irfft(spectrum).argmax())


def measured(latency: float, truth: dict[str, np.ndarray], clock: str) -> dict[str, Any]:
    """One budget: a block of 10 ms after the other."""
    ticks: list[float] = []

    def ticking() -> float:
        ticks.append(CLOCKS[clock]())
        return ticks[-1]

    live = LiveSeparator(load_checkpoint(MODEL), latency, device="cpu", precision="float32", clock=ticking)
    mixture = np.sum(list(truth.values()), axis=0)
    blocks = np.split(mixture, range(441, mixture.shape[1], 441), axis=1)
    given = [live.process(block) for block in blocks]
    meter = live.meter
    given.append(live.flush())
    stems = {name: np.concatenate([block[name] for block in given], axis=1) for name in live.stems}
    slow = LiveMeter(meter.hop_seconds)
    for began, ended in zip(ticks[::2], ticks[1::2], strict=True):
        slow.add(2 * (ended - began))
    return {
        "budget": latency,
        "stated": live.latency,
        "found": lag(np.sum(list(stems.values()), axis=0), mixture),
        "hop": live.plan.hop,
        "chunk_size": live.plan.chunk_size,
        "hops": meter.hops,
        "drop_outs": meter.drop_outs,
        "drop_outs_at_half_speed": slow.drop_outs,
        "load": meter.load,
        "highest_load": meter.highest_load,
        "sdr": {name: sdr(truth[name], stem[:, live.latency :]) for name, stem in stems.items()},
    }


def machine() -> str:
    """What it was measured on."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def offline(truth: dict[str, np.ndarray], rate: int) -> dict[str, float]:
    """SDR of the stems of ``hfbs separate``."""
    separator = Separator.from_checkpoint(MODEL, device="cpu", precision="float32")
    stems = separator.separate(np.sum(list(truth.values()), axis=0), rate)
    return {name: sdr(truth[name], stem) for name, stem in stems.items()}


def plot(results: dict[str, Any], path: Path) -> None:
    """SDR beside that of offline, and load, over latency."""
    from matplotlib import pyplot as plt

    rows = results["rows"]
    seconds = [row["stated"] / results["sample_rate"] for row in rows]
    figure, (quality, work) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for name, color in zip(STEMS, ("C0", "C1"), strict=True):
        kept = results["offline"][name]
        lost = [row["sdr"][name] - kept for row in rows]
        quality.semilogx(seconds, lost, "o-", color=color, label=f"{name} (offline {kept:.1f} dB)")
    quality.axhline(0, color="grey", linestyle="--", label="offline")
    quality.set(xlabel="latency (s)", ylabel="SDR − SDR offline (dB)", title="Quality")
    work.semilogx(seconds, [row["load"] for row in rows], "o-", color="C2", label="mean")
    work.semilogx(seconds, [row["highest_load"] for row in rows], "o:", color="C2", label="highest of a hop")
    top = 1.1 * max(0.5, *(row["highest_load"] for row in rows))
    work.axhline(0.5, color="grey", linestyle="--", label="headroom of 2")
    work.set(xlabel="latency (s)", ylabel="load (computing time / time)", ylim=(0, top), title="Load")
    for axes in (quality, work):
        axes.set_xticks(seconds, [f"{value:.2g}" for value in seconds])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=120, metadata={"Software": None})


def table(results: dict[str, Any]) -> str:
    """The rows as Markdown."""
    lines = [
        "| budget | latency stated | found | hop | chunk | load | highest | drop-outs | if half as fast | vocals | "
        "instrumental |",
        "| ---: " * 11 + "|",
    ]
    for row in results["rows"]:
        rate = results["sample_rate"]
        lines.append(
            f"| {row['budget']:g} s | {row['stated']} | {row['found']} | {row['hop'] / rate:.3f} s | "
            f"{row['chunk_size'] / rate:.2f} s | {row['load']:.2f} | {row['highest_load']:.2f} | {row['drop_outs']} | "
            f"{row['drop_outs_at_half_speed']} | {row['sdr']['vocals']:.2f} dB | {row['sdr']['instrumental']:.2f} dB |"
        )
    kept = results["offline"]
    lines.append(f"| offline |{' |' * 8} {kept['vocals']:.2f} dB | {kept['instrumental']:.2f} dB |")
    return "\n".join(lines)


def conditions(results: dict[str, Any]) -> str:
    """One sentence on how load was measured."""
    threads = f"{results['threads']} thread{'s' if results['threads'] > 1 else ''} of PyTorch"
    clock = "by the processor's time, not the wall's" if results["clock"] == "cpu" else "by the wall's clock"
    return f"({results['seconds']:g} s of music, float32, {threads}, load {clock}; {results['machine']}.)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", nargs="+", type=float, default=[0.1, 0.2, 0.5, 1, 2], help="seconds")
    parser.add_argument("--seconds", type=float, default=60, help="length of the music")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="what load is measured by; cpu: the thread's time on the processor, for --threads 1 on a busy machine",
    )
    parser.add_argument("--results", type=Path, help="JSON with all figures, to read and add to")
    parser.add_argument("--table", type=Path, help="where the rows go as Markdown, besides standard output")
    parser.add_argument("--plot", type=Path, help="where the picture goes")
    options = parser.parse_args()
    if options.clock == "cpu" and options.threads != 1:
        parser.error("--clock cpu sees one thread alone: add --threads 1")
    torch.set_num_threads(options.threads)
    rate = load_checkpoint(MODEL).sample_rate
    setting = {"seconds": options.seconds, "threads": options.threads, "clock": options.clock, "sample_rate": rate}
    setting |= {"model": sha256(MODEL.read_bytes()).hexdigest(), "cost": COST}
    results: dict[str, Any] = {**setting, "machine": machine(), "offline": None, "rows": []}
    if options.results is not None and options.results.exists():
        before = json.loads(options.results.read_text())
        if all(before.get(name) == value for name, value in setting.items()):
            results = before
    truth = song(options.seconds, rate)

    def keep() -> None:
        results["rows"].sort(key=lambda row: row["budget"])
        if options.results is not None:
            options.results.write_text(json.dumps(results, indent=1) + "\n")

    for budget in options.budgets:
        if all(row["budget"] != budget for row in results["rows"]):
            results["rows"].append(measured(budget, truth, options.clock))
            keep()
    if results["offline"] is None:
        results["offline"] = offline(truth, rate)
        keep()
    print(table(results))
    if options.table is not None:
        options.table.write_text(f"{table(results)}\n\n{conditions(results)}\n")
    if options.plot is not None:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
