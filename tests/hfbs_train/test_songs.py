"""Which files are which stems of which songs."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate import DatasetError
from hfbs_train import ConfigurationError
from hfbs_train.data import TrainingSong, find_training_songs

FOUR = ("vocals", "drums", "bass", "other")


def touch(folder: Path, *names: str) -> Path:
    """Empty files: finding looks at names alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def gains(parts: tuple) -> dict[str, int]:
    return {part.path.name: part.gain for part in parts}


def test_a_folder_per_song_has_a_file_per_stem(tmp_path: Path) -> None:
    touch(tmp_path / "two", "vocals.flac", "drums.ogg", "cover.jpg", ".vocals.wav")
    touch(tmp_path / "one", "vocals.wav", "drums.mp3", "mixture.wav")
    one, two = find_training_songs([tmp_path])
    assert (one.name, two.name) == ("one", "two")
    assert {stem: gains(parts) for stem, parts in one.stems.items()} == {
        "drums": {"drums.mp3": 1},
        "vocals": {"vocals.wav": 1},
    }
    assert (one.rest, one.mixture, one.missing, one.is_whole) == ((), tmp_path / "one" / "mixture.wav", (), True)
    assert {stem: gains(parts) for stem, parts in two.stems.items()} == {
        "drums": {"drums.ogg": 1},
        "vocals": {"vocals.flac": 1},
    }
    assert one.files == (tmp_path / "one/drums.mp3", tmp_path / "one/vocals.wav", tmp_path / "one/mixture.wav")


@pytest.mark.parametrize(
    ("stems", "rest"),
    [
        ({stem: [stem] for stem in FOUR}, {}),
        ({"vocals": ["vocals"], "instrumental": ["drums", "bass", "other"]}, {}),
        ({"vocals": ["vocals"], "instrumental": ["mixture", "-vocals"]}, {}),
        ({"vocals": ["vocals"]}, {"drums.wav": 1, "bass.wav": 1, "other.wav": 1}),
        ({"instrumental": ["mixture", "-vocals"]}, {"vocals.wav": 1}),
        ({"vocals": ["vocals"], "all": ["vocals", "drums", "bass", "other"]}, {"vocals.wav": -1}),
    ],
)
def test_stems_and_rest_are_the_mixture(tmp_path: Path, stems: dict[str, list[str]], rest: dict[str, int]) -> None:
    touch(tmp_path / "song", *(f"{stem}.wav" for stem in (*FOUR, "mixture")))
    (song,) = find_training_songs([tmp_path], stems)
    assert gains(song.rest) == rest


@given(data=st.data())
def test_whatever_stems_are_they_and_the_rest_count_each_file_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "laws"
    touch(folder / "song", *(f"{stem}.wav" for stem in (*FOUR, "mixture")))
    files = st.lists(st.sampled_from(FOUR).flatmap(lambda name: st.sampled_from([name, f"-{name}"])), min_size=1)
    stems = data.draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), files, min_size=1))
    (song,) = find_training_songs([folder], stems, mixture=data.draw(st.sampled_from(["sum", "file"])))
    total = Counter()
    for parts in (*song.stems.values(), song.rest):
        for part in parts:
            total[part.path.stem] += part.gain
    assert {name: count for name, count in total.items() if count} in (dict.fromkeys(FOUR, 1), {"mixture": 1})


def test_the_mixture_is_the_file_where_the_sum_leaves_something_out(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "song", "vocals.wav", "mixture.wav")
    (lone,) = find_training_songs([tmp_path / "a"], {"vocals": ["vocals"]})
    assert gains(lone.rest) == {"mixture.wav": 1, "vocals.wav": -1}
    touch(tmp_path / "b" / "song", "vocals.wav", "drums.wav", "mixture.wav")
    both = {"vocals": ["vocals"], "drums": ["drums"]}
    assert gains(find_training_songs([tmp_path / "b"], both)[0].rest) == {}
    assert gains(find_training_songs([tmp_path / "b"], both, mixture="file")[0].rest) == {
        "mixture.wav": 1,
        "vocals.wav": -1,
        "drums.wav": -1,
    }


def partly(tmp_path: Path, missing: str, **more: str) -> dict[str, TrainingSong]:
    touch(tmp_path / "all", "vocals.wav", "drums.wav", "bass.wav")
    touch(tmp_path / "some", "vocals.wav", "bass.wav", "mixture.wav")
    touch(tmp_path / "none", "vocals.wav", "bass.wav", "guitar.wav")
    stems = {stem: [stem] for stem in ("vocals", "drums", "bass")}
    return {song.name: song for song in find_training_songs([tmp_path], stems, missing=missing, **more)}


def test_a_missing_stem_is_noted(tmp_path: Path) -> None:
    songs = partly(tmp_path, "error")
    assert {name: song.missing for name, song in songs.items()} == {"all": (), "none": ("drums",), "some": ("drums",)}


def test_a_missing_stem_may_be_silent(tmp_path: Path) -> None:
    songs = partly(tmp_path, "silent")
    assert songs["some"].stems["drums"] == ()
    assert gains(songs["some"].rest) == {}
    assert gains(songs["none"].rest) == {"guitar.wav": 1}
    assert all(song.missing == () for song in songs.values())


def test_a_missing_stem_may_be_unlabelled(tmp_path: Path) -> None:
    songs = partly(tmp_path, "unlabelled")
    assert list(songs["some"].stems) == ["vocals", "bass"]
    assert gains(songs["some"].rest) == {"mixture.wav": 1, "vocals.wav": -1, "bass.wav": -1}
    assert gains(songs["none"].rest) == {"guitar.wav": 1}
    assert all(song.missing == () for song in songs.values())


def test_what_is_left_of_a_mixture_that_is_not_there_is_never_silent(tmp_path: Path) -> None:
    touch(tmp_path / "one", "vocals.wav", "mixture.wav")
    touch(tmp_path / "two", "vocals.wav")
    songs = find_training_songs([tmp_path], {"instrumental": ["mixture", "-vocals"]}, missing="silent")
    assert [(song.name, song.missing) for song in songs] == [("one", ()), ("two", ("mixture",))]


@pytest.mark.parametrize("layout", ["auto", "stems"])
def test_a_folder_per_stem_holds_single_stems(tmp_path: Path, layout: str) -> None:
    touch(tmp_path / "vocals", "a.wav", "b.flac", "notes.txt")
    touch(tmp_path / "drums", "a.mp3")
    touch(tmp_path / "guitar", "a.wav")
    songs = find_training_songs([tmp_path], {"voice": ["vocals"], "drums": ["drums"]}, layout=layout)
    assert [(song.name, {stem: gains(parts) for stem, parts in song.stems.items()}) for song in songs] == [
        ("a", {"voice": {"a.wav": 1}}),
        ("b", {"voice": {"b.flac": 1}}),
        ("a", {"drums": {"a.mp3": 1}}),
    ]
    assert not any(song.is_whole or song.rest for song in songs)


def test_a_table_names_files(tmp_path: Path) -> None:
    table = tmp_path / "files.csv"
    table.write_text("instrum,path\nvocals,far/a.wav\nguitar,b.wav\ndrums,/else/c.wav\nvocals,d.wav\n")
    songs = find_training_songs([table], {"vocals": ["vocals"], "drums": ["drums"]})
    assert [(list(song.stems), song.files) for song in songs] == [
        (["vocals"], (tmp_path / "far/a.wav",)),
        (["vocals"], (tmp_path / "d.wav",)),
        (["drums"], (Path("/else/c.wav"),)),
    ]


def test_places_are_read_in_their_order(tmp_path: Path) -> None:
    touch(tmp_path / "songs" / "z", "vocals.wav")
    touch(tmp_path / "stems" / "vocals", "a.wav")
    places = [tmp_path / "songs", tmp_path / "stems"]
    assert [song.name for song in find_training_songs(places, {"vocals": ["vocals"]})] == ["z", "a"]
    assert [song.name for song in find_training_songs(places[::-1], {"vocals": ["vocals"]})] == ["a", "z"]


def test_a_stem_may_be_in_some_places_only(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "song", "vocals.wav", "mixture.wav")
    touch(tmp_path / "b" / "song", "vocals.wav", "drums.wav")
    stems = {"vocals": ["vocals"], "drums": ["drums"]}
    places = [tmp_path / "a", tmp_path / "b"]
    first, second = find_training_songs(places, stems, missing="unlabelled")
    assert (list(first.stems), list(second.stems)) == (["vocals"], ["vocals", "drums"])
    for missing in ("unlabelled", "silent"):
        with pytest.raises(DatasetError, match="no song has a file of the stem drums: add some, or leave it out"):
            find_training_songs(places[:1], stems, missing=missing)


def test_what_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    songs, stems, table = tmp_path / "songs", tmp_path / "stems", tmp_path / "files.csv"
    touch(songs / "one", "vocals.wav", "drums.wav")
    touch(stems / "vocals", "a.wav")
    touch(stems / "drums", "notes.txt")
    table.write_text("instrum,path\nvocals,a.wav\n")
    vocals = {"vocals": ["vocals"]}

    def refusal(*arguments, **options) -> str:
        with pytest.raises((ConfigurationError, DatasetError)) as caught:
            find_training_songs(*arguments, **options)
        return str(caught.value)

    assert refusal([]) == "no folder of songs is named: name at least one"
    assert refusal([songs], {}).startswith("stems: none is named")
    assert refusal([songs], {"vocals": []}).startswith("stems: 'vocals' is []: a stem needs a name and")
    assert refusal([songs], {"vocals": ["-"]}).startswith("stems: 'vocals' is ['-']")
    assert refusal([songs], layout="musdb") == "layout is one of auto, songs, stems, csv, got 'musdb'"
    assert refusal([tmp_path / "none"]) == f"{tmp_path}/none is no folder: name one that holds a folder per song"
    assert refusal([songs], {"bass": ["bass"]}) == (
        f"no song of {songs} has a file bass, but drums, vocals: rename the files, or say which files a stem is, as in "
        "instrumental=drums+bass+other"
    )
    assert refusal([stems], vocals | {"drums": ["drums"]}) == (
        f"{stems}/drums holds no audio file, but files of drums are looked for there; the folders are drums, vocals"
    )
    assert refusal([stems], {"both": ["vocals", "drums"]}) == (
        f"stems: both is a sum of several files, which belong to one song, but {stems} is a folder of stems by "
        "themselves: put files of both there, or use folders of songs"
    )
    assert refusal([table], {"drums": ["drums"]}) == f"{table} has no file of drums, but of vocals"
    assert refusal([tmp_path / "none.csv"], vocals) == f"{tmp_path}/none.csv: no such file or directory"
    table.write_text("instrum,path\nvocals,a.wav\nvocals\n")
    assert refusal([table], vocals) == f"{table}: line 3 lacks its instrum or its path: fill it in"
    table.write_text("name;place\n")
    assert refusal([table], vocals) == f"{table}: a table of files has the columns instrum and path, got name;place"
    table.write_bytes(b"instrum,path\nvocals,\xff.wav\n")
    assert refusal([table], vocals).startswith(f"{table} is no CSV file in UTF-8: ")
    touch(tmp_path / "mixtures" / "one", "mixture.wav")
    assert refusal([tmp_path / "mixtures"]).endswith(
        "holds nothing but mixtures: a file per stem is needed beside each"
    )


def test_the_real_songs_are_found(shared_audio: Path) -> None:
    songs = find_training_songs([shared_audio / "cc0"], {stem: [stem] for stem in FOUR}, missing="silent")
    assert [song.name for song in songs if not song.stems["bass"]] == ["caesium", "hydrogen"]
    assert all(song.rest == () for song in songs)
