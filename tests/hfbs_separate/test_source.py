"""Standard input is a song like a file, and whatever stops a song from being read is one line."""

import errno
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from hfbs_separate import AudioFileError, _source
from hfbs_separate._decode import SongFile, decode, open_song

STDIN = Path("-")
SAMPLES = 600_000


def give(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def samples(song: SongFile) -> np.ndarray:
    return np.concatenate(list(song.blocks()), axis=1)


def refusal(path: Path) -> str:
    with pytest.raises(AudioFileError) as caught:
        decode(path)
    return str(caught.value)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Two channels of noise: 4.8 MB, of which FFmpeg reads 1.7 on opening it."""
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, (SAMPLES, 2)), 44100, "FLOAT")
    return path


@pytest.mark.parametrize(("suffix", "codec"), [("wav", ""), ("m4a", "aac")])
def test_standard_input_gives_what_the_file_gives(
    song: Path, encode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, codec: str
) -> None:
    if codec:  # its index is at the end, so that it cannot be read as it comes in
        song = encode(tmp_path / f"song.{suffix}", soundfile.read(song, dtype="float32")[0].T, 44100, codec)
    give(monkeypatch, song.read_bytes())
    piped, named = open_song(STDIN), open_song(song)
    assert piped.path == Path("stdin")
    assert (piped.channels, piped.sample_rate, piped.seconds) == (named.channels, named.sample_rate, named.seconds)
    np.testing.assert_array_equal(samples(piped), samples(named))
    for one, same in zip(piped.blocks(), piped.blocks(), strict=True):  # twice at once
        np.testing.assert_array_equal(one, same)


def test_two_songs_from_standard_input_do_not_share_a_file(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, song.read_bytes())
    first = open_song(STDIN)
    quiet = io.BytesIO()
    soundfile.write(quiet, np.zeros((10, 1)), 8000, format="WAV")
    give(monkeypatch, quiet.getvalue())
    second = open_song(STDIN)
    assert samples(first).shape == (2, SAMPLES)
    assert samples(second).shape == (1, 10)


def test_errors_name_standard_input_and_pipe_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    surround = io.BytesIO()
    soundfile.write(surround, np.zeros((10, 6)), 8000, format="WAV")
    give(monkeypatch, surround.getvalue())
    assert refusal(STDIN) == (
        "stdin: 6 channels, but mono or stereo is needed: downmix first, as with: ffmpeg -i - -vn -ac 2 stereo.wav"
    )


def test_standard_input_that_gives_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, b"")
    assert refusal(STDIN) == "stdin: standard input is empty (0 bytes)"
    monkeypatch.setattr(sys, "stdin", None)
    assert refusal(STDIN) == "stdin: standard input is closed; pipe a song into it, or name a file"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(closed=False, isatty=lambda: True)))
    assert refusal(STDIN) == "stdin: standard input is a terminal; pipe a song into it, or name a file"


def test_a_disk_without_room_for_standard_input_is_named(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    give(monkeypatch, song.read_bytes())
    assert refusal(STDIN) == (
        f"stdin: cannot be kept in {tempfile.gettempdir()}: no space left on device; "
        "make room there, or name another folder by the environment variable TMPDIR"
    )


@pytest.mark.skipif(os.name != "posix", reason="a file's number of links")
def test_standard_input_leaves_no_file(song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    give(monkeypatch, song.read_bytes())
    kept = open_song(STDIN)
    assert list(folder.iterdir()) == []
    assert samples(kept).shape == (2, SAMPLES)


MEASURE = """
import resource, sys
from pathlib import Path
from hfbs_separate._decode import open_song
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
song = open_song(Path(sys.argv[1]))
samples = sum(block.shape[1] for block in song.blocks())
print(samples, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.unchecked
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory in Linux's unit")
@pytest.mark.parametrize("piped", [False, True])
def test_half_an_hour_takes_no_more_memory_than_seconds(tmp_path: Path, piped: bool) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros((1, 2)), 44100, "PCM_16")
    header = bytearray(path.read_bytes()[:-4])
    length = 4 * 44100 * 1800
    header[-4:] = length.to_bytes(4, "little")
    with path.open("wb") as file:  # takes no room on the disk
        file.write(header)
        file.truncate(len(header) + length)
    with path.open("rb") as stdin:
        words = [sys.executable, "-c", MEASURE, "-" if piped else path]
        run = subprocess.run(words, stdin=stdin, capture_output=True, text=True, check=True)
    samples, kilobytes = map(int, run.stdout.split())
    assert samples == 44100 * 1800
    assert kilobytes < 20_000


def test_a_single_packet_too_large_to_hold_is_not_read(
    tmp_path: Path, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "song.mov", np.zeros((2, 44100), np.float32), 44100, "aac")
    monkeypatch.setattr(_source, "_AT_ONCE", path.stat().st_size // 2)
    assert refusal(path) == f"{path}: FFmpeg cannot read this file: nothing that can be decoded within 0 MB"


def test_a_film_whose_sound_ends_early_is_read_to_its_end(
    tmp_path: Path, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "film.mkv", np.zeros((2, 44100), np.float32), 44100, "flac", video=True, pictures=2000)
    monkeypatch.setattr(_source, "_AT_ONCE", path.stat().st_size // 4)
    assert decode(path).audio.shape == (2, 44100)


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [-1, 3_000_000])
def test_what_stops_the_reading_is_what_is_raised(
    song: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], failure: BaseException, after: int
) -> None:
    class Failing(io.FileIO):
        given = 0

        def read(self, size: int | None = -1) -> bytes:
            if self.given > after:
                raise failure
            data = super().read(size)
            self.given += len(data)
            return data

    opened = open_song(song)
    monkeypatch.setattr(_source, "FileIO", Failing)
    with pytest.raises(KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else AudioFileError) as caught:
        list(opened.blocks())
    if isinstance(failure, OSError):
        doing = "stopped reading in mid-file" if after > 0 else "cannot read this file"
        assert str(caught.value) == f"{song}: FFmpeg {doing}: input/output error"
    assert capfd.readouterr() == ("", "")


def test_a_disk_that_fails_at_the_first_byte_is_an_error_in_words(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(_source, "FileIO", Failing)
    assert refusal(song) == f"{song}: input/output error"


def test_a_song_that_is_gone_by_the_time_it_is_decoded_is_an_error_in_words(song: Path) -> None:
    opened = open_song(song)
    song.unlink()
    with pytest.raises(AudioFileError, match=r"song\.wav: no such file or directory$"):
        list(opened.blocks())
