"""Whatever ends a run, the next one completes it: every stem whole, and the same as without the mishap."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

SONGS = 30
# A process that has loaded everything, and forks for each run: starting anew takes longer than the songs do.
FORKING = """
import json, os, resource, signal, sys
import torch
from hfbs_separate import _separator
from hfbs_separate.cli import main
torch.set_num_threads(1)
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        print(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]), flush=True)
        continue
    process = os.fork()
    if process == 0:
        for descriptor, file in ((1, order["out"]), (2, order["err"])):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.argv = ["hfbs", *order["words"]]
        if order["limit"]:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"],) * 2)
        main()
    print(process, flush=True)
"""


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Run:
    """A process of the command."""

    process: int
    out: Path
    err: Path

    def until_loaded(self) -> None:
        while not self.err.exists() or "\ntiny.ckpt" not in self.err.read_text():
            time.sleep(0.005)


class Runner:
    """Runs ``hfbs separate`` in processes of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self.forking = subprocess.Popen(
            [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def begin(self, words: list[str], *, limit: int = 0) -> Run:
        self._runs += 1
        out, err = (self._folder / f"{name} {self._runs}" for name in ("out", "err"))
        order = {"words": ["separate", *words], "out": str(out), "err": str(err), "limit": limit}
        return Run(self._answer(order), out, err)

    def end(self, run: Run) -> Ended:
        return Ended(self._answer({"wait": run.process}), run.out.read_text(), run.err.read_text())

    def run(self, words: list[str], *, limit: int = 0) -> Ended:
        return self.end(self.begin(words, limit=limit))

    def _answer(self, order: dict[str, object]) -> int:
        assert self.forking.stdin is not None
        assert self.forking.stdout is not None
        self.forking.stdin.write(json.dumps(order) + "\n")
        self.forking.stdin.flush()
        return int(self.forking.stdout.readline())


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    runner = Runner(tmp_path_factory.mktemp("runner"))
    with runner.forking:
        yield runner
        assert runner.forking.stdin is not None
        runner.forking.stdin.close()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of songs, some of them in a folder within it."""
    folder = tmp_path_factory.mktemp("catalogue")
    for number in range(SONGS):
        place = folder / ("album" if number % 3 == 0 else ".") / f"song {number:02}.wav"
        place.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, (4000 + 400 * number, 2))
        soundfile.write(place, noise, 8000, "PCM_24")
    return folder


type Words = Callable[..., list[str]]


@pytest.fixture(scope="module")
def words(tiny_checkpoint: tuple[Path, Path], catalogue: Path) -> Words:
    """What stands behind ``hfbs separate``."""

    def words_for(out: Path, *options: str, songs: Path = catalogue) -> list[str]:
        checkpoint, config = map(str, tiny_checkpoint)
        model = ["--checkpoint", checkpoint, "--config", config, "--device", "cpu", "--precision", "float32"]
        return [str(songs), *model, "-o", str(out), *options]

    return words_for


def stems_in(out: Path) -> dict[str, bytes]:
    """Every file with a final name but the records, which tell of time."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".json"
    }


def leftovers(out: Path) -> list[Path]:
    return list(out.rglob(".*"))


@pytest.fixture(scope="module")
def undisturbed(runner: Runner, words: Words, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed")
    done = runner.run(words(out))
    assert done.returncode == 0, done.stderr
    stems = stems_in(out)
    assert len(stems) == 2 * SONGS
    assert "album/song 00/vocals.wav" in stems
    return stems


def test_a_run_killed_at_any_moment_is_completed_by_the_next(
    runner: Runner, words: Words, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Twenty times in a row: each run is killed somewhere in its work, and what stands there then is whole."""
    out, moments = tmp_path / "out", random.Random(0)
    for _ in range(20):
        run = runner.begin(words(out, "--skip-existing"))
        run.until_loaded()
        time.sleep(moments.uniform(0, 0.1))
        os.kill(run.process, signal.SIGKILL)
        runner.end(run)
        assert (stems_in(out) if out.exists() else {}).items() <= undisturbed.items()
    last = runner.run(words(out, "--skip-existing"))
    assert last.returncode == 0, last.stderr
    assert stems_in(out) == undisturbed
    assert leftovers(out) == []
    again = runner.run(words(out, "--skip-existing"))
    assert again.stderr.splitlines()[-1] == f"{SONGS} songs left alone, whose stems are there"
    assert again.stdout == ""


def test_two_processes_share_a_folder(
    runner: Runner, words: Words, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    both = [runner.begin(words(out, "--skip-existing")) for _ in range(2)]
    ended = [runner.end(run) for run in both]
    assert [run.returncode for run in ended] == [0, 0], ended
    assert stems_in(out) == undisturbed
    assert leftovers(out) == []


def test_a_full_disk_is_one_line_a_song_and_the_next_run_completes(
    runner: Runner, words: Words, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """On a disk of its own where one can be mounted, else by a limit on the size of files."""
    small, out = tmp_path / "small", tmp_path / "out"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        full = runner.run(words(small / "out", "--skip-existing"), limit=0 if mounted else 60_000)
        assert full.returncode == 2
        errors = [line for line in full.stderr.splitlines() if line.startswith("hfbs: error: ")]
        assert errors
        assert all(": its stems cannot be written: " in line for line in errors)
        assert stems_in(small / "out").items() < undisturbed.items()
        assert leftovers(small / "out") == []
        shutil.copytree(small / "out", out)
    finally:
        if mounted:
            subprocess.run(["umount", small], check=True)
    assert runner.run(words(out, "--skip-existing")).returncode == 0
    assert stems_in(out) == undisturbed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; test_places.py has the same with a fake")
def test_a_folder_that_may_not_be_written_is_refused_at_once(runner: Runner, words: Words, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused = runner.run(words(tmp_path / "out"))
    told = f"hfbs: error: {tmp_path} may not be written to: name another output folder with -o"
    assert (refused.returncode, refused.stderr.strip()) == (2, told)


def test_a_song_that_vanishes_is_reported_and_the_others_are_separated(
    runner: Runner, words: Words, catalogue: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    moved, out = tmp_path / "moved", tmp_path / "out"
    shutil.copytree(catalogue, moved)
    run = runner.begin(words(out, "--skip-existing", songs=moved))
    run.until_loaded()
    gone = moved / "song 29.wav"
    content = gone.read_bytes()
    gone.unlink()
    ended = runner.end(run)
    assert ended.returncode == 2
    errors = [line for line in ended.stderr.splitlines() if "error" in line]
    assert errors == [f"hfbs: error: {gone}: no such file or directory"]
    assert len(stems_in(out)) == 2 * SONGS - 2
    gone.write_bytes(content)
    assert runner.run(words(out, "--skip-existing", songs=moved)).returncode == 0
    assert stems_in(out) == undisturbed


def of_album(stems: dict[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix("album/"): stem for name, stem in stems.items() if name.startswith("album/")}


def test_stems_made_with_other_settings_are_not_taken_for_these(
    runner: Runner, words: Words, catalogue: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert runner.run(words(out, songs=catalogue / "album")).returncode == 0
    other = runner.run(words(out, "--skip-existing", "--overlap", "4", songs=catalogue / "album"))
    assert other.returncode == 2
    (error, *_) = [line for line in other.stderr.splitlines() if line.startswith("hfbs: error: ")]
    assert "are there, but made with other settings or from another song: add --force" in error
    assert stems_in(out) == of_album(undisturbed)


def test_a_run_killed_while_it_replaces_stems_is_completed_by_the_next(
    runner: Runner, words: Words, catalogue: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Old stems and new ones may then stand side by side, which the record says."""
    out = tmp_path / "out"
    assert runner.run(words(out, songs=catalogue / "album")).returncode == 0
    place = out / "song 03"
    (place / "vocals.wav").write_bytes(b"old")
    (place / "separation.json").write_text(json.dumps({"unfinished": True}))
    assert runner.run(words(out, "--skip-existing", songs=catalogue / "album")).returncode == 0
    assert stems_in(out) == of_album(undisturbed)


def test_the_record_says_how_to_make_the_stems_again(
    runner: Runner, words: Words, catalogue: Path, tiny_checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert (
        runner.run(words(out, "--overlap", "3", "--residual", "rest=vocals", songs=catalogue / "album")).returncode == 0
    )
    record = json.loads((out / "song 03" / "separation.json").read_text())
    assert record["checkpoint"]["weights"]["file"] == tiny_checkpoint[0].name
    assert len(record["checkpoint"]["weights"]["sha256"]) == len(record["checkpoint"]["config"]["sha256"]) == 64
    assert record["separation"] == {
        "chunking": "clean",
        "chunk_size": 4000,
        "overlap": 3,
        "hop_length": 64,
        "shifts": 1,
        "test_time_augmentation": False,
        "precision": "float32",
        "stems": ["vocals", "other", "rest"],
        "residuals": {"rest": ["vocals"]},
    }
    assert record["song"]["path"] == str(catalogue / "album" / "song 03.wav")
    assert record["song"]["samples"] == 5200
    assert list(record["stems"]) == ["vocals", "other", "rest"]
    assert "torch" in record["versions"]
