"""Where stems go, and what is refused before any work is done."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate import OutputError
from hfbs_separate._places import DEFAULT_NAMES, Job, plan_jobs, refuse_existing, song_name
from hfbs_separate._songs import FoundSong

STEMS = ("vocals", "other")


def planned(
    songs: list[Path], folder: Path, stems: tuple[str, ...] = STEMS, names: str = DEFAULT_NAMES, below: str = "."
) -> list[Job]:
    found = [FoundSong(song, Path(below)) for song in songs]
    return plan_jobs(found, stems, folder, names=names, extension=".wav")


def refusal(songs: list[Path], folder: Path, stems: tuple[str, ...] = STEMS, names: str = DEFAULT_NAMES) -> str:
    with pytest.raises(OutputError) as caught:
        refuse_existing(planned(songs, folder, stems, names), folder)
    return str(caught.value)


def test_each_stem_of_each_song_has_its_own_place(tmp_path: Path) -> None:
    songs = [Path("a/one.flac"), Path("b/two.part.mp3")]
    jobs = planned(songs, tmp_path)
    assert [job.song for job in jobs] == songs
    assert [file.relative_to(tmp_path).as_posix() for job in jobs for file in job.files.values()] == [
        "one/vocals.wav",
        "one/other.wav",
        "two.part/vocals.wav",
        "two.part/other.wav",
    ]
    assert [job.record.relative_to(tmp_path).as_posix() for job in jobs] == [
        "one/separation.json",
        "two.part/separation.json",
    ]
    assert list(tmp_path.iterdir()) == []


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_a_songs_name_never_leaves_the_folder(name: str) -> None:
    song = Path("songs") / name
    if song.name == name:  # "." and ".." name no file
        place = song_name(song)
        assert (Path("out") / place).parent == Path("out")
        assert place not in ("", ".", "..")


@pytest.mark.parametrize(("one", "two"), [("a/song.flac", "b/song.mp3"), ("a/Song.wav", "a/song.wav")])
def test_songs_that_would_share_a_folder_are_refused(tmp_path: Path, one: str, two: str) -> None:
    message = refusal([Path(one), Path(two)], tmp_path)
    assert message.startswith(f"{one} and {two} would both write {tmp_path}/")
    assert message.endswith("separate them in two calls with different output folders")


def test_a_stem_that_exists_is_refused_by_name_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    existing = tmp_path / "song" / "other.wav"
    existing.parent.mkdir()
    existing.touch()
    assert refusal([Path("song.wav")], tmp_path) == (
        f"{existing} exists: add --skip-existing to leave finished songs alone, --force to overwrite, "
        "or name another folder with -o"
    )
    (job,) = planned([Path("song.wav")], tmp_path)
    assert job.files["other"] == existing
    assert job.missing == [tmp_path / "song" / "vocals.wav"]


def test_a_song_is_never_overwritten_by_its_own_stem(tmp_path: Path) -> None:
    song = tmp_path / "vocals" / "vocals.wav"
    song.parent.mkdir()
    song.touch()
    message = refusal([song], tmp_path)
    assert message.startswith(f"{song} is a song to be separated and would be overwritten")


def test_a_file_in_the_way_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "song").touch()
    assert refusal([Path("song.wav")], tmp_path / "file" / "out").startswith(f"{tmp_path / 'file'} is a file, so ")
    assert refusal([Path("song.wav")], tmp_path).startswith(f"{tmp_path / 'song'} is a file, so no stem can be written")


def test_a_folder_in_the_way_of_a_stem_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song" / "vocals.wav").mkdir(parents=True)
    assert "is a folder, so the stem cannot be written there" in refusal([Path("song.wav")], tmp_path)


def test_a_folder_without_the_right_to_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert refusal([Path("song.wav")], tmp_path / "out") == (
        f"{tmp_path} may not be written to: name another output folder with -o"
    )


def test_a_stem_whose_name_is_too_long_is_refused(tmp_path: Path) -> None:
    song = Path("x" * 251 + ".wav")
    assert refusal([song], tmp_path, names="{song}-{stem}") == (
        f"{tmp_path}/{song.stem}-vocals.wav cannot be written: file name too long; name another folder with -o"
    )


@pytest.mark.parametrize("stem", ["", "..", ".hidden", "../../etc/cron", "a/b", "a\\b", "a:b", "line\nbreak"])
def test_a_stem_whose_name_is_no_file_name_is_refused(tmp_path: Path, stem: str) -> None:
    assert refusal([Path("song.wav")], tmp_path, ("vocals", stem)) == (
        f"a stem is named {stem!r}, which is no file name: rename it with --set stems=[…]"
    )


def test_stems_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    assert "two stems are named alike: Vocals, vocals" in refusal([Path("song.wav")], tmp_path, ("Vocals", "vocals"))


def test_a_template_names_stems_and_songs_keep_their_place_among_folders(tmp_path: Path) -> None:
    (job,) = planned([Path("in/album/one.flac")], tmp_path, names="{stem}/{song} ({stem})", below="album")
    assert job.files["vocals"] == tmp_path / "album" / "vocals" / "one (vocals).wav"
    assert job.record == tmp_path / "album" / "separation" / "one (separation).json"


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ("{song}", "got '{song}' without {stem}"),
        ("{song}/{stems}", "got {stems} in '{song}/{stems}'"),
        ("{song}/x{stem:.0}", "got {stem:.0} in '{song}/x{stem:.0}'"),
        ("{song:>9}/{stem}", "got {song:>9} in '{song:>9}/{stem}'"),
        ("{stem:d}", "got {stem:d} in '{stem:d}'"),
        ("{stem:{x}}", "got {stem:{x}} in '{stem:{x}}'"),
        ("{stem!x}", "got {stem!x} in '{stem!x}'"),
        ("{stem!r:4}", "got {stem!r:4} in '{stem!r:4}'"),
        ("{stem.upper}", "got {stem.upper} in '{stem.upper}'"),
        ("{song}{}{stem}", "got {} in '{song}{}{stem}'"),
        ("{song/{stem}", "got '{song/{stem}': unexpected '{' in field name"),
        ("/tmp/{stem}", "got '/tmp/{stem}'"),
        ("../{stem}", "got '../{stem}'"),
        ("{stem}/", "got '{stem}/'"),
    ],
)
def test_a_template_that_leaves_no_place_for_each_stem_is_refused(tmp_path: Path, names: str, problem: str) -> None:
    message = refusal([Path("song.wav")], tmp_path, names=names)
    assert message.startswith("names are a path below the output folder with {stem} in it, and {song}, such as ")
    assert message.endswith(problem)


@given(st.lists(st.sampled_from(["{song", "{stem", "{", "}", ":", "!", "r", ".0", ".", "/", " "])).map("".join))
def test_a_template_is_refused_or_gives_each_stem_a_place_below_the_folder(names: str) -> None:
    try:
        (job,) = planned([Path("song.wav")], Path("out"), names=names)
    except OutputError:
        return
    assert len(set(job.files.values())) == len(STEMS)
    assert all(file.is_relative_to("out") for file in job.files.values())


def test_a_template_without_the_song_is_refused_for_two_songs(tmp_path: Path) -> None:
    assert "would both write" in refusal([Path("one.wav"), Path("two.wav")], tmp_path, names="{stem}")
