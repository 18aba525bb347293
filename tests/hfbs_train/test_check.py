"""What is wrong with songs is said before training begins, each thing in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from hfbs_separate import DatasetError
from hfbs_train import ConfigurationError
from hfbs_train._data import _facts, _looking
from hfbs_train.cli import main
from hfbs_train.data import Report, check, find_training_songs
from training_songs import RATE, noise, write_song

STEMS = ("vocals", "drums", "other")
SECONDS = 16


def three(number: int, seconds: float = SECONDS) -> dict[str, np.ndarray]:
    return {stem: noise(10 * number + place, seconds) for place, stem in enumerate(STEMS)}


def mixture_of(stems: dict[str, np.ndarray]) -> np.ndarray:
    return sum(stems.values(), np.zeros((2, 1), np.float32))


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Two songs without a fault, one with a mixture."""
    folder = tmp_path / "songs"
    write_song(folder / "one", three(0) | {"mixture": mixture_of(three(0))})
    write_song(folder / "two", three(1))
    return folder


def report_of(folder: Path, **options: str) -> Report:
    return check(find_training_songs([folder], {stem: [stem] for stem in STEMS}, **options))


def said(report: Report) -> list[str]:
    return [f"{problem.kind}: {problem.message}" for problem in report.problems]


def test_songs_without_a_fault_have_no_problem(songs: Path) -> None:
    report = report_of(songs)
    assert said(report) == []
    assert (report.sample_rate, len(report.songs), len(report.files)) == (RATE, 2, 7)
    report.require_usable()


def test_each_fault_is_one_line(songs: Path) -> None:
    def replace(song: str, stem: str, audio: np.ndarray, rate: int = RATE) -> Path:
        return write_song(songs / song, {stem: audio}, rate) / f"{stem}.wav"

    for number in range(3, 11):
        write_song(songs / str(number), three(number))
    (songs / "3" / "drums.wav").unlink()
    silent = replace("4", "vocals", np.zeros((2, SECONDS * RATE)))
    other_rate = replace("5", "drums", noise(90, 2 * SECONDS), 16000)
    clipped = replace("6", "other", np.clip(20 * noise(91, SECONDS), -1, 1))
    mono = replace("7", "other", np.repeat(noise(92, SECONDS)[:1], 2, axis=0))
    short = replace("8", "vocals", noise(93, SECONDS - 5))
    infinite = replace("9", "vocals", np.where(np.arange(SECONDS * RATE) == 77, np.nan, noise(94, SECONDS)))
    twice = replace("10", "drums", three(1)["drums"])
    cut = songs / "10" / "vocals.wav"
    cut.write_bytes(cut.read_bytes()[:50_000])
    report = report_of(songs)
    runs = report.files[clipped].clipped
    expected = [
        f"missing: {songs}/3 has no file drums: add it, or say by missing what that means, silent or unlabelled",
        f"unreadable: {cut}: the file is cut short: it holds 49920 bytes of the 1024000 bytes of audio that the header "
        "states; to separate what is there, copy it first, as with: ffmpeg -i vocals.wav -vn rest.wav",
        f"unreadable: {infinite}: sample 77 of channel 1 is nan; audio must be finite",
        f"clipped: {clipped} stays at full scale {runs} times, first at 0.0 s: it is clipped",
        f"length: {short} is 5.0 s shorter than the song's other files; silence is put after the shorter ones",
        f"mono: {mono} is mono: both channels are the same",
        f"rate: {other_rate} has 16000 Hz, resampled to 8000 Hz while it is read",
        f"silent: {silent} is silent throughout (below -60 dB)",
        f"twice: {songs}/two/drums.wav holds the same audio as {twice}",
    ]
    found = said(report)
    cut_line = next(line for line in found if str(cut) in line)
    assert cut_line.startswith(f"unreadable: {cut}: the file is cut short: it holds ")
    assert [line for line in found if line != cut_line] == [line for line in expected if str(cut) not in line]
    assert [problem.is_error for problem in report.problems] == [True] * 3 + [False] * 6
    assert (report.errors, report.warnings) == (report.problems[:3], report.problems[3:])
    with pytest.raises(DatasetError) as caught:
        report.require_usable()
    assert str(caught.value) == expected[0].removeprefix("missing: ") + " (and 2 more: hfbs-train check shows them all)"


def test_a_rate_below_the_models_is_said_to_lack_treble(songs: Path) -> None:
    report = check(find_training_songs([songs]), sample_rate=44100)
    assert len(report.problems) == 7
    assert report.problems[0].message.endswith(
        "one/drums.wav has 8000 Hz, resampled to 44100 Hz while it is read; it holds nothing above half its rate"
    )


@given(lag=st.integers(-RATE, RATE).filter(bool), stem=st.sampled_from(STEMS), unlabelled=st.booleans())
@settings(max_examples=10)
def test_a_stem_that_is_late_or_early_is_found_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, lag: int, stem: str, unlabelled: bool
) -> None:
    folder = tmp_path_factory.mktemp("late")
    stems = three(0)
    mixture = mixture_of(stems)
    padded = np.pad(stems[stem], ((0, 0), (RATE, RATE)))
    stems[stem] = padded[:, RATE - lag :][:, : SECONDS * RATE]
    if unlabelled:
        write_song(folder / "whole", three(5))
        del stems[next(other for other in STEMS if other != stem)]
    write_song(folder / "song", stems | {"mixture": mixture})
    (problem,) = report_of(folder, missing="unlabelled").problems if unlabelled else report_of(folder).problems
    assert (problem.kind, problem.path) == ("misaligned", folder / "song" / f"{stem}.wav")
    assert problem.message == (
        f"{folder}/song/{stem}.wav is {abs(lag) / 8:.4g} ms {'late' if lag > 0 else 'early'} against mixture.wav: "
        "shift it, or leave the song out"
    )


def test_a_mixture_that_is_late_makes_all_stems_early(tmp_path: Path) -> None:
    stems = three(0)
    write_song(tmp_path / "song", stems | {"mixture": np.roll(mixture_of(stems), 400, axis=1)})
    report = report_of(tmp_path)
    assert [problem.kind for problem in report.problems] == ["misaligned"] * 3
    assert all("is 50 ms early against" in problem.message for problem in report.problems)


def test_stems_that_do_not_add_up_are_told_with_what_is_left(tmp_path: Path) -> None:
    stems = three(0)
    write_song(tmp_path / "quiet", stems | {"mixture": 0.5 * mixture_of(stems)})
    write_song(tmp_path / "more", stems | {"mixture": mixture_of(stems) + noise(50, SECONDS)})
    write_song(tmp_path / "near", stems | {"mixture": mixture_of(stems) + noise(50, SECONDS, level=0.02)})
    assert [line for line in said(report_of(tmp_path)) if "same audio" not in line] == [
        f"sum: {tmp_path}/more/mixture.wav: the song's other files do not add up to it, -6.0 dB of its energy are left",
        f"sum: {tmp_path}/quiet/mixture.wav: the song's other files do not add up to it, 0.0 dB of its energy are left",
    ]


def test_music_that_repeats_itself_is_not_late(tmp_path: Path) -> None:
    beat = np.tile(noise(0, 0.5), SECONDS * 2)
    stems = {"vocals": 0.1 * noise(1, SECONDS), "drums": beat, "other": noise(2, SECONDS)}
    # What the mixture has beside the stems makes them be looked at.
    write_song(tmp_path / "song", stems | {"mixture": mixture_of(stems) + noise(3, SECONDS)})
    assert [problem.kind for problem in report_of(tmp_path).problems] == ["sum"]


def test_files_are_looked_through_once_until_they_change(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_at() -> tuple[list[str], Report]:
        seen: list[str] = []

        def measure(path: Path):
            seen.append(f"{path.parent.name}/{path.stem}")
            return genuine(path)

        monkeypatch.setattr(_looking, "measure", measure)
        report = check(find_training_songs([songs]), cache=tmp_path / "cache", workers=1)
        return seen, report

    genuine = _facts.measure
    seen, first = looked_at()
    assert len(seen) == 7
    seen, second = looked_at()
    assert (seen, said(second)) == ([], said(first))
    write_song(songs / "two", {"drums": np.zeros((2, SECONDS * RATE))})
    (songs / "two" / "notes.flac").write_text("no audio")
    for _ in range(2):  # what cannot be read is looked at each time
        seen, third = looked_at()
        assert "two/notes" in seen
    assert [problem.kind for problem in third.problems] == ["missing", "unreadable", "silent"]


def test_a_cache_that_cannot_be_is_refused(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError) as caught:
        check(find_training_songs([songs]), cache=tmp_path / "file" / "cache")
    assert str(caught.value) == (
        f"{tmp_path}/file/cache: facts about songs cannot be kept here: Not a directory; name another folder"
    )
    with pytest.raises(DatasetError, match=r"^there is no song to train with"):
        check([])


# The command


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, words)], prog_name="hfbs-train")


def test_the_table_says_how_much_there_is(songs: Path, tmp_path: Path) -> None:
    half = three(1)["vocals"]
    half[:, SECONDS * RATE // 2 :] = 0
    write_song(songs / "two", {"vocals": half})
    result = run(songs, "--cache", tmp_path / "cache")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "2 songs, 32.0 s, 8000 Hz",
        "",
        "stem    songs  length  active            level",
        "drums       2  32.0 s  32.0 s  100 %  -20.0 dB",
        "other       2  32.0 s  32.0 s  100 %  -20.0 dB",
        "vocals      2  32.0 s  24.0 s   75 %  -20.0 dB",
    ]
    assert any((tmp_path / "cache").iterdir())


def test_problems_are_lines_of_which_few_are_shown(songs: Path) -> None:
    for number in range(12):
        write_song(songs / f"more {number:02}", three(20 + number, 2) | {"other": np.zeros((2, 2 * RATE))})
    result = run(songs, "--no-cache")
    lines = result.stdout.splitlines()[7:]
    assert lines[0] == f"warning  {songs}/more 00/other.wav is silent throughout (below -60 dB)"
    assert lines[-1] == "         … and 4 more of this kind; --all shows them"
    assert len(lines) == 9
    assert len(run(songs, "--no-cache", "--all").stdout.splitlines()[7:]) == 12


def test_an_error_has_exit_code_2(songs: Path) -> None:
    (songs / "two" / "drums.wav").unlink()
    result = run(songs, "--no-cache")
    assert result.exit_code == 2
    assert f"error    {songs}/two has no file drums: add it" in result.stdout
    assert result.stderr == (
        "hfbs-train: error: 1 error, with which training does not begin: mend the files, or leave the songs out\n"
    )
    assert run(songs, "--no-cache", "--missing", "silent").exit_code == 0


def test_json_has_all_there_is(songs: Path) -> None:
    write_song(songs / "two", {"drums": np.zeros((2, SECONDS * RATE))})
    stems = (
        "--stem",
        "vocals",
        "--stem",
        "instrumental=drums+other",
        "--stem",
        "all=mixture",
        "--missing",
        "unlabelled",
    )
    result = run(songs, "--no-cache", "--json", *stems)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    one, two = found["songs"]
    assert one["stems"]["instrumental"] == [
        {"path": f"{songs}/one/drums.wav", "gain": 1},
        {"path": f"{songs}/one/other.wav", "gain": 1},
    ]
    assert list(two["stems"]) == ["vocals", "instrumental"]
    assert found["stems"]["vocals"] == {
        "songs": 2,
        "seconds": 32.0,
        "active_seconds": 32,
        "level": pytest.approx(-20, abs=0.1),
    }
    assert found["problems"] == [
        {
            "severity": "warning",
            "kind": "silent",
            "song": "two",
            "path": f"{songs}/two/drums.wav",
            "message": f"{songs}/two/drums.wav is silent throughout (below -60 dB)",
        }
    ]
    assert {file["path"]: file["samples"] for file in found["files"]}[f"{songs}/one/drums.wav"] == SECONDS * RATE
    assert found["sample_rate"] == RATE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stem", "=drums"], "'=drums' is no stem: name one, or the files whose sum it is, as in --stem "),
        (["--stem", "a", "--stem", "a=b"], "a is given twice"),
        (["--stem", "bass"], "no song of"),
        (["--no-cache", "--cache", "x"], "--no-cache keeps nothing: leave out --cache"),
        (["--rate", "0"], "Invalid value for '--rate'"),
    ],
)
def test_what_has_no_meaning_is_one_line(songs: Path, words: list[str], message: str) -> None:
    result = run(songs, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_names_are_shown_as_a_terminal_can_show_them(tmp_path: Path) -> None:
    write_song(tmp_path / "\x1b[31m [red]", {"vocals": np.zeros((2, RATE))})
    result = run(tmp_path, "--no-cache")
    assert f"{tmp_path}/\\x1b[31m [red]/vocals.wav is silent" in result.stdout


def test_stems_may_be_files_of_any_format(tmp_path: Path) -> None:
    for suffix in ("wav", "flac", "ogg"):
        (tmp_path / suffix).mkdir()
        soundfile.write(tmp_path / suffix / f"vocals.{suffix}", noise(0, 3).T, RATE)
    result = run(tmp_path, "--no-cache")
    assert result.exit_code == 0
    assert result.stdout.startswith("3 songs, 9.0 s, 8000 Hz\n")
