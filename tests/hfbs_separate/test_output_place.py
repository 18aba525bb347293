"""What cannot be written is refused before the work on it, whatever keeps it from being written."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hfbs_separate import OutputError
from hfbs_separate._output_place import check_folder, check_new_file
from hfbs_separate.cli import main

LONG = "x" * 300
CLOSED = "closed"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with another one that may not be entered, whoever runs the tests."""
    stat = Path.stat
    (tmp_path / CLOSED).mkdir()

    def guarded(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.parent == tmp_path / CLOSED:
            raise PermissionError(13, "Permission denied")
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", guarded)
    return tmp_path


def refusal(action: Callable[[], None]) -> str:
    with pytest.raises(OutputError) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/new.csv", "there is no folder {folder}/none: create it, or name another"),
        ("file/new.csv", "there is no folder {folder}/file: create it, or name another"),
        ("deeper", "{folder}/deeper is a folder: name another"),
        ("file", "{folder}/file exists: add --force to overwrite it, or name another"),
        (LONG, f"{{folder}}/{LONG} cannot be written: file name too long; name another"),
        (f"{LONG}/new.csv", f"{{folder}}/{LONG} cannot be written: file name too long; name another"),
        (f"{CLOSED}/new.csv", f"{{folder}}/{CLOSED}/new.csv cannot be written: permission denied; name another"),
        ("loop", "{folder}/loop cannot be written: too many levels of symbolic links; name another"),
    ],
)
def test_a_place_that_takes_no_new_file_is_refused(folder: Path, name: str, message: str) -> None:
    (folder / "deeper").mkdir()
    (folder / "file").touch()
    (folder / "loop").symlink_to("loop")
    told = refusal(lambda: check_new_file(folder / name, "name another", overwrite=False))
    assert told == message.format(folder=folder)


def test_a_folder_without_the_right_to_write_takes_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    told = refusal(lambda: check_new_file(folder / "new.csv", "name another", overwrite=True))
    assert told == f"{folder} may not be written to: name another"


def test_a_file_that_may_be_overwritten_is_a_place(folder: Path) -> None:
    (folder / "file").touch()
    check_new_file(folder / "file", "name another", overwrite=True)
    check_new_file(folder / "new", "name another", overwrite=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{CLOSED}/out", "{place} cannot be written: permission denied; name another folder with -o"),
        (LONG, "{place} cannot be written: file name too long; name another folder with -o"),
        ("file/out", "{place.parent} is a file, so {place} cannot be the output folder: name another with -o"),
    ],
)
def test_a_place_that_takes_no_folder_is_refused(folder: Path, name: str, message: str) -> None:
    (folder / "file").touch()
    assert refusal(lambda: check_folder(folder / name)) == message.format(place=folder / name)


@pytest.mark.parametrize(
    "words",
    [
        ["separate", "song.wav", "-o", LONG],
        ["view", ".", "-o", f"{LONG}.html"],
        ["view", ".", "-o", f"{LONG}/page.html"],
        ["view", ".", "--picture", f"{LONG}.png"],
        ["evaluate", ".", "--csv", LONG],
        ["convert", "demo", f"{LONG}.safetensors"],
        ["export", "demo", f"{LONG}.onnx"],
        ["demo", "-o", LONG],
    ],
)
def test_every_command_tells_of_a_name_that_is_too_long_in_a_line_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], encode: Callable[..., Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "song.wav", np.zeros((2, 100), np.float32), 44100, "pcm_s16le")
    result = CliRunner().invoke(main, words, prog_name="hfbs")
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("hfbs: error: ")
    assert "file name too long" in line
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]
