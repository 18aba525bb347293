"""The page on scale shows what its command prints, and the simulation behind it keeps to its bounds."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workspace._repository import ROOT

SCALE, PAGE = ROOT / "benchmarks" / "scale.py", ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- benchmarks/scale.py writes what follows -->\n", "<!-- up to here -->"


def fleet_module() -> Any:
    spec = importlib.util.spec_from_file_location("fleet", ROOT / "benchmarks" / "fleet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FLEET = fleet_module()
WORK = [float(1 + 7 * number % 11) for number in range(300)]


def printed(*options: str) -> str:
    run = subprocess.run([sys.executable, SCALE, *options], capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_page_shows_what_its_command_prints():
    shown = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()
    assert shown == printed().strip(), "out of date: run python benchmarks/scale.py --page docs/scale.md"


def test_a_measured_gpu_takes_the_place_of_the_assumed_one(tmp_path: Path):
    setting = {"name": "bs-384x6", "device": "cuda", "task": "inference", "precision": "bfloat16"}
    table = {
        "setting": setting | {"batch": 4, "seconds": 8.0},
        "run": {"machine": "a GPU", "date": "2026-01-02"},
        "rows": [{"name": "hfbs", "seconds": 0.5}, {"name": "hfbs compiled", "seconds": 0.25}],
    }
    (tmp_path / "results.json").write_text(json.dumps({"tables": [table]}))
    words = ("--workers", "2", "--songs", "1000", "--results", str(tmp_path / "results.json"))
    assert "- GPU: measured, hfbs compiled, bfloat16, a GPU, 2026-01-02." in printed(*words)
    assert "| GPU, bs-384x6 | 128 |" in printed(*words)
    assert "- GPU: given by --times-real-time." in printed(*words, "--times-real-time", "60")


@pytest.mark.parametrize("words", [["--slow", "2"], ["--workers", "0"], ["--price", "-1"]])
def test_what_cannot_be_is_refused(words: list[str]):
    run = subprocess.run([sys.executable, SCALE, *words], capture_output=True, text=True)
    assert run.returncode == 2
    assert f"argument {words[0]}" in run.stderr


@pytest.mark.parametrize("workers", [1, 7, 64])
def test_a_quiet_fleet_keeps_to_the_bounds_of_list_scheduling(workers: int):
    lot = FLEET.simulate(WORK, FLEET.Fleet(workers, start_up=10.0))
    assert lot.useful == pytest.approx(sum(WORK))
    assert (lot.slowed, lot.lost, lot.copied, lot.deaths, lot.given_up) == (pytest.approx(0), 0, 0, 0, 0)
    assert sum(WORK) / workers <= lot.makespan - 10.0 <= sum(WORK) / workers + max(WORK)
    assert lot.total == pytest.approx(workers * lot.makespan)


@pytest.mark.parametrize("copies", [False, True])
def test_whatever_befalls_them_all_songs_are_done_once(copies: bool):
    fleet = FLEET.Fleet(
        8, between_preemptions=60.0, crashing=0.02, slow=0.3, stuck=0.05, attempts=1000, copies=copies, start_up=1.0
    )
    for seed in range(20):
        lot = FLEET.simulate(WORK, fleet, seed=seed)
        assert lot.useful == pytest.approx(sum(WORK))
        assert lot.given_up == 0 < lot.deaths
        assert lot.slowed > 0 < lot.lost
        assert (lot.copied > 0) <= copies


def test_a_song_that_kills_its_workers_is_given_up_after_its_attempts():
    lot = FLEET.simulate(WORK, FLEET.Fleet(4, poisonous=1.0))
    assert (lot.given_up, lot.deaths, lot.useful) == (len(WORK), 3 * len(WORK), 0.0)


def test_copies_end_the_lots_that_single_songs_hold_up():
    held, helped = (
        [
            FLEET.simulate(WORK, FLEET.Fleet(4, 0.0, stuck=0.005, stuck_for=100.0, copies=copies), seed=seed)
            for seed in range(20)
        ]
        for copies in (False, True)
    )
    assert sum(lot.makespan for lot in helped) < 0.8 * sum(lot.makespan for lot in held)
    assert sum(lot.copied for lot in helped) > 0 == sum(lot.copied for lot in held)


def test_no_worker_and_no_song_are_errors():
    with pytest.raises(ValueError, match="at least one worker"):
        FLEET.simulate([], FLEET.Fleet(1))
