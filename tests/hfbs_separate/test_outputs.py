"""Where stems go, and what is refused before any work is done."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate import OutputError
from hfbs_separate._outputs import plan_jobs, song_name

STEMS = ("vocals", "other")


def refusal(songs: list[Path], folder: Path, stems: tuple[str, ...] = STEMS, *, overwrite: bool = False) -> str:
    with pytest.raises(OutputError) as caught:
        plan_jobs(songs, stems, folder, extension=".wav", overwrite=overwrite)
    return str(caught.value)


def test_each_stem_of_each_song_has_its_own_place(tmp_path: Path) -> None:
    songs = [Path("a/one.flac"), Path("b/two.part.mp3")]
    jobs = plan_jobs(songs, STEMS, tmp_path, extension=".flac", overwrite=False)
    assert [job.song for job in jobs] == songs
    assert [file.relative_to(tmp_path).as_posix() for job in jobs for file in job.files.values()] == [
        "one/vocals.flac",
        "one/other.flac",
        "two.part/vocals.flac",
        "two.part/other.flac",
    ]
    assert list(tmp_path.iterdir()) == []


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_a_songs_name_never_leaves_the_folder(name: str) -> None:
    song = Path("songs") / name
    if song.name == name:  # "." and ".." name no file
        place = song_name(song)
        assert (Path("out") / place).parent == Path("out")
        assert place not in ("", ".", "..")


@pytest.mark.parametrize(
    ("one", "two"), [("a/song.flac", "b/song.mp3"), ("a/Song.wav", "a/song.wav"), ("x.wav", "x.wav")]
)
def test_songs_that_would_share_a_folder_are_refused(tmp_path: Path, one: str, two: str) -> None:
    message = refusal([Path(one), Path(two)], tmp_path)
    assert message.startswith(f"{one} and {two} would both write their stems to {tmp_path}/")
    assert message.endswith("separate them in two calls with different output folders")


def test_a_stem_that_exists_is_refused_by_name_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    existing = tmp_path / "song" / "other.wav"
    existing.parent.mkdir()
    existing.touch()
    assert refusal([Path("song.wav")], tmp_path) == (
        f"{existing} exists: add --force to overwrite it, or name another folder with -o"
    )
    (job,) = plan_jobs([Path("song.wav")], STEMS, tmp_path, extension=".wav", overwrite=True)
    assert job.files["other"] == existing


def test_a_song_is_never_overwritten_by_its_own_stem(tmp_path: Path) -> None:
    song = tmp_path / "vocals" / "vocals.wav"
    song.parent.mkdir()
    song.touch()
    message = refusal([song], tmp_path, overwrite=True)
    assert message.startswith(f"{song} is a song to be separated and would be overwritten")


def test_a_file_in_the_way_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "song").touch()
    assert refusal([Path("song.wav")], tmp_path / "file" / "out").startswith(f"{tmp_path / 'file'} is a file, so ")
    assert refusal([Path("song.wav")], tmp_path).startswith(f"{tmp_path / 'song'} is a file, so no stem can be written")


def test_a_folder_in_the_way_of_a_stem_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song" / "vocals.wav").mkdir(parents=True)
    assert "is a folder, so the stem cannot be written there" in refusal([Path("song.wav")], tmp_path, overwrite=True)


def test_a_folder_without_the_right_to_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert refusal([Path("song.wav")], tmp_path / "out") == (
        f"{tmp_path} may not be written to: name another output folder with -o"
    )


@pytest.mark.parametrize("stem", ["", "..", ".hidden", "../../etc/cron", "a/b", "a\\b", "a:b", "line\nbreak"])
def test_a_stem_whose_name_is_no_file_name_is_refused(tmp_path: Path, stem: str) -> None:
    assert refusal([Path("song.wav")], tmp_path, ("vocals", stem)) == (
        f"the configuration names a stem {stem!r}, which is no file name: rename it there"
    )


def test_stems_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    assert "names two stems alike: Vocals, vocals" in refusal([Path("song.wav")], tmp_path, ("Vocals", "vocals"))
