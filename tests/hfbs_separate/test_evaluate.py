"""Scoring folders of songs: what is compared with what, what is written, and what is refused."""

import csv
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from hfbs_separate import DatasetError, OptionError, SeparationError, Separator
from hfbs_separate._evaluation import _extra
from hfbs_separate.cli import main
from hfbs_separate.evaluation import Song, evaluate, find_songs, museval_sdr, sdr, si_sdr, summarize

with warnings.catch_warnings():
    # The lowest version that the extra admits calls what its own dependencies have come to deprecate.
    warnings.simplefilter("ignore", DeprecationWarning)
    import matplotlib.figure  # noqa: F401

type Audio = NDArray[np.float32]

RATE = 8000
ANCHORS = ["ideal ratio mask", "static Wiener", "mixture", "silence"]
FAST = ["--metric", "sdr", "--metric", "museval_sdr"]


def stem(number: int, seconds: float = 1.5) -> Audio:
    """Noise in a band of its own, stereo."""
    spectrum = np.fft.rfft(np.random.default_rng(number).normal(size=(2, int(seconds * RATE))))
    reach = spectrum.shape[1] // 4
    spectrum[:, : number % 4 * reach] = spectrum[:, (number % 4 + 1) * reach :] = 0
    return (0.2 * np.fft.irfft(spectrum, int(seconds * RATE))).astype(np.float32)


def write(folder: Path, stems: Mapping[str, Audio], rate: int = RATE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, audio in stems.items():
        soundfile.write(folder / f"{name}.wav", audio.T, rate, "FLOAT")
    return folder


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Two songs of three stems; the second has a mixture of its own, as loud as the stems' sum."""
    folder = tmp_path / "songs"
    write(folder / "one", {"vocals": stem(0), "drums": stem(1), "other": stem(2)})
    two = {"vocals": stem(4), "drums": stem(5), "other": stem(6)}
    write(folder / "two", two | {"mixture": two["vocals"] + two["drums"] + two["other"]})
    return folder


def estimates_of(songs: Path, folder: Path, error: float = 0.1) -> Path:
    """Estimates beside which the truth is known: each stem plus a little noise."""
    for path in songs.glob("*/*.wav"):
        if path.stem != "mixture":
            truth = soundfile.read(path, dtype="float32")[0].T
            wrong = np.random.default_rng(len(path.stem)).normal(0, error * float(truth.std()), truth.shape)
            write(folder / path.parent.name, {path.stem: (truth + wrong).astype(np.float32)})
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, words)], prog_name="hfbs")


def test_scores_of_songs_are_written_whatever_they_are_called_and_whatever_a_terminal_shows(songs: Path) -> None:
    odd = songs / "b\udcff"
    (songs / "one").rename(odd)
    files = ["--csv", str(songs / "scores.csv"), "--json", str(songs / "scores.json")]
    words = [sys.executable, "-m", "hfbs_separate", "evaluate", str(songs), "--metric", "sdr", *files]
    ended = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=False)
    assert ended.returncode == 0, ended.stderr
    assert b"b\\udcff,vocals," in (songs / "scores.csv").read_bytes()
    document = json.loads((songs / "scores.json").read_bytes())
    assert {score["song"] for score in document["scores"]} == {odd.name, "two"}


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_below_1_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match=f"sample_rate is in Hz, at least 1, got {rate}"):
        museval_sdr(stem(0)[None], stem(1)[None], rate)


def refusal(result: Result) -> str:
    """The message of a refused call, after the checks that hold for each: one line, exit code 2, nothing on stdout."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    line = result.stderr.removesuffix("\n")
    assert "\n" not in line
    assert line.startswith("hfbs: error: ")
    return line.removeprefix("hfbs: error: ")


# In Python


def test_the_anchors_of_each_stem_are_scored_on_the_sum_of_the_stems(songs: Path) -> None:
    scores = list(evaluate(find_songs(songs), metrics=["sdr", "si_sdr"]))
    assert [score.estimator for score in scores] == ANCHORS * 6
    assert [(score.song, score.stem) for score in scores[::4]] == [
        (song, name) for song in ("one", "two") for name in ("drums", "other", "vocals")
    ]
    for score in scores:
        first = 0 if score.song == "one" else 4
        truth = {"vocals": stem(first), "drums": stem(first + 1), "other": stem(first + 2)}
        if score.estimator == "mixture":
            mixture = truth["vocals"] + truth["drums"] + truth["other"]
            assert score.values["sdr"] == pytest.approx(sdr(truth[score.stem], mixture), abs=1e-4)
            assert score.values["si_sdr"] == pytest.approx(si_sdr(truth[score.stem], mixture), abs=1e-4)
    by_name = {name: [score.values["sdr"] for score in scores if score.estimator == name] for name in ANCHORS}
    assert all(np.greater(by_name["ideal ratio mask"], by_name["mixture"]))
    assert all(np.greater(by_name["static Wiener"], by_name["mixture"]))
    assert by_name["silence"] == [0] * 6


def test_estimators_are_functions_of_the_song(songs: Path) -> None:
    seen: list[tuple[str, int, tuple[int, ...]]] = []

    def halves(song: Song) -> dict[str, Audio]:
        seen.append((song.name, song.sample_rate, song.mixture.shape))
        return {name: truth * np.float32(0.5) for name, truth in song.stems.items()} | {"more": song.mixture}

    scores = list(
        evaluate(
            find_songs(songs),
            {"halves": halves, "mixtures": lambda song: dict.fromkeys(song.stems, song.mixture)},
            metrics=["sdr"],
        )
    )
    assert seen == [("one", RATE, (2, 12000)), ("two", RATE, (2, 12000))]
    assert [score.estimator for score in scores] == ["halves", "mixtures", *ANCHORS] * 6
    assert [score.values["sdr"] for score in scores[::6]] == pytest.approx([20 * np.log10(2)] * 6, abs=1e-3)
    assert [score.values for score in scores[1::6]] == [score.values for score in scores[4::6]]


def test_museval_scores_the_stems_of_an_estimator_together(songs: Path, tmp_path: Path) -> None:
    truth = np.stack([stem(number, 3) for number in (0, 1)])
    truth[0, :, :RATE] = 0
    write(tmp_path / "few" / "song", {"drums": truth[0], "vocals": truth[1]})
    guess = truth + np.float32(0.01) * stem(9, 3)
    expected = museval_sdr(truth, guess, RATE)
    scores = evaluate(
        find_songs(tmp_path / "few"),
        {"mine": lambda _: {"drums": guess[0], "vocals": guess[1]}},
        metrics=["museval_sdr"],
    )
    mine = [score.values["museval_sdr"] for score in scores if score.estimator == "mine"]
    assert mine == pytest.approx(list(expected))
    assert mine[1] != pytest.approx(museval_sdr(truth[1:], guess[1:], RATE)[0])


def test_silent_targets_are_left_out_and_counted(songs: Path) -> None:
    write(songs / "one", {"drums": np.zeros_like(stem(1)), "other": np.float32(1e-4) * stem(2)})
    scores = list(evaluate(find_songs(songs), metrics=["sdr"]))
    silent = {(score.song, score.stem) for score in scores if score.silent}
    assert silent == {("one", "drums"), ("one", "other")}
    assert all(score.values == {} for score in scores if score.silent)
    counts = {(summary.stem, summary.songs, summary.silent) for summary in summarize(scores)}
    assert counts == {("drums", 1, 1), ("other", 1, 1), ("vocals", 2, 0)}


def test_the_summary_is_mean_and_median_over_the_songs_that_have_a_value(songs: Path) -> None:
    write(songs / "three", {"vocals": stem(8), "drums": stem(9), "other": stem(10)})
    scores = list(evaluate(find_songs(songs), metrics=["sdr", "si_sdr"]))
    summaries = summarize(scores)
    assert [summary.estimator for summary in summaries] == ANCHORS * 3
    for summary in summaries:
        values = [
            score.values for score in scores if (score.stem, score.estimator) == (summary.stem, summary.estimator)
        ]
        for metric in ("sdr", "si_sdr"):
            numbers = [each[metric] for each in values]
            np.testing.assert_allclose(summary.mean[metric], np.mean(numbers))
            np.testing.assert_allclose(summary.median[metric], np.median(numbers))
    assert all(np.isnan(summary.mean["si_sdr"]) for summary in summaries if summary.estimator == "silence")


def test_a_stem_may_be_a_sum_of_files(songs: Path) -> None:
    files = find_songs(songs, {"instrumental": ["drums", "other"]})
    seen: list[Song] = []
    list(evaluate(files, {"x": lambda song: seen.append(song) or song.stems}, metrics=["sdr"]))
    np.testing.assert_allclose(seen[0].stems["instrumental"], stem(1) + stem(2))
    np.testing.assert_allclose(seen[0].mixture, stem(0) + stem(1) + stem(2), atol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "kind", "subtype"), [("flac", "FLAC", "PCM_24"), ("OGG", "OGG", "VORBIS"), ("aiff", "AIFF", "PCM_16")]
)
def test_any_audio_format_will_do_and_other_files_are_passed_over(
    tmp_path: Path, suffix: str, kind: str, subtype: str
) -> None:
    folder = tmp_path / "songs" / "one"
    folder.mkdir(parents=True)
    for name in ("vocals", "drums"):
        soundfile.write(folder / f"{name}.{suffix}", stem(0).T, 44100, subtype, format=kind)
    for other in ("cover.jpg", "notes.txt", "._vocals.wav"):
        (folder / other).write_text("no audio")
    (tmp_path / "songs" / "notes").mkdir()
    (song,) = find_songs(tmp_path / "songs")
    assert {name: [path.name for path in files] for name, files in song.stems.items()} == {
        "drums": [f"drums.{suffix}"],
        "vocals": [f"vocals.{suffix}"],
    }
    assert len(list(evaluate([song], metrics=["sdr"]))) == 8


def test_estimates_that_do_not_fit_are_refused(songs: Path) -> None:
    def refused(estimates: Callable[[Song], Mapping[str, Audio]], name: str = "mine") -> str:
        with pytest.raises(DatasetError) as error:
            list(evaluate(find_songs(songs), {name: estimates}, metrics=["sdr"]))
        return str(error.value)

    assert refused(lambda song: {"drums": song.mixture}) == "mine gives no other of one, but drums"
    assert refused(lambda song: dict.fromkeys(song.stems, song.mixture[:, 1:])) == (
        "mine gives drums of one in shape (2, 11999); the mixture's is (2, 12000)"
    )
    assert (
        refused(lambda song: song.stems, "silence") == "'silence' is the name of an anchor: give the estimator another"
    )
    with pytest.raises(OptionError, match=r"^metrics are sdr, si_sdr, .* log_wmse, got pesq$"):
        list(evaluate([], metrics=["pesq"]))


# The command


def test_without_a_model_the_anchors_are_scored(songs: Path) -> None:
    result = run(songs, *FAST)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["mean", "over", "songs", "SDR", "museval"]
    assert lines[1] == "drums · 2 songs"
    assert [line.rsplit(maxsplit=2)[0].strip() for line in lines[2:6]] == ANCHORS
    assert lines[5].split() == ["silence", "0.00", "–"]
    assert lines[17].split()[:3] == ["median", "over", "songs"]
    assert result.stderr.splitlines()[0] == "[1/2] one: 1.5 s, 8000 Hz stereo"


def test_stems_that_are_there_are_scored_as_their_formula_says(songs: Path, tmp_path: Path) -> None:
    folder = estimates_of(songs, tmp_path / "mine")
    result = run(songs, "--estimates", folder, *FAST, "--csv", tmp_path / "scores.csv")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert [row["estimator"] for row in rows] == ["mine", *ANCHORS] * 6
    for row in rows[::5]:
        pair = [
            np.asarray(soundfile.read(place / row["song"] / f"{row['stem']}.wav")[0]).T for place in (songs, folder)
        ]
        assert float(row["sdr"]) == pytest.approx(sdr(*pair), abs=1e-3)
        assert float(row["sdr"]) == pytest.approx(20, abs=0.3)
    assert f"wrote {tmp_path / 'scores.csv'}" in result.stderr.splitlines()
    assert re.search(r"^SDR: drums 19\.9\d dB, other 19\.9\d dB, vocals 19\.9\d dB$", result.stderr, re.M)


def test_a_model_is_run_on_each_mixture(tiny_checkpoint: tuple[Path, Path], songs: Path, tmp_path: Path) -> None:
    checkpoint, config = tiny_checkpoint
    command = [songs, "--checkpoint", checkpoint, "--config", config, "--device", "cpu", "--metric", "sdr"]
    command += ["--stem", "vocals", "--stem", "other=drums+other", "--overlap", 1]
    result = run(*command, "--json", tmp_path / "scores.json")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[1].endswith("chunks of 0.5 s, 1 chunk covers each sample")
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    truth = {"vocals": stem(0), "other": stem(1) + stem(2)}
    separator = Separator.from_checkpoint(checkpoint, config, device="cpu", overlap=1)
    estimates = separator.separate(truth["vocals"] + truth["other"], RATE)
    for score in scores:
        if (score["song"], score["estimator"]) == ("one", "tiny"):
            assert score["sdr"] == pytest.approx(sdr(truth[score["stem"]], estimates[score["stem"]]), abs=1e-3)
    assert {score["stem"] for score in scores} == {"vocals", "other"}


def test_what_a_model_of_one_stem_leaves_is_scored_with_the_sum_of_the_rest(
    tiny_checkpoint: tuple[Path, Path], songs: Path, tmp_path: Path
) -> None:
    settings = {"stems": ["vocals", "other"], "residual": "instrumental"}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    command = [songs, "--checkpoint", tiny_checkpoint[0], "--config", tiny_checkpoint[1], *words, "--device", "cpu"]
    command += ["--stem", "vocals", "--stem", "instrumental=drums+other", "--metric", "sdr"]
    result = run(*command, "--json", tmp_path / "scores.json")
    assert result.exit_code == 0, result.output
    separator = Separator.from_checkpoint(*tiny_checkpoint, settings=settings, device="cpu")
    estimates = separator.separate(stem(0) + stem(1) + stem(2), RATE)
    (score,) = (
        score["sdr"]
        for score in json.loads((tmp_path / "scores.json").read_text())["scores"]
        if (score["song"], score["estimator"], score["stem"]) == ("one", "tiny", "instrumental")
    )
    assert score == pytest.approx(sdr(stem(1) + stem(2), estimates["instrumental"]), abs=1e-3)


def test_what_separate_writes_scores_as_the_model_does(
    tiny_checkpoint: tuple[Path, Path], songs: Path, tmp_path: Path
) -> None:
    model = ["--checkpoint", tiny_checkpoint[0], "--config", tiny_checkpoint[1], "--device", "cpu"]
    asked = ["--stem", "vocals", "--metric", "sdr", "--metric", "l1_freq", "--name", "mine"]
    for name in ("one", "two"):
        files = songs / name / "mixture.wav"
        if not files.exists():
            write(files.parent, {"mixture": stem(0) + stem(1) + stem(2)})
        files.rename(tmp_path / f"{name}.wav")
        words = ["separate", tmp_path / f"{name}.wav", *model, "-o", tmp_path / "stems"]
        assert CliRunner().invoke(main, [str(word) for word in words]).exit_code == 0
    by_model = run(songs, *model, *asked, "--json", tmp_path / "a.json")
    by_files = run(songs, "--estimates", tmp_path / "stems", *asked, "--json", tmp_path / "b.json")
    assert (by_model.exit_code, by_files.exit_code) == (0, 0), by_model.output + by_files.output
    one, other = (json.loads((tmp_path / name).read_text())["summary"] for name in ("a.json", "b.json"))
    for left, right in zip(one, other, strict=True):
        assert left["mean"] == pytest.approx(right["mean"], abs=1e-3)


def test_json_and_csv_hold_the_same_scores_and_null_where_there_is_none(songs: Path, tmp_path: Path) -> None:
    write(songs / "one", {"drums": np.zeros_like(stem(1))})
    files = [tmp_path / name for name in ("scores.csv", "scores.json")]
    result = run(songs, "--csv", files[0], "--json", files[1])
    assert result.exit_code == 0, result.output
    rows, document = list(csv.DictReader(files[0].read_text().splitlines())), json.loads(files[1].read_text())
    assert (document["folder"], document["estimator"], document["failed"]) == ("songs", None, [])
    assert len(rows) == len(document["scores"]) == 24
    for row, score in zip(rows, document["scores"], strict=True):
        assert row.pop("silent") == str(score.pop("silent")).lower()
        assert {name: "" if value is None else str(value) for name, value in score.items()} == row
    drums = [row for row in rows if (row["song"], row["stem"]) == ("one", "drums")]
    assert {row[metric] for row in drums for metric in document["metrics"]} == {""}
    counts = {(each["stem"], each["songs"], each["silent"]) for each in document["summary"]}
    assert counts == {("drums", 1, 1), ("other", 2, 0), ("vocals", 2, 0)}
    assert "drums · 1 song, silent in 1" in result.stdout.splitlines()
    silence = next(each for each in document["summary"] if each["estimator"] == "silence")
    assert (silence["mean"]["sdr"], silence["mean"]["si_sdr"]) == (0, None)


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_plot_is_a_picture_of_its_suffix(songs: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    folder = estimates_of(songs, tmp_path / "it costs $1 and $2")
    plot = tmp_path / f"scores.{suffix}"
    result = run(songs, "--estimates", folder, "--metric", "sdr", "--plot", plot)
    assert result.exit_code == 0, result.output
    assert plot.read_bytes().startswith(start)
    if suffix == "svg":
        text = plot.read_text()
        assert all(name in text for name in ("it costs $1 and $2", *ANCHORS))


def test_a_plot_of_nothing_but_silence_can_be_drawn(tmp_path: Path) -> None:
    write(tmp_path / "songs" / "one", {"vocals": np.zeros_like(stem(0))})
    result = run(tmp_path / "songs", "--metric", "sdr", "--plot", tmp_path / "plot.png")
    assert result.exit_code == 0, result.output
    assert "vocals · 0 songs, silent in 1" in result.stdout.splitlines()


def test_a_song_that_fails_in_the_work_is_reported_and_the_others_are_scored(songs: Path, tmp_path: Path) -> None:
    write(songs / "three", {"vocals": stem(8), "drums": stem(9)[:, 1:], "other": stem(10)})
    broken = write(songs / "four", {"vocals": stem(0), "drums": stem(1), "other": stem(2)}) / "drums.wav"
    broken.write_bytes(broken.read_bytes()[:5000])
    result = run(songs, "--metric", "sdr", "--json", tmp_path / "scores.json")
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(errors) == 2
    assert errors[0].startswith(f"hfbs: error: {broken}: the file is cut short")
    assert errors[1] == (
        f"hfbs: error: {songs / 'three' / 'other.wav'} has 12000 samples at 8000 Hz in stereo, but drums.wav "
        "11999 samples at 8000 Hz in stereo: all files of a song must be alike"
    )
    document = json.loads((tmp_path / "scores.json").read_text())
    assert {score["song"] for score in document["scores"]} == {"one", "two"}
    assert [failure["song"] for failure in document["failed"]] == ["four", "three"]


def test_a_model_that_fails_on_a_song_is_reported_with_the_song(
    tiny_checkpoint: tuple[Path, Path], songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise SeparationError("the model gave NaN or infinity in float32: the checkpoint may be damaged")

    monkeypatch.setattr(Separator, "separate", fail)
    model = ["--checkpoint", tiny_checkpoint[0], "--config", tiny_checkpoint[1], "--device", "cpu"]
    result = run(songs, *model, "--stem", "vocals", "--csv", tmp_path / "scores.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "hfbs: error: one: the model gave NaN or infinity in float32: the checkpoint may be damaged" in result.stderr
    assert not (tmp_path / "scores.csv").exists()


def test_a_mixture_that_is_not_the_sum_is_warned_of(songs: Path) -> None:
    write(songs / "two", {"mixture": 2 * stem(4)})
    result = run(songs, "--metric", "sdr")
    assert result.exit_code == 0
    assert "hfbs: warning: two: the stems do not add up to the mixture: what is left has " in result.stderr
    assert result.stderr.count("warning") == 1


# What is refused


def test_a_missing_or_renamed_stem_is_named(songs: Path) -> None:
    (songs / "one" / "vocals.wav").rename(songs / "one" / "voice.wav")
    message = refusal(run(songs))
    assert message == (
        f"{songs}: one has no vocals, two has no voice: add or rename the file, "
        "or add --missing-is-silent if the song has no such stem"
    )
    assert refusal(run(songs, "--stem", "vocals")).startswith(f"{songs}: one has no vocals: add or rename the file")
    result = run(songs, "--metric", "sdr", "--stem", "vocals", "--missing-is-silent")
    assert "vocals · 1 song, silent in 1" in result.stdout.splitlines()
    assert refusal(run(songs, "--stem", "flute")) == (
        f"no song of {songs} has a file flute, but drums, other, vocals, voice: rename the files, "
        "or say what it is with --stem NAME=FILE+FILE, as in --stem instrumental=drums+bass+other"
    )


def test_an_estimate_that_is_missing_is_named(songs: Path, tmp_path: Path) -> None:
    folder = estimates_of(songs, tmp_path / "mine")
    (folder / "two" / "drums.wav").unlink()
    assert refusal(run(songs, "--estimates", folder)) == (
        f"{folder / 'two' / 'drums'}.wav is missing (there are other, vocals): "
        "estimates lie at FOLDER/SONG/STEM.wav, as hfbs separate writes them"
    )
    assert refusal(run(songs, "--estimates", folder, "--stem", "bass=drums")) == (
        "--stem bass: the estimates' stems are drums, other, vocals; name one of them"
    )


def test_an_other_that_may_be_all_the_rest_is_asked_about(tiny_checkpoint: tuple[Path, Path], songs: Path) -> None:
    model = ["--checkpoint", tiny_checkpoint[0], "--config", tiny_checkpoint[1], "--device", "cpu"]
    result = run(songs, *model)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "hfbs: error: the estimates' other may be all but vocals, while the songs have drums by themselves: say "
        "--stem vocals --stem other=drums+other if it holds those too, or --stem vocals --stem other if not"
    )


def test_a_folder_that_holds_no_songs_is_refused_with_the_one_that_does(songs: Path, tmp_path: Path) -> None:
    assert refusal(run(songs / "one")).endswith(f"so if it is one song, name the folder above it, {songs}")
    assert refusal(run(tmp_path)).endswith(f"; one level deeper there are songs: name {songs}")
    (tmp_path / "empty").mkdir()
    assert refusal(run(tmp_path / "empty")) == (
        f"{tmp_path / 'empty'} holds no song, which is a folder with an audio file per stem"
    )
    soundfile.write(songs / "one" / "vocals.flac", stem(0).T, RATE)
    assert refusal(run(songs)) == (
        f"{songs / 'one' / 'vocals.flac'} and vocals.wav could both be vocals: remove one of them"
    )
    only = write(tmp_path / "only" / "one", {"mixture": stem(0)}).parent
    assert refusal(run(only)) == f"{only} holds nothing but mixtures: a file per true stem is needed beside each"


def test_a_folder_that_may_not_be_read_is_named(songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iterdir = Path.iterdir

    def guarded(folder: Path) -> Iterator[Path]:
        if folder == songs / "one":
            raise PermissionError(13, "Permission denied")
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", guarded)
    assert refusal(run(songs)) == f"{songs / 'one'}: permission denied"
    assert refusal(run(songs / "one")) == f"{songs / 'one'}: permission denied"


def test_songs_and_estimates_of_another_form_are_refused(songs: Path, tmp_path: Path) -> None:
    folder = estimates_of(songs, tmp_path / "mine")
    write(folder / "one", {"drums": stem(1)[:1, :9000]}, rate=16000)
    write(songs / "two", {name: stem(0)[:, :1024] for name in ("mixture", "vocals", "drums", "other")})
    result = run(songs, "--estimates", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert errors == [
        f"hfbs: error: {folder / 'one' / 'drums.wav'} has 9000 samples at 16000 Hz in mono, but the song 12000 samples "
        "at 8000 Hz in stereo: an estimate must be as long as its song",
        "hfbs: error: two has 1024 samples; to be scored it needs at least 1025",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overlap", "2"], "--overlap is for a model: add --checkpoint, or leave it out"),
        (["--device", "cpu"], "--device is for a model: add --checkpoint, or leave it out"),
        (["--set", "a=1"], "--set is for a model: add --checkpoint, or leave it out"),
        (["--name", "mine"], "--name names estimates: add --checkpoint or --estimates, or leave it out"),
        (["--estimates", ".", "--name", "mixture"], "'mixture' is the name of an anchor, so estimates cannot bear it"),
        (["--stem", "a=b+"], "Invalid value for '--stem': 'a=b+' is neither NAME nor NAME=FILE+FILE"),
        (["--stem", "a=b+b"], "Invalid value for '--stem': 'a=b+b' names a file twice; leave one out"),
        (["--stem", "a", "--stem", "a=b"], "Invalid value for '--stem': a is given twice; leave one out"),
        (["--metric", "pesq"], "Invalid value for '--metric': 'pesq' is not one of 'sdr', 'si_sdr', "),
        (["--plot", "a.gif"], "--plot draws .png, .svg, .pdf, got a.gif: give it one of these suffixes"),
        (["--plot", "a.png", "--metric", "si_sdr"], "--plot draws the SDR: add --metric sdr, or leave out --plot"),
        (["--csv", "none/a.csv"], "there is no folder none: create it, or name another place with --csv"),
        (["--csv", "a", "--json", "a"], "--csv and --json name one file: give each its own"),
        (["--json", "."], ". is a folder: name another place with --json"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(songs: Path, words: list[str], message: str) -> None:
    assert refusal(run(songs, *words)).startswith(message)


def test_a_model_and_its_stems_exclude_each_other(tiny_checkpoint: tuple[Path, Path], songs: Path) -> None:
    message = refusal(run(songs, "--checkpoint", tiny_checkpoint[0], "--estimates", songs))
    assert message == "--checkpoint and --estimates exclude each other: a model is run, or its stems are there"


def test_files_that_are_there_are_kept_unless_forced(songs: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("precious")
    message = refusal(run(songs, "--csv", path))
    assert message == f"{path} exists: add --force to overwrite it, or name another place with --csv"
    assert path.read_text() == "precious"
    assert run(songs, "--csv", path, "--metric", "sdr", "--force").exit_code == 0
    assert path.read_text().startswith("song,stem,estimator,silent,sdr\n")


def test_a_disk_that_fails_leaves_the_old_file(songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("precious")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    result = run(songs, "--csv", path, "--metric", "sdr", "--force")
    assert result.exit_code == 2
    assert result.stderr.endswith(f"hfbs: error: {path} cannot be written: No space left on device\n")
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["scores.csv"]
    assert path.read_text() == "precious"


def test_what_an_extra_brings_is_named_where_it_is_missing(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_extra, "find_spec", lambda _: None)
    monkeypatch.setattr("hfbs_separate._evaluation._metrics.is_there", lambda _: False)
    assert refusal(run(songs, "--plot", tmp_path / "a.png")) == (
        '--plot needs matplotlib, which is not installed: pip install "hfbs-separate[evaluate]"'
    )
    assert refusal(run(songs, "--metric", "log_wmse")) == (
        'log_wmse needs log_wmse_audio_quality, which is not installed: pip install "hfbs-separate[log-wmse]"'
    )
    result = run(songs)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == 'log_wmse is left out; it needs: pip install "hfbs-separate[log-wmse]"'
    assert "log-WMSE" not in result.stdout


def test_missing_files_are_told_before_the_model_is_loaded(
    tiny_checkpoint: tuple[Path, Path], songs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("hfbs_separate._command_evaluate.loaded")
    model = ["--checkpoint", tiny_checkpoint[0], "--config", tiny_checkpoint[1]]
    assert "no song of" in refusal(run(songs, *model, "--stem", "bass"))
    assert "holds no song" in refusal(run(songs / "one", *model))


def test_the_commands_help_does_not_load_pytorch() -> None:
    code = "import sys, hfbs_separate.cli; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_anchors_of_a_real_song_have_their_order(shared_audio: Path, tmp_path: Path) -> None:
    for path in (shared_audio / "cc0" / "rubidium").glob("*.ogg"):
        place = tmp_path / "songs" / "rubidium" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        audio, rate = soundfile.read(path, start=117 * 44100, frames=5 * 44100)
        soundfile.write(place, audio, rate, "VORBIS")
    scores = list(evaluate(find_songs(tmp_path / "songs"), metrics=["sdr", "museval_sdr"]))
    for number in range(0, 16, 4):
        ideal, fixed, mixture, silence = (score.values["sdr"] for score in scores[number : number + 4])
        assert ideal > fixed > max(mixture, silence)
