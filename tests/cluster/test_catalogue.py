"""A catalogue on a cluster: as the local run's to the bit, whatever happens to its workers."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from cluster.conftest import Bucket, Separate, stems_in, workers_alive, write_songs
from hfbs_separate._cluster import _Told
from hfbs_separate._cluster_worker import TRIES, Tries, job_of, row_of
from hfbs_separate._errors import ClusterError
from hfbs_separate._places import Job
from hfbs_separate._remote import place_of
from hfbs_separate.terminal import Terminal

HFBS = Path(sys.executable).with_name("hfbs")


def test_200_songs_over_two_workers_of_which_one_is_killed_at_half_equal_the_local_runs(
    separate: Separate, cluster: str, tmp_path: Path
) -> None:
    songs = write_songs(tmp_path / "songs", 200)
    assert separate(songs, "-o", tmp_path / "local").exit_code == 0
    killed: list[int] = []

    def kill() -> None:
        while len(list((tmp_path / "out").rglob("separation.json"))) < 100:
            time.sleep(0.01)
        killed.append(workers_alive()[0])
        os.kill(killed[0], signal.SIGKILL)

    killing = threading.Thread(target=kill, daemon=True)
    killing.start()
    result = separate(songs, "-o", tmp_path / "out", "--engine", "ray", "--ray-address", cluster)
    killing.join(10)
    assert killed
    assert result.exit_code == 0, result.output
    expected = stems_in(tmp_path / "local")
    assert len(expected) == 400
    assert stems_in(tmp_path / "out") == expected
    assert sorted(result.stdout.splitlines()) == sorted(str(tmp_path / "out" / name) for name in expected)
    told = result.stderr.splitlines()
    assert f"joining the Ray cluster at {cluster}" in told
    assert "Ray: 2 workers, one CPU each" in told
    assert told[-1] == "200 songs: 200 separated"
    assert not [line for line in told if "raylet" in line or "WARNING" in line], "Ray's own words"


def test_between_urls_failures_are_told_and_a_second_run_makes_only_what_is_missing(
    separate: Separate, cluster: str, bucket: Bucket, tmp_path: Path
) -> None:
    songs = write_songs(tmp_path / "songs", 4)
    assert separate(songs, "-o", tmp_path / "local").exit_code == 0
    expected = stems_in(tmp_path / "local")
    (songs / "damaged.wav").write_bytes(b"no song")
    bucket.add(songs, "songs")
    url = bucket.url
    words = (f"{url}/songs", "-o", f"{url}/stems", "--engine", "ray", "--ray-address", cluster)
    first = separate(*words)
    told = f"{url}/songs/damaged.wav: FFmpeg cannot read this file: invalid data found when processing input"
    assert first.exit_code == 2
    assert f"hfbs: error: {told}" in first.stderr.splitlines()
    assert first.stderr.splitlines()[-2:] == ["5 songs: 4 separated, 1 failed", f"failed: {told}"]
    assert bucket.objects("stems") == expected
    assert sorted(first.stdout.splitlines()) == sorted(f"{url}/stems/{name}" for name in expected)
    record = json.loads(bucket.read("stems/album/song 000/separation.json"))
    assert record["song"]["path"] == f"{url}/songs/album/song 000.wav"
    assert "exists: add --skip-existing" in separate(*words).stderr

    (songs / "damaged.wav").write_bytes((songs / "song 001.wav").read_bytes())
    bucket.add(songs / "damaged.wav", "songs")
    bucket.delete("stems/song 002/other.wav")
    second = separate(*words, "--skip-existing", "--json")
    assert second.exit_code == 0
    assert second.stderr == ""
    events = [json.loads(line) for line in second.stdout.splitlines()]
    wrote = {event["file"] for event in events if event["event"] == "wrote"}
    made = (f"{song}/{stem}.wav" for song in ("damaged", "song 002") for stem in ("vocals", "other"))
    assert wrote == {f"{url}/stems/{name}" for name in made}
    progress = [(event["done"], event["total"]) for event in events if event["event"] == "progress"]
    assert progress == [(done, 5) for done in range(6)]
    assert events[-1]["message"] == "5 songs: 2 separated, 3 left alone, whose stems are there"
    assert expected.items() <= bucket.objects("stems").items()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "cuda"], "the cluster has no GPU, and each worker needs one: add a node, or choose --device"),
        (
            ["--device", "cuda:0,cuda:1"],
            "--engine ray gives each worker a GPU of its own, got --device cuda:0,cuda:1: say cuda, "
            "and --workers how many",
        ),
        (["-"], "- is this machine's standard input, which no worker of a cluster has: name a file"),
    ],
)
def test_what_the_cluster_cannot_do_is_refused(
    separate: Separate, cluster: str, tmp_path: Path, words: list[str], message: str
) -> None:
    songs = write_songs(tmp_path / "songs", 1)
    refused = separate(songs, "-o", tmp_path / "out", "--engine", "ray", "--ray-address", cluster, *words)
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == f"hfbs: error: {message}"
    assert not (tmp_path / "out").exists()


def test_a_song_that_kills_its_workers_is_given_up_and_the_others_go_on(
    separate: Separate, cluster: str, tmp_path: Path
) -> None:
    songs, out = write_songs(tmp_path / "songs", 4), tmp_path / "out"
    deadly = write_songs(tmp_path / "long", 2, samples=8000 * 120) / "song 001.wav"
    deadly = deadly.rename(songs / "deadly.wav")
    ended = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        """Whichever worker has the song open."""
        while not ended.wait(0.01):
            for worker in workers_alive():
                with suppress(OSError):
                    if str(deadly) in {str(file.readlink()) for file in Path(f"/proc/{worker}/fd").iterdir()}:
                        os.kill(worker, signal.SIGKILL)
                        killed.append(worker)

    killing = threading.Thread(target=kill, daemon=True)
    killing.start()
    result = separate(songs, "-o", out, "--engine", "ray", "--ray-address", cluster)
    ended.set()
    assert result.exit_code == 2, result.output
    assert len(set(killed)) == TRIES
    told = f"{deadly}: its worker died {TRIES} times, as where memory runs out; given up, others went on"
    assert result.stderr.splitlines()[-2:] == ["5 songs: 4 separated, 1 failed", f"failed: {told}"]
    assert len(stems_in(out)) == 8


HEED_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_ctrl_c_leaves_nothing_and_says_how_to_go_on(
    cluster: str, checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    songs, out = write_songs(tmp_path / "songs", 2, samples=8000 * 600), tmp_path / "out"
    weights, config = checkpoint
    command = [HFBS, "separate", songs, "--checkpoint", weights, "--config", config, "-o", out, "--overlap", 20]
    command = [str(word) for word in (*command, "--engine", "ray", "--ray-address", cluster)]
    words = [sys.executable, "-c", HEED_CTRL_C, *command]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            while not list(out.rglob("*.part")):
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, stdout) == (130, ""), stderr
    told, again = stderr.splitlines()[-1].split(". Go on with: ")
    assert told == "hfbs: error: interrupted; the work at hand left nothing behind"
    assert shlex.split(again) == ["hfbs", *command[1:], "--skip-existing"]
    assert not out.exists()


def test_tries_are_counted_by_song_until_it_ends() -> None:
    tries = Tries()
    assert [tries.begin(7), tries.begin(7), tries.begin(8), tries.begin(7)] == [1, 2, 1, 3]
    tries.end(7)
    assert tries.begin(7) == 1


def test_a_worker_that_is_unfit_ends_the_run_in_one_line() -> None:
    told = _Told(Terminal("quiet"), [])
    row = {"number": 0, "unfit": "device cuda was asked for", "outcome": "", "computes_on": ""}
    with pytest.raises(ClusterError, match=r"^a worker cannot separate: device cuda was asked for$"):
        told.row(row)


def test_songs_come_out_of_rows_as_they_went_in() -> None:
    """Names that are no UTF-8 among them, as Linux has them."""
    job = Job(Path("in/\udcff.wav"), {"vocals": Path("out/\udcff/vocals.wav")}, Path("out/\udcff/separation.json"))
    row = row_of(3, job)
    assert row["job"].isascii()
    assert job_of(row["job"]) == job
    remote = Job(
        place_of("s3://bucket/a #1?.wav"), {"vocals": place_of("s3://bucket/out/v.wav")}, place_of("s3://bucket/r.json")
    )
    assert job_of(row_of(4, remote)["job"]) == remote
