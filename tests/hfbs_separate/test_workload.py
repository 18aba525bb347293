"""How much of a run is done and left: by seconds of audio, from headers as songs come and from sizes before."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hfbs_separate._workload import Workload
from hfbs_separate.terminal import Terminal


@pytest.fixture
def songs(tmp_path: Path) -> Callable[..., list[Path]]:
    """Files of these sizes, by their endings."""

    def write(*files: tuple[str, int]) -> list[Path]:
        paths = [tmp_path / f"{number}{ending}" for number, (ending, _) in enumerate(files)]
        for path, (_, size) in zip(paths, files, strict=True):
            path.write_bytes(bytes(size))
        return paths

    return write


def test_lengths_to_come_are_from_sizes_by_the_ending_of_names(songs: Callable[..., list[Path]]) -> None:
    work = Workload(songs((".wav", 1000), (".wav", 3000), (".mp3", 100), (".WAV", 2000), (".mp3", 300)))
    assert (work.seconds, work.seconds_done, work.seconds_left) == (None, 0, None)
    work.begin(10)  # 100 bytes a second
    assert work.seconds == pytest.approx(10 + 30 + 1 + 20 + 3)
    work.end(10)
    work.begin(30)
    work.end(30)
    work.begin(10)  # 10 bytes a second, from here on for .mp3
    assert work.seconds == pytest.approx(10 + 30 + 10 + 20 + 30)
    work.end(10)
    work.begin(20)
    work.end(20)
    work.begin(30)
    work.end(30)
    assert (work.seconds, work.seconds_done, work.ended) == (100, 100, 5)


def test_songs_of_unknown_length_count_as_the_mean_of_the_others(tmp_path: Path) -> None:
    work = Workload([Path("-"), tmp_path / "gone.wav", tmp_path / "gone.flac"])
    work.begin(None)
    assert work.seconds is None
    work.advance(0.5)
    assert work.seconds_done == 0
    work.end(60)
    assert work.seconds == 180
    work.begin(120)
    assert work.seconds == 60 + 120 + 90
    work.end(None)  # failed before anything was done
    assert work.seconds == 60 + 90


def test_a_header_that_tells_no_length_leaves_the_size_to_tell_it(songs: Callable[..., list[Path]]) -> None:
    work = Workload(songs((".wav", 1000), (".wav", 5000)))
    work.begin(10)
    work.end(10)
    work.begin(None)
    work.advance(0.5)
    assert (work.seconds, work.seconds_done) == (60, 35)
    work.end(55)
    assert (work.seconds, work.seconds_done) == (65, 65)


def test_songs_left_alone_leave_the_sum_and_make_nothing_look_faster(songs: Callable[..., list[Path]]) -> None:
    now = 0.0
    work = Workload(songs(*[(".wav", 1000)] * 10), lambda: now)
    for _ in range(8):
        work.end(None)
    now = 1000.0
    work.begin(10)
    assert work.seconds == 20
    now = 1004.0
    work.advance(0.5)
    assert work.seconds_left == pytest.approx(4 * 15 / 5)
    now = 1008.0
    work.end(10)
    now = 1100.0  # between songs
    assert work.seconds_left == pytest.approx(8)


def test_work_never_goes_back_where_stems_are_encoded_after_they_were_separated(
    songs: Callable[..., list[Path]],
) -> None:
    work = Workload(songs((".wav", 1000)))
    work.begin(10)
    work.advance(1)
    work.advance(0)
    assert work.seconds_done == 10
    work.advance(7)
    assert work.seconds_done == 10


@given(st.lists(st.tuples(st.sampled_from([".wav", ".mp3"]), st.integers(0, 9), st.sampled_from("sfnu"))))
def test_in_the_end_what_is_in_all_is_what_was_done(run: list[tuple[str, int, str]]) -> None:
    """Of songs separated, failed, left alone, or without a length in their headers."""
    work = Workload([Path(f"/nowhere/x{ending}") for ending, _, _ in run])
    for _, seconds, fate in run:
        if fate != "n":
            work.begin(None if fate == "u" else seconds)
            work.advance(0.25)
        work.end(seconds if fate in "su" else None)
    separated = sum(seconds for _, seconds, fate in run if fate in "su")
    failed = sum(seconds / 4 for _, seconds, fate in run if fate == "f")
    assert work.seconds_done == work.seconds == pytest.approx(separated + failed)


def test_bars_show_seconds_of_audio_and_the_time_left_of_all(songs: Callable[..., list[Path]]) -> None:
    terminal = Terminal()
    stream = io.StringIO()
    terminal._console = Console(file=stream, force_terminal=True, width=80, highlight=False)
    now = 0.0
    paths = songs((".wav", 1000), (".wav", 9000))
    with terminal.bars(paths) as bars:
        bars._workload._clock = lambda: now
        bars.begin_song(10.0)
        update = bars.of("[1/2] separating")
        assert update is not None
        now = 30.0
        update(80, 80)
        bars.next_song(10.0)
        bars._progress.refresh()  # type: ignore[attr-defined]
    shown = click.unstyle(stream.getvalue())
    assert "all songs" in shown
    assert " 10% 04:30 left" in shown  # not 50%: the second song is nine times as long


def test_progress_as_json_tells_seconds_of_all_songs(
    songs: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal("json")
    with terminal.bars(songs((".wav", 1000), (".wav", 9000))) as bars:
        bars.begin_song(10.0)
        update = bars.of("separating")
        assert update is not None
        update(0, 80)
        update(40, 80)
        bars.next_song(10.0)
        bars.begin_song(90.0)
        update = bars.of("separating")
        assert update is not None
        update(0, 720)
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["done"], first["total"]) == (0, 80)
    assert first["songs"] == {"count": 2, "ended": 0, "seconds": 100.0, "done": 0.0, "left": None}
    left = second["songs"].pop("left")
    assert second["songs"] == {"count": 2, "ended": 0, "seconds": 100.0, "done": 5.0}
    assert left >= 0
    assert (third["songs"]["ended"], third["songs"]["done"]) == (1, 10.0)


def test_one_song_has_no_sum(songs: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("json").bars(songs((".wav", 1000))) as bars:
        bars.begin_song(10.0)
        update = bars.of("separating")
        assert update is not None
        update(40, 80)
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert event == {"event": "progress", "message": "separating", "done": 40, "total": 80}


def test_ten_thousand_songs_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr(Path, "open", opened)
    work = Workload([tmp_path / f"{number}.flac" for number in range(10_000)])
    work.begin(200.0)
    assert work.seconds == 2_000_000
