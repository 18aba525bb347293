"""Songs and stems at URLs with the local engine: one path for both."""

import errno
import json
import tempfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cluster.conftest import Bucket, Separate, stems_in, write_songs
from hfbs_separate import AudioFileError, _remote
from hfbs_separate._places import DEFAULT_NAMES, plan_jobs
from hfbs_separate._remote import patiently
from hfbs_separate._songs import find_songs


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    return write_songs(tmp_path / "songs", 4)


@pytest.fixture
def expected(separate: Separate, songs: Path, tmp_path: Path) -> dict[str, bytes]:
    """The stems from a disk to a disk."""
    assert separate(songs, "-o", tmp_path / "local").exit_code == 0
    return stems_in(tmp_path / "local")


def test_from_a_store_to_a_disk_and_back(
    separate: Separate, bucket: Bucket, songs: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    bucket.add(songs, "songs")
    fetched = separate(f"{bucket.url}/songs", "-o", tmp_path / "fetched")
    assert fetched.exit_code == 0, fetched.output
    assert stems_in(tmp_path / "fetched") == expected
    put = separate(songs, "-o", f"{bucket.url}/stems")
    assert put.exit_code == 0, put.output
    assert bucket.objects("stems") == expected
    again = separate(songs, "-o", f"{bucket.url}/stems", "--skip-existing")
    assert again.stderr.splitlines()[-1] == "4 songs left alone, whose stems are there"
    assert not list(Path(tempfile.gettempdir()).glob("hfbs-stems-*/*.wav")), "nothing stays on this disk"


def test_a_song_that_was_changed_in_the_store_is_not_taken_for_the_one_before(
    separate: Separate, bucket: Bucket, songs: Path
) -> None:
    bucket.add(songs, "songs")
    words = (f"{bucket.url}/songs/song 001.wav", "-o", f"{bucket.url}/stems", "--skip-existing")
    assert separate(*words).exit_code == 0
    record = json.loads(bucket.read("stems/song 001/separation.json"))
    assert record["stems"]["vocals"]["bytes"] == len(bucket.read("stems/song 001/vocals.wav"))
    (songs / "song 001.wav").write_bytes((songs / "song 002.wav").read_bytes())
    bucket.add(songs, "songs")
    changed = separate(*words)
    assert changed.exit_code == 2
    assert "made with other settings or from another song: add --force" in changed.stderr


def test_prefixes_and_patterns_find_what_folders_and_patterns_do(bucket: Bucket, songs: Path) -> None:
    (songs / "notes.txt").write_text("no song")
    (songs / ".hidden.wav").write_bytes(b"")
    bucket.add(songs, "songs")
    bucket.add(songs, "songs/stems")
    for below in ("", "/*.wav", "/**/*.wav", "/alb*", "/album/song ???.wav"):
        found = find_songs([f"{songs}{below}"])
        remote = find_songs([f"{bucket.url}/songs{below}"], output=_remote.place_of(f"{bucket.url}/songs/stems"))
        assert sorted((song.song.name, str(song.folder)) for song in remote) == sorted(
            (song.song.name, str(song.folder)) for song in found
        )


@pytest.mark.parametrize(
    ("song", "output", "message"),
    [
        ("{url}/none.wav", "out", "{url}/none.wav: there is no such file, nor any below it"),
        ("{url}/songs", "s3://no-bucket/stems", "s3://no-bucket/stems: there is no bucket 'no-bucket'"),
        ("{url}/songs/notes*", "out", "{url}/songs/notes*: no song found"),
        (
            "{url}/songs",
            "https://localhost/stems",
            "https://localhost/stems: nothing can be written to an address on the web: name a folder with -o, or a URL "
            "such as s3://bucket/stems",
        ),
        ("nothing://a/b.wav", "out", "nothing://a/b.wav: no URL of a file store that fsspec knows"),
        ("file:///a/b.wav", "out", "file:///a/b.wav: files on this machine are named by their path"),
    ],
)
def test_urls_that_cannot_be_are_refused_before_anything_is_loaded(
    separate: Separate,
    bucket: Bucket,
    songs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    song: str,
    output: str,
    message: str,
) -> None:
    bucket.add(songs, "songs")
    monkeypatch.delattr("hfbs_separate._model.loaded")
    place = output.format(url=bucket.url) if ":" in output else tmp_path / output
    refused = separate(song.format(url=bucket.url), "-o", place)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"hfbs: error: {message.format(url=bucket.url)}"), refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.fixture
def web(songs: Path) -> Iterator[str]:
    """The address of a web server that has a song at any path, whatever the query."""
    song = (songs / "song 001.wav").read_bytes()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(song)))
            self.send_header("ETag", '"same"')
            self.end_headers()
            self.wfile.write(song)

        do_HEAD = do_GET  # the song after it, nobody reads

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/d/b.wav?token=eyJh.eyJz.c2ln", "b"),
        ("/My%20song.live.wav", "My song.live"),
        ("/d/b.wav?file=/x/../../up/ev", "b"),
        ("/d/b.wav?address=https://h/q.mp3", "b"),
        (f"/d/b.wav?key={'x' * 300}", "b"),
        ("/d/b.wav#t=10.5", "b"),
        ("/x%2Fy.wav", "y"),
        ("/%2e%2e?id=1", "%2e%2e"),
        ("/a%00.wav", "a%00"),
        ("/?id=1", "127.0.0"),
        ("/d/..", "127.0.0"),
    ],
)
def test_a_song_on_the_web_is_named_by_its_path_alone(web: str, tmp_path: Path, path: str, name: str) -> None:
    found = find_songs([f"{web}{path}"])
    (job,) = plan_jobs(found, ["vocals"], tmp_path, names=DEFAULT_NAMES, extension=".wav")
    assert job.files["vocals"] == tmp_path / name / "vocals.wav"


def test_what_may_be_a_key_to_a_song_on_the_web_is_not_written_down(
    separate: Separate, web: str, tmp_path: Path
) -> None:
    address = web.replace("//", "//user:word@")
    result = separate(f"{address}/My%20song.wav?token=secret.key#part", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "My song.wav: 0.3 s" in result.stderr
    record = json.loads((tmp_path / "My song" / "separation.json").read_text())
    assert record["song"]["path"] == f"{web}/My%20song.wav"
    again = separate(f"{address}/My%20song.wav?token=another", "-o", tmp_path, "--skip-existing")
    assert again.stderr.splitlines()[-1] == "1 song left alone, whose stems are there"


def failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    calls: list[int] = []

    def action() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return "done"

    return action, calls


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes time."""
    made: list[float] = []
    monkeypatch.setattr("hfbs_separate._remote.time.sleep", made.append)
    return made


@pytest.mark.parametrize("error", [OSError("reset by peer"), TimeoutError(), RuntimeError("a store's own")])
def test_what_a_network_does_is_tried_again_with_longer_and_longer_pauses(
    pauses: list[float], error: Exception
) -> None:
    action, calls = failing(3, error)
    assert patiently(action) == "done"
    assert (len(calls), pauses) == (4, sorted(pauses))
    action, calls = failing(4, error)
    with pytest.raises(OSError, match=str(error) or None):
        patiently(action)
    assert len(calls) == 4


@pytest.mark.parametrize(
    "error", [FileNotFoundError("gone"), PermissionError("denied"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_what_another_try_does_not_change_is_not_tried_again(pauses: list[float], error: OSError) -> None:
    action, calls = failing(1, error)
    with pytest.raises(type(error)):
        patiently(action)
    assert (len(calls), pauses) == (1, [])


def test_a_damaged_song_is_fetched_once_and_told(
    separate: Separate, bucket: Bucket, tmp_path: Path, pauses: list[float]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.wav").write_bytes(b"no song")
    bucket.add(tmp_path / "in", "songs")
    result = separate(f"{bucket.url}/songs", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert f"hfbs: error: {bucket.url}/songs/bad.wav: FFmpeg cannot read this file" in result.stderr
    assert pauses == []


def test_a_store_that_does_not_answer_is_one_line(
    bucket: Bucket, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3fs.S3FileSystem.isdir", lambda *_: (_ for _ in ()).throw(OSError("connection refused")))
    with pytest.raises(AudioFileError, match=f"^{bucket.url}/songs: connection refused$"):
        find_songs([f"{bucket.url}/songs"])
    assert len(pauses) == 3
