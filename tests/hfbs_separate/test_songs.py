"""Every way to name songs finds them, once and in order, and never what is none."""

import io
import mimetypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unicodedata import category

import av
import pytest
import soundfile
from av.format import ContainerFormat
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate import AudioFileError
from hfbs_separate._songs import ENDINGS, find_songs
from hfbs_separate.cli import main
from hfbs_separate.terminal import one_line

TREE = [
    "b.mp3",
    "A.FLAC",
    "cover.jpg",
    "notes.txt",
    "noending",
    ".hidden.mp3",
    ".hidden/in.mp3",
    "one/z.wav",
    "one/a.ogg",
    "one/deep/er/song.m4a",
    "Two/clip.mkv",
    "Two/.trash/old.wav",
    "empty/readme.md",
]
IN_ORDER = ["A.FLAC", "b.mp3", "Two/clip.mkv", "one/a.ogg", "one/z.wav", "one/deep/er/song.m4a"]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of songs and other things, in the current folder."""
    for name in TREE:
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return Path("music")


def found(*arguments: object, output: Path | None = None) -> list[tuple[str, str]]:
    songs = find_songs([str(argument) for argument in arguments], output=output)
    return [(str(song), str(folder)) for song, folder in songs]


def below(top: str, names: list[str]) -> list[tuple[str, str]]:
    """What is found where `names` lie below `top` and keep their folders."""
    return [(f"{top}/{name}", str(Path(name).parent)) for name in names]


def test_a_folder_is_searched_in_sorted_order_and_its_structure_kept(tree: Path) -> None:
    assert found(tree) == below("music", IN_ORDER)
    assert found(f"{tree}/") == found(tree)
    assert found(tree.absolute()) == below(str(tree.absolute()), IN_ORDER)


def test_the_current_folder_is_searched(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert found(".") == [(name, str(Path(name).parent)) for name in IN_ORDER]


def test_a_file_is_taken_as_it_is(tree: Path) -> None:
    names = ["music/notes.txt", "music/.hidden.mp3", "music/noending", "none.mp3"]
    assert found(*names) == [(name, ".") for name in names]


def test_a_hidden_folder_that_is_named_is_searched(tree: Path) -> None:
    assert found("music/.hidden") == [("music/.hidden/in.mp3", ".")]


@pytest.mark.parametrize(
    ("pattern", "top", "names"),
    [
        ("music/*.mp3", "music", ["b.mp3"]),
        ("music/[A-Z]*.FLAC", "music", ["A.FLAC"]),
        ("music/?.mp3", "music", ["b.mp3"]),
        ("music/*", "music", ["A.FLAC", "Two/clip.mkv", "b.mp3", "one/a.ogg", "one/z.wav", "one/deep/er/song.m4a"]),
        ("music/*/*.ogg", "music", ["one/a.ogg"]),
        ("music/**/*.m4a", "music", ["one/deep/er/song.m4a"]),
        ("**/*.m4a", ".", ["music/one/deep/er/song.m4a"]),
        ("music/**.mp3", "music", ["b.mp3"]),
        ("music/***b***", "music", ["b.mp3"]),
        ("music/one/**", "music/one", ["a.ogg", "z.wav", "deep/er/song.m4a"]),
        ("music/.*.mp3", "music", [".hidden.mp3"]),
        ("music/one/../*.mp3", "music/one/..", ["b.mp3"]),
    ],
)
def test_a_pattern_is_matched_as_a_shell_would(tree: Path, pattern: str, top: str, names: list[str]) -> None:
    expected = below(top, names) if top != "." else [(name, str(Path(name).parent)) for name in names]
    assert sorted(found(pattern)) == sorted(expected)
    absolute = Path.cwd() / pattern
    assert sorted(found(absolute)) == sorted((str(Path.cwd() / song), folder) for song, folder in expected)


def test_a_name_that_exists_as_it_stands_is_no_pattern(tree: Path) -> None:
    odd = tree / "song [live] *.mp3"
    odd.touch()
    assert found(odd) == [(str(odd), ".")]
    album = tree / "[album]"
    album.mkdir()
    (album / "x.wav").touch()
    assert found(album) == [("music/[album]/x.wav", ".")]
    dangling = tree / "[gone].mp3"
    dangling.symlink_to("nowhere")
    assert found(dangling) == [(str(dangling), ".")]


def test_a_song_named_twice_is_found_once(tree: Path) -> None:
    assert found("music/b.mp3", "music/*.mp3", tree, (tree / "b.mp3").absolute())[0] == ("music/b.mp3", ".")
    assert len(found("music/b.mp3", "music/*.mp3", tree, (tree / "b.mp3").absolute())) == len(IN_ORDER)


def test_standard_input_and_a_file_of_its_name_are_two(tree: Path) -> None:
    Path("-").touch()
    assert found("-", "./-", "-") == [("-", "."), (str(Path.cwd() / "-"), ".")]


def test_links_are_followed_and_no_folder_is_entered_twice(tree: Path) -> None:
    (tree / "one" / "up").symlink_to("..")
    (tree / "one" / "self").symlink_to("self")
    (tree / "one" / "self.wav").symlink_to("self.wav")
    (tree / "also-one").symlink_to("one")
    (tree / "linked.mp3").symlink_to("b.mp3")
    songs = [song for song, _ in found(tree)]
    assert songs == [
        "music/A.FLAC",
        "music/b.mp3",
        "music/linked.mp3",
        "music/Two/clip.mkv",
        "music/also-one/a.ogg",
        "music/also-one/self.wav",
        "music/also-one/z.wav",
        "music/also-one/deep/er/song.m4a",
    ]
    assert ("music/one/a.ogg", "one") in found("music/**/*.ogg")


def test_many_links_into_each_other_are_no_labyrinth(tmp_path: Path) -> None:
    for number in range(30):
        folder = tmp_path / f"folder{number}"
        folder.mkdir()
        for link in "abc":
            (folder / link).symlink_to(f"../folder{number + 1}")
    (tmp_path / "folder29" / "song.wav").touch()
    assert len(find_songs([str(tmp_path)])) == 1
    assert len(find_songs([f"{tmp_path}/**/*.wav"])) == 1


def test_the_output_folder_holds_no_songs_unless_it_is_named(tree: Path) -> None:
    stem = tree / "stems" / "song" / "vocals.wav"
    stem.parent.mkdir(parents=True)
    stem.touch()
    assert found(tree, output=tree / "stems") == below("music", IN_ORDER)
    assert found("music/*", output=tree / "stems") == found("music/[!s]*")
    assert found(tree / "stems", output=tree / "stems") == [("music/stems/song/vocals.wav", "song")]
    assert found(tree, output=Path("none")) == [
        *below("music", IN_ORDER),
        ("music/stems/song/vocals.wav", "stems/song"),
    ]


@pytest.mark.parametrize("pattern", ["music/**/*.wav", "music/**", "music/stems/../**/*.wav", "music/*/song/*"])
def test_a_pattern_takes_no_stem_from_the_output_folder_that_it_goes_through(tree: Path, pattern: str) -> None:
    stem = tree / "stems" / "song" / "vocals.wav"
    stem.parent.mkdir(parents=True)
    stem.touch()
    song = tree / "one" / "song" / "z.wav"
    song.parent.mkdir()
    song.touch()
    Path("linked").symlink_to(tree / "stems")
    for output in (tree / "stems", (tree / "stems").absolute(), Path("linked")):
        songs = [Path(name).resolve() for name, _ in found(pattern, output=output)]
        assert song.resolve() in songs
        assert stem.resolve() not in songs


@pytest.mark.parametrize("pattern", ["music/stems/**/*.wav", "music/stems/**", "music/stems/*", "music/stems/song/*"])
@pytest.mark.parametrize("output", ["music/stems", "music"])
def test_a_pattern_that_begins_in_the_output_folder_means_what_is_there(tree: Path, pattern: str, output: str) -> None:
    stem = tree / "stems" / "song" / "vocals.wav"
    stem.parent.mkdir(parents=True)
    stem.touch()
    assert [song for song, _ in found(pattern, output=Path(output))] == [str(stem)]


@pytest.mark.parametrize("argument", ["music/empty", "music/*.xyz", "music/*.jpg", "no/such/*.mp3", "[", "music/**/x*"])
def test_where_nothing_is_found_it_is_said_what_was_looked_for(tree: Path, argument: str) -> None:
    with pytest.raises(AudioFileError) as caught:
        find_songs(["music/b.mp3", argument])
    assert str(caught.value) == (
        f"{argument}: no song found, which is a file that is not hidden and ends in .wav, .flac, .mp3, .m4a, .ogg, "
        ".opus, .mp4, .mkv or another ending of audio or video; a file with another ending must be named itself"
    )


def test_a_folder_that_may_not_be_read_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iterdir = Path.iterdir

    def guarded(folder: Path) -> Iterator[Path]:
        if folder.name == "one":
            raise PermissionError(13, "Permission denied")
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", guarded)
    with pytest.raises(AudioFileError, match=r"^music/one: permission denied$"):
        find_songs([str(tree)])


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


ARGUMENTS = (
    st.text(st.characters(exclude_characters="\0"), max_size=300)
    | st.text("*?[]!-./a")
    | st.binary(max_size=300).map(lambda name: os.fsdecode(name.replace(b"\0", b"0")))
)


@given(ARGUMENTS.map(lambda argument: "a" + argument.replace("..", ".")))  # nothing outside the current folder
def test_no_argument_makes_it_fail_but_in_words(argument: str) -> None:
    message = ""
    try:
        songs = find_songs([argument])
    except AudioFileError as error:
        songs, message = [], str(error)
    assert bool(songs) != message.startswith(f"{argument}: ")


def test_endings_are_those_of_audio_and_video() -> None:
    known = {ending for name in av.formats_available for ending in extensions(name)}
    types = mimetypes.MimeTypes(filenames=()).types_map[True]
    known |= {ending.removeprefix(".") for ending, kind in types.items() if kind.startswith(("audio/", "video/"))}
    # What FFmpeg reads, though neither it nor Python lists it.
    unlisted = "divx dff dsf m2ts mts mp1 ogm opus ra rmvb shn spx wave weba"
    assert {ending.removeprefix(".") for ending in ENDINGS} <= known | set(unlisted.split())
    assert ENDINGS.isdisjoint({".jpg", ".png", ".txt", ".srt", ".m3u", ".m3u8", ".cue", ".mid", ".gif", ".py"})


def extensions(name: str) -> set[str]:
    """The endings of one of FFmpeg's formats, read or written."""
    endings: set[str] = set()
    for mode in ("r", "w"):
        with suppress(ValueError):
            endings |= ContainerFormat(name, mode).extensions
    return endings


NAMES = [
    "Ça va – 日本語の曲　名 🎵.wav".encode(),
    "e\N{COMBINING ACUTE ACCENT}.wav".encode(),
    b"-o.wav",
    b"--help.wav",
    b"x" * 251 + b".wav",
    b"caf\xe9 \xff\xfe.wav",
    b"bell\a tab\t escape\x1b[31m line\nfeed.wav",
    b":smile: [red]no markup.wav",
    b" .wav",
]


@pytest.fixture
def oddly_named(tmp_path: Path) -> list[Path]:
    """Songs with the names above."""
    folder = tmp_path / "odd"
    folder.mkdir()
    sound = io.BytesIO()
    soundfile.write(sound, [[0.1, 0.2]] * 100, 8000, format="WAV")
    songs = [folder / os.fsdecode(name) for name in NAMES]
    for song in songs:
        song.write_bytes(sound.getvalue())
    return songs


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_songs_of_any_name_are_separated_and_their_stems_printed_by_their_true_names(
    oddly_named: list[Path], tiny_checkpoint: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "odd")
    options = ["--checkpoint", tiny_checkpoint[0], "--config", tiny_checkpoint[1], "--device", "cpu", "-o", "../out"]
    names = [song.name for song, _ in find_songs(["."])]
    result = CliRunner().invoke(main, ["separate", *map(str, options), "--", *names], prog_name="hfbs")
    assert result.exit_code == 0, result.output
    shown(result.stderr_bytes or b"")
    written = result.stdout_bytes
    for name in NAMES:
        folder = b"../out/" + (name if name == b" .wav" else name.removesuffix(b".wav"))
        for stem in (b"/vocals.wav\n", b"/other.wav\n"):
            assert written.count(folder + stem) == 1
            written = written.replace(folder + stem, b"")
    assert written == b""


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_songs_of_any_name_are_refused_in_one_line_that_a_terminal_shows(
    oddly_named: list[Path], tiny_checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    command = [
        Path(sys.executable).with_name("hfbs"),
        "separate",
        "--checkpoint",
        tiny_checkpoint[0],
        "-o",
        "out",
        "--",
    ]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    for song in oddly_named[5:7]:
        song.write_bytes(b"no audio")
        run = subprocess.run([*command, song.name], capture_output=True, cwd=song.parent, env=environment)
        (line,) = shown(run.stderr).splitlines()
        assert line.startswith("hfbs: error: ")
        assert line.endswith(".wav: FFmpeg cannot read this file: invalid data found when processing input")
    assert r"caf\xe9 \xff\xfe.wav" in shown(one_line(str(oddly_named[5])).encode())
    assert r"bell\x07 tab\x09 escape\x1b[31m line feed.wav" in shown(one_line(str(oddly_named[6])).encode())
    assert one_line(oddly_named[0].name) == oddly_named[0].name


def shown(said: bytes) -> str:
    """What a command said, after the check that a terminal can show it and will not obey it."""
    text = said.decode()
    assert not any(category(sign) in ("Cc", "Cs") for sign in text.replace("\n", ""))
    return text
