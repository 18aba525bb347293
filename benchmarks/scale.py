"""What separating a catalogue costs, and what failures and stragglers add, as the tables of docs/scale.md.

    python benchmarks/scale.py                                  # prints them
    python benchmarks/scale.py --page docs/scale.md             # puts them into the page
    python benchmarks/scale.py --times-real-time 60 --price 1.8 --workers 1000

Speed is what benchmarks/results.json holds, if anything was measured on such a device, or what is given. Prices and
what befalls workers are assumed, and options. Needs nothing but Python.
"""

import argparse
import json
import random
import re
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fleet import LONG, LONG_SHARE, LONGEST, MUSIC, SHORTEST, Fleet, Lot, simulate, song_lengths

RESULTS = Path(__file__).with_name("results.json")
# As in the pipeline: hfbs_separate._cluster.
SONGS_OF_A_LOT, SONGS_OF_A_LOT_PER_WORKER = 10_000, 200
BYTES_OF_A_SONG_IN_THE_DRIVER = 5_000
MODELS = ("bs-512x12", "bs-384x6", "mel-384x6", "six-stems-256x12")  # whose speed counts: the first that was measured
OURS = ("hfbs", "hfbs compiled")
ASSUMED_TIMES_REAL_TIME = 100.0  # of a GPU, where none was measured
SEEDS = 3
BEGIN, END = "<!-- benchmarks/scale.py writes what follows -->", "<!-- up to here -->"


@dataclass(frozen=True)
class Speed:
    """How fast a device runs a model.

    Attributes:
        device: ``cuda`` or ``cpu``.
        model: a name of ``configurations.py``.
        times_real_time: seconds of audio that the model takes a second.
        source: where that is from.
    """

    device: str
    model: str
    times_real_time: float
    source: str


def measured(device: str, model: str | None, results: Path) -> Speed | None:
    """The highest speed that was measured of a model on a device; of the first of ``MODELS``, unless one is named."""
    tables: list[dict[str, Any]] = json.loads(results.read_text(encoding="utf-8"))["tables"] if results.exists() else []
    for name in MODELS if model is None else (model,):
        speeds: list[Speed] = []
        for table in tables:
            setting, run = table["setting"], table["run"]
            if (setting["name"], setting["device"], setting["task"]) != (name, device, "inference"):
                continue
            for row in table["rows"]:
                if row["name"] in OURS:
                    times = setting["batch"] * setting["seconds"] / row["seconds"]
                    source = ("measured", row["name"], setting["precision"], run["machine"], run["date"])
                    speeds.append(Speed(device, name, times, ", ".join(source)))
        if speeds:
            return max(speeds, key=lambda speed: speed.times_real_time)
    return None


def positive(word: str) -> float:
    number = float(word)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"above 0 and finite, got {word}")
    return number


def whole(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1, got {number}")
    return number


def share(word: str) -> float:
    number = float(word)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"from 0 to 1, got {word}")
    return number


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times-real-time", type=positive, help="seconds of audio the model takes a second on a GPU")
    parser.add_argument("--model", choices=MODELS, help="whose measured speed counts; default: the first measured")
    parser.add_argument("--songs", type=whole, default=100_000_000)
    parser.add_argument("--workers", type=whole, default=256, help="GPUs that work at a time")
    parser.add_argument("--overlap", type=whole, default=2, help="chunks that cover each sample, as of hfbs separate")
    parser.add_argument("--overhead", type=positive, default=1.0, help="seconds a song takes beside the model")
    parser.add_argument("--price", type=positive, default=2.5, help="dollars for an hour of a GPU")
    parser.add_argument("--price-cpu", type=positive, default=0.1, help="dollars for an hour of two cores")
    parser.add_argument("--price-storage", type=positive, default=23.0, help="dollars for a terabyte a month")
    parser.add_argument("--price-writes", type=positive, default=5.0, help="dollars for a million writes")
    parser.add_argument("--stems", type=whole, default=2, help="files of a song that are written, beside its record")
    parser.add_argument("--kilobytes", type=positive, default=90.0, help="of a second of a song or stem, as FLAC")
    parser.add_argument("--hours-between-preemptions", type=positive, default=12.0, help="of one worker, in the mean")
    parser.add_argument("--start-up", type=positive, default=60.0, help="seconds from a worker's start to a song")
    parser.add_argument("--crashing", type=share, default=5e-4, help="share of attempts in which the worker dies")
    parser.add_argument("--slow", type=share, default=0.02, help="share of workers that take four times as long")
    parser.add_argument("--stuck", type=share, default=5e-4, help="share of attempts that take 20 times as long")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where speeds were measured")
    parser.add_argument("--page", type=Path, help="put the tables into this page instead of printing them")
    return parser.parse_args(words)


def number(value: float) -> str:
    """Three digits, with thousands apart."""
    if value >= 100:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def in_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = "| --- |" + " ---: |" * (len(heads) - 1)
    return "\n".join(["| " + " | ".join(heads) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows)])


def speeds(options: argparse.Namespace) -> tuple[Speed, Speed | None]:
    """Of a GPU, given, measured or assumed; and of two cores, if measured."""
    gpu = measured("cuda", options.model, options.results)
    name = options.model or (gpu.model if gpu else MODELS[0])
    if options.times_real_time is not None:
        gpu = Speed("cuda", name, options.times_real_time, "given by --times-real-time")
    if gpu is None:
        gpu = Speed("cuda", name, ASSUMED_TIMES_REAL_TIME, "assumed: no speed of a GPU is stored")
    return gpu, measured("cpu", name, options.results)


def costs(options: argparse.Namespace, gpu: Speed, cpu: Speed | None, mean: float, share: float) -> Iterator[str]:
    """What the catalogue takes."""
    hours = options.songs * mean / 3600
    yield f"{number(options.songs)} songs are {number(hours / 1e6)} million hours of audio."
    heads = ("", "× real time, model", "× real time, song", "machine hours", "dollars", "with losses", "days")
    rows: list[tuple[str, ...]] = []
    origins: list[str] = []
    for machine, speed, price in (("GPU", gpu, options.price), ("two cores", cpu, options.price_cpu)):
        if speed is not None:
            of_song = mean / seconds_of(mean, speed, options)
            spent = hours / of_song
            # What is lost was simulated for songs that take as long as on the GPU.
            lossy = (spent * price / share, spent / share / options.workers / 24) if speed is gpu else ()
            figures = map(number, (speed.times_real_time, of_song, spent, spent * price, *lossy))
            rows.append((f"{machine}, {speed.model}", *figures, *(() if lossy else ("–", "–"))))
            origins.append(f"- {machine}: {speed.source}.")
    yield in_table(heads, rows)
    yield "\n".join(origins)
    yield (
        f"An hour of a GPU is taken to cost {options.price:g} dollars, one of two cores {options.price_cpu:g}. "
        "The last two columns are with what is lost in the simulation below (all of it, as the pipeline is); days are "
        f"those of {options.workers} GPUs."
    )
    yield "Other speeds of a GPU, the rest being equal:"
    others = [Speed("cuda", gpu.model, times, "") for times in (25.0, 50.0, 100.0, 200.0, 400.0)]
    spending = [hours * seconds_of(mean, speed, options) / mean for speed in others]
    yield in_table(
        ("× real time, model", *(f"{speed.times_real_time:g}" for speed in others)),
        [
            ("GPU hours", *map(number, spending)),
            ("dollars", *(number(options.price * each) for each in spending)),
        ],
    )


def seconds_of(length: float, speed: Speed, options: argparse.Namespace) -> float:
    """What a song of that length takes."""
    return options.overhead + options.overlap * length / speed.times_real_time


def storage(options: argparse.Namespace, mean: float) -> Iterator[str]:
    """What the store holds and is asked, and what the driver notes."""
    terabytes = options.songs * mean * options.kilobytes / 1e9
    writes = options.songs * (options.stems + 1) / 1e6
    notes = options.songs * BYTES_OF_A_SONG_IN_THE_DRIVER / 1e9
    month, stems = options.price_storage, options.stems
    rows = [
        ("songs", f"{number(terabytes)} TB", f"{number(terabytes * month)} a month"),
        (f"{stems} stems of each", f"{number(stems * terabytes)} TB", f"{number(stems * terabytes * month)} a month"),
        ("stems and records written", f"{number(writes)} million", f"{number(writes * options.price_writes)} once"),
    ]
    yield in_table(("In the store", "", "dollars"), rows)
    yield (
        f"As FLAC, {options.kilobytes:g} kB a second; {month:g} dollars for a terabyte a month, "
        f"{options.price_writes:g} for a million writes. The command that leads a run notes up to "
        f"{BYTES_OF_A_SONG_IN_THE_DRIVER / 1000:g} kB for each song: {notes:.0f} GB, if all were one run."
    )


def scenarios(options: argparse.Namespace) -> dict[str, tuple[Fleet, bool, int]]:
    """The fleets that are compared; whether long songs are taken first; and how many lots' songs a lot has."""
    quiet = Fleet(options.workers, options.start_up)
    deaths = {
        "between_preemptions": 3600 * options.hours_between_preemptions,
        "crashing": options.crashing,
        "poisonous": 2e-5,
    }
    stragglers = {"slow": options.slow, "stuck": options.stuck}
    everything = replace(quiet, **deaths, **stragglers)
    copies = replace(everything, copies=True)
    return {
        "nothing befalls anyone": (quiet, False, 1),
        "workers die": (replace(quiet, **deaths), False, 1),
        "workers and songs are slow": (replace(quiet, **stragglers), False, 1),
        "all of it, as the pipeline is": (everything, False, 1),
        "and late songs are begun a second time": (copies, False, 1),
        "or long songs are taken first": (everything, True, 1),
        "both": (copies, True, 1),
        "both, in lots four times as long": (copies, True, 4),
    }


def simulated(options: argparse.Namespace, speed: Speed) -> dict[str, list[Lot]]:
    """What becomes of a lot in each scenario, by each seed."""
    size = max(SONGS_OF_A_LOT, SONGS_OF_A_LOT_PER_WORKER * options.workers)
    lots: dict[str, list[Lot]] = {}
    for name, (fleet, long_first, times) in scenarios(options).items():
        lots[name] = []
        for seed in range(SEEDS):
            work = [seconds_of(length, speed, options) for length in song_lengths(times * size, random.Random(seed))]
            lots[name].append(simulate(sorted(work, reverse=True) if long_first else work, fleet, seed=seed))
    return lots


def share_of(lots: Sequence[Lot]) -> float:
    """How much of the workers' time was of use."""
    return statistics.fmean(lot.useful / lot.total for lot in lots)


def losses(options: argparse.Namespace, lots: dict[str, list[Lot]]) -> Iterator[str]:
    """Where the workers' time went, in a lot."""
    kinds = ("useful", "slowed", "lost", "copied", "starting", "idle")
    heads = ("", "time, of the ideal", *kinds, "workers died", "songs given up")
    rows: list[tuple[str, ...]] = []
    for name, several in lots.items():
        stretched = statistics.fmean(lot.makespan * options.workers / lot.useful for lot in several)
        parts = [statistics.fmean(getattr(lot, kind) / lot.total for lot in several) for kind in kinds]
        counts = [statistics.fmean(lot.deaths for lot in several), statistics.fmean(lot.given_up for lot in several)]
        rows.append(
            (
                name,
                f"{stretched:.3f}",
                *(f"{abs(part):.1%}" if part >= 5e-4 else f"{abs(part):.2%}" for part in parts),
                *(f"{count:.0f}" for count in counts),
            )
        )
    yield in_table(heads, rows)
    size = max(SONGS_OF_A_LOT, SONGS_OF_A_LOT_PER_WORKER * options.workers)
    ideal = statistics.fmean(lot.useful for lot in next(iter(lots.values()))) / options.workers
    yield (
        f"A lot is {size:,} songs for {options.workers} workers, {ideal / 60:.0f} minutes of work for each; "
        f"figures are means of {SEEDS} lots."
    )


def assumptions(options: argparse.Namespace) -> str:
    hours, each = options.hours_between_preemptions, f"{options.overhead:g} s"
    return "\n".join(
        f"- {line}"
        for line in (
            f"A song's length is log-normal with a median of {MUSIC[0]:g} s (σ = {MUSIC[1]:g}); {LONG_SHARE:.1%} are "
            f"long recordings with one of {LONG[0]:g} s (σ = {LONG[1]:g}); none is shorter than {SHORTEST:g} s or "
            f"longer than {LONGEST / 3600:g} hours.",
            f"{options.overlap} chunks cover each sample, and {each} of a song's time is not the model's: fetching, "
            "decoding, writing.",
            f"A worker is ready {options.start_up:g} s after its start. Once in {hours:g} hours in the mean it is "
            "taken away, at any moment of its work; two minutes later there is another one.",
            f"A worker dies in {options.crashing:.2%} of attempts, for a reason that does not come again; of 50,000 "
            "songs one kills each worker that it meets, and is given up after three.",
            f"{options.slow:.0%} of workers take four times as long for everything, and {options.stuck:.2%} of "
            "attempts, on any worker, 20 times as long.",
        )
    )


def report(options: argparse.Namespace) -> str:
    """The tables, with what was assumed."""
    gpu, cpu = speeds(options)
    lengths = song_lengths(200_000, random.Random(0))
    mean = statistics.fmean(lengths)
    lots = simulated(options, gpu)
    parts = [
        "## What is assumed",
        assumptions(options),
        "## What it costs",
        *costs(options, gpu, cpu, mean, share_of(lots["all of it, as the pipeline is"])),
        *storage(options, mean),
        "## What failures and stragglers add",
        *losses(options, lots),
    ]
    return "\n\n".join(parts)


def with_report(page: str, text: str) -> str:
    """The page with these tables in the place of the old ones.

    Raises:
        ValueError: the page has no such place.
    """
    place = re.compile(f"(?<={re.escape(BEGIN)}\n)(.*?)(?={re.escape(END)})", re.S)
    if not place.search(page):
        raise ValueError(f"the page has no place for the tables: put the lines {BEGIN} and {END} where they shall go")
    return place.sub(lambda _: f"\n{text}\n\n", page)


def main() -> None:
    options = arguments()
    text = report(options)
    if options.page is None:
        sys.stdout.write(text + "\n")
        return
    options.page.write_text(with_report(options.page.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
