"""Files that appear whole or not at all, and what a dead process leaves of them."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate._parts import Part, clear_leftovers, new_folders, sync_folder, write_atomically

WRITE_WITHOUT_END = """
import sys
from pathlib import Path
import numpy as np
from hfbs_separate._write import stems_writer
files = {name: Path(sys.argv[1]) / f"{name}.{sys.argv[2]}" for name in ("vocals", "other")}
block = np.ones((1, 1000), np.float32)
with stems_writer(files, sample_rate=8000, channels=1, sample_format=sys.argv[3]) as stems:
    while True:
        stems.write(dict.fromkeys(files, block))
        print("writing", flush=True)
        sys.stdin.read(1)
"""


@contextmanager
def another_process(folder: Path, extension: str, sample_format: str) -> Generator[subprocess.Popen[str]]:
    """A process in the midst of writing vocals and other."""
    words = [sys.executable, "-c", WRITE_WITHOUT_END, folder, extension, sample_format]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            yield process
        finally:
            process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("extension", "sample_format"), [("wav", "float"), ("flac", "flac")])
def test_what_a_killed_process_leaves_is_cleared_and_what_a_living_one_writes_is_kept(
    tmp_path: Path, extension: str, sample_format: str
) -> None:
    places = [tmp_path / "song" / f"{name}.wav" for name in ("vocals", "other")]
    with another_process(tmp_path / "song", extension, sample_format) as process:
        assert clear_leftovers(places)
        assert clear_leftovers(places[1:])
        assert not clear_leftovers([tmp_path / "song" / "drums.wav", tmp_path / "vocals.wav"])
        assert len(names(tmp_path / "song")) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(names(tmp_path / "song")) == 2
    assert not clear_leftovers(places)
    assert names(tmp_path / "song") == []


def test_a_file_beside_that_of_another_process_takes_its_place(tmp_path: Path) -> None:
    with another_process(tmp_path, "wav", "float"):
        write_atomically(tmp_path / "vocals.wav", [b"mine"])
        assert clear_leftovers([tmp_path / "vocals.wav"])
    assert (tmp_path / "vocals.wav").read_bytes() == b"mine"


def test_only_temporary_files_of_these_places_are_leftovers(tmp_path: Path) -> None:
    kept = [
        "vocals.wav",
        ".vocals-0123456.part",
        ".vocals-0123456g.part",
        "vocals-01234567.part",
        ".other-01234567.part",
    ]
    for name in (*kept, ".vocals-01234567.part", ".vocals-89abcdef.part"):
        (tmp_path / name).touch()
    (tmp_path / ".vocals-00000000.part").mkdir()
    assert not clear_leftovers([tmp_path / "vocals.flac", tmp_path / "none" / "other.wav"])
    assert names(tmp_path) == sorted([*kept, ".vocals-00000000.part"])


def test_a_part_is_in_use_until_it_has_its_place(tmp_path: Path) -> None:
    place = tmp_path / "vocals.wav"
    part = Part(place)
    assert part.path.parent == tmp_path
    assert clear_leftovers([place])
    part.file.write(b"stem")
    part.sync()
    part.put()
    assert place.read_bytes() == b"stem"
    part.discard()
    assert not clear_leftovers([place])
    assert names(tmp_path) == ["vocals.wav"]


def remove(path: Path, _: int) -> None:
    """What clear_leftovers does in another process, all of it done before the owner takes the lock."""
    path.unlink()


def lock(path: Path, operation: int) -> None:
    """What clear_leftovers does first in another process."""
    lock.file = path.open("rb")
    REAL_FLOCK(lock.file, operation)


REAL_FLOCK = fcntl.flock


@pytest.mark.parametrize("intrude", [remove, lock])
def test_a_part_that_is_taken_for_a_leftover_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, intrude: Callable[[Path, int], None]
) -> None:
    tried: list[Path] = []

    def flock(file: object, operation: int) -> None:
        if not tried:
            tried.extend(tmp_path.iterdir())
            intrude(tried[0], operation)
        REAL_FLOCK(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    part = Part(tmp_path / "vocals.wav")
    assert tried[0] != part.path
    assert part.path.exists()
    assert clear_leftovers([tmp_path / "vocals.wav"])
    part.discard()
    if intrude is lock:
        lock.file.close()
        tried[0].unlink()
    assert names(tmp_path) == []


def test_on_a_disk_without_locks_parts_are_written_and_leftovers_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    leftover = tmp_path / ".vocals-01234567.part"
    leftover.touch()
    assert not clear_leftovers([tmp_path / "vocals.wav"])
    write_atomically(tmp_path / "vocals.wav", [b"stem"])
    assert names(tmp_path) == [leftover.name, "vocals.wav"]


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=250))
def test_a_temporary_name_is_short_or_no_longer_than_the_places(
    tmp_path_factory: pytest.TempPathFactory, stem: str
) -> None:
    while len(f"{stem}.wav".encode()) > 255:
        stem = stem[:-1]
    folder = tmp_path_factory.mktemp("parts")
    place = folder / f"{stem}.wav"
    part = Part(place)
    assert len(part.path.name.encode()) <= max(len(place.name.encode()), 64)
    assert clear_leftovers([place.with_suffix(".part")])
    part.put()
    assert names(folder) == [place.name]
    (folder / part.path.name).touch()
    assert not clear_leftovers([place])
    assert names(folder) == [place.name]


@pytest.mark.parametrize("existing", [False, True])
def test_a_small_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    path = tmp_path / "separation.json"
    if existing:
        path.write_bytes(b"before")
    seen: list[bytes | None] = []

    def fsync(_: int) -> None:
        seen.append(path.read_bytes() if path.exists() else None)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="No space left on device"):
            write_atomically(path, [b"{}"])
    assert seen == [b"before" if existing else None]
    assert names(tmp_path) == (["separation.json"] if existing else [])
    write_atomically(path, [b"{}"])
    assert path.read_bytes() == b"{}"
    assert names(tmp_path) == ["separation.json"]


def test_a_lost_folder_is_told_by_its_reason(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "lost" / "separation.json", [b"{}"])


def test_a_disk_that_syncs_no_folders_is_no_error_but_a_failing_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(code: int) -> Callable[[int], None]:
        def fsync(_: int) -> None:
            raise OSError(code, os.strerror(code))

        return fsync

    monkeypatch.setattr(os, "fsync", fail(errno.EINVAL))
    sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", fail(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(tmp_path)
    tmp_path.chmod(0o300)
    if not os.access(tmp_path, os.R_OK):  # as it is for all but root
        sync_folder(tmp_path)


def test_new_folders_that_stay_empty_are_removed_again(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    wanted = {tmp_path / "there", tmp_path / "a" / "b", tmp_path / "a" / "c"}
    with new_folders(wanted) as changed:
        assert changed == {*wanted, tmp_path, tmp_path / "a"}
        assert all(folder.is_dir() for folder in wanted)
        (tmp_path / "a" / "c" / "stem").touch()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "a",
        "a/c",
        "a/c/stem",
        "there",
    ]


def test_the_reason_of_a_failure_outlives_a_folder_that_vanished(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folders({tmp_path / "a"}):
            (tmp_path / "a").rmdir()
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
