"""Several models on one song: what they give together, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from hfbs_model import load_checkpoint, save_checkpoint
from hfbs_separate import Ensemble, OptionError, Separator
from hfbs_separate._audio_source import ArraySource
from hfbs_separate.cli import main

from .conftest import noise


@pytest.fixture
def separators(gains_checkpoint: Callable[..., Any]) -> list[Separator]:
    """Of gains 1, 2 and 6 for the first stem, with chunks and rates of their own."""
    settings = [(1.0, 8000, 1000), (2.0, 8000, 700), (6.0, 8000, 5000)]
    return [
        Separator(gains_checkpoint((gain, 0.5), sample_rate=rate, chunk_size=chunk), device="cpu", precision="float32")
        for gain, rate, chunk in settings
    ]


def together(ensemble: Ensemble, song: np.ndarray) -> dict[str, np.ndarray]:
    blocks = list(ensemble.stream(ArraySource(song, 8000)))
    return {stem: np.concatenate([block[stem] for block in blocks], axis=-1) for stem in ensemble.stems}


@pytest.mark.parametrize("samples", [1, 999, 6001])
@pytest.mark.parametrize(
    ("options", "gain"),
    [({}, 3.0), ({"weights": [1, 2, 1]}, 2.75), ({"weights": [0.2, 0.2, 0.1]}, 2.4), ({"combine": "median"}, 2.0)],
)
def test_estimates_are_put_together_sample_by_sample(
    separators: list[Separator], samples: int, options: dict[str, Any], gain: float
) -> None:
    song = noise(2, samples)
    stems = together(Ensemble(separators, **options), song)
    np.testing.assert_allclose(stems["stem0"], gain * song, rtol=1e-6)
    np.testing.assert_allclose(stems["stem1"], song / 2, rtol=1e-6)


def test_only_stems_in_common_are_given(gains_checkpoint: Callable[..., Any]) -> None:
    many, few = (Separator(gains_checkpoint(gains), device="cpu") for gains in ((1.0, 0.5, 2.0), (1.0, 0.5)))
    assert Ensemble([many, few]).stems == ("stem0", "stem1")


def test_what_stems_leave_is_given_where_all_models_name_it(gains_checkpoint: Callable[..., Any]) -> None:
    def separator(gain: float, residual: str | None) -> Separator:
        return Separator(gains_checkpoint((gain,), residual=residual), device="cpu", precision="float32")

    assert Ensemble([separator(0.5, "rest"), separator(0.25, None)]).stems == ("stem0",)
    song = noise(2, 3000)
    stems = together(Ensemble([separator(0.5, "rest"), separator(0.25, "rest")]), song)
    np.testing.assert_allclose(stems["stem0"] + stems["rest"], song, atol=1e-6)


def test_the_instrumental_of_models_with_and_without_a_residual_is_given(
    tiny_checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    import soundfile

    plain = load_checkpoint(*tiny_checkpoint)
    files = {residual: str(tmp_path / f"{residual}.safetensors") for residual in (None, "instrumental")}
    for residual, file in files.items():
        save_checkpoint(replace(plain, residual=residual), Path(file))
    soundfile.write(tmp_path / "song.wav", noise(2, 3000).T / 2, 8000, "FLOAT")
    words = ["separate", str(tmp_path / "song.wav"), "-o", str(tmp_path / "out"), "--device", "cpu", "--instrumental"]
    words += ["--checkpoint", files["instrumental"], "--with", files[None], "--name", "{stem}"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert [Path(line).stem for line in done.stdout.splitlines()] == ["vocals", "other", "instrumental"]


def test_progress_tells_samples_done_and_in_all(separators: list[Separator]) -> None:
    seen: list[tuple[int, int | None]] = []
    ensemble = Ensemble(separators)
    for _ in ensemble.stream(ArraySource(noise(2, 3000), 8000), progress=lambda *now: seen.append(now)):
        pass
    assert (seen[0], seen[-1]) == ((0, 3000), (3000, 3000))


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (1, {}, r"the mean is of at least 2 models, got 1"),
        (2, {"combine": "median"}, r"the median is of at least 3 models, got 2"),
        (3, {"combine": "sum"}, r"combine is one of mean, median, min, .*, got 'sum'"),
        (3, {"combine": "median", "weights": [1, 1, 1]}, r"weights are of the mean"),
        (2, {"weights": [1]}, r"weights are a number above 0 for each of 2 models, got \[1\]"),
        (2, {"weights": [1, 0]}, r"weights are a number above 0"),
        (2, {"weights": [1, float("nan")]}, r"weights are a number above 0"),
    ],
)
def test_what_is_no_ensemble_is_refused(
    separators: list[Separator], count: int, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        Ensemble(separators[:count], **options)


def test_models_without_a_stem_in_common_are_refused(separators: list[Separator]) -> None:
    separators[1].stems = ("piano",)
    with pytest.raises(OptionError, match=r"no stem in common, but stem0, stem1; piano; rename one"):
        Ensemble(separators[:2])


def test_the_command_takes_further_models(tiny_checkpoint: tuple[Path, Path], tmp_path: Path) -> None:
    import soundfile

    other = tmp_path / "other.safetensors"
    save_checkpoint(load_checkpoint(*tiny_checkpoint), other)
    soundfile.write(tmp_path / "song.wav", noise(2, 9000).T / 2, 8000, "FLOAT")
    checkpoint, config = map(str, tiny_checkpoint)
    words = ["separate", str(tmp_path / "song.wav"), "--checkpoint", checkpoint, "--config", config]
    words += ["--device", "cpu", "--precision", "float32"]
    for folder, options in (("one", []), ("two", ["--with", str(other), "--weights", "2,1"])):
        done = CliRunner().invoke(main, [*words, "-o", str(tmp_path / folder), *options])
        assert done.exit_code == 0, done.output
    one, two = (soundfile.read(tmp_path / folder / "song" / "vocals.wav")[0] for folder in ("one", "two"))
    np.testing.assert_allclose(one, two, atol=1e-6)
    alone = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "three"), "--weights", "2,1"])
    assert alone.exit_code == 2
    assert "--combine and --weights are of several models: name the others by --with" in alone.output


@pytest.mark.parametrize("samples", [1, 999, 6001])
@pytest.mark.parametrize(
    ("combine", "gain"),
    [("min", 1.0), ("max", 6.0), ("mean-fft", 3.0), ("median-fft", 2.0), ("min-fft", 1.0), ("max-fft", 6.0)],
)
def test_every_way_of_combining_has_the_song_s_length_and_ends(
    separators: list[Separator], samples: int, combine: str, gain: float
) -> None:
    song = noise(2, samples)
    stems = together(Ensemble(separators, combine=combine), song)
    np.testing.assert_allclose(stems["stem0"], gain * song, atol=2e-6)
    np.testing.assert_allclose(stems["stem1"], song / 2, atol=2e-7)


def test_a_crossover_gives_each_model_its_frequencies(separators: list[Separator]) -> None:
    time = np.arange(8000) / 8000
    tones = np.stack([np.cos(2 * np.pi * hertz * time) for hertz in (50, 800, 3000)]).astype(np.float32)
    stems = together(Ensemble(separators, crossover=[300, 2000]), np.stack([tones.sum(axis=0)] * 2))
    assert stems["stem0"].shape == (2, 8000)
    expected = 1 * tones[0] + 2 * tones[1] + 6 * tones[2]
    np.testing.assert_allclose(stems["stem0"][0, :7500], expected[:7500], atol=1e-3)  # tones that end leak
    np.testing.assert_allclose(stems["stem1"][0], tones.sum(axis=0) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (2, {"combine": "median-fft"}, r"the median-fft is of at least 3 models, got 2"),
        (3, {"combine": "max-fft", "weights": [1, 1, 1]}, r"weights are of the mean, .*combine='max-fft'; leave them"),
        (2, {"crossover": [500, 900]}, r"a crossover is 1 ascending frequencies in Hz for 2 models, got \[500"),
        (3, {"crossover": [900, 500]}, r"a crossover is 2 ascending frequencies in Hz for 3 models, got \[900"),
        (2, {"crossover": [float("nan")]}, r"a crossover is 1 ascending"),
        (2, {"crossover": [10]}, r"each from 20 Hz to below half .* 4000 Hz, got 10$"),
        (2, {"crossover": [4000]}, r"each from 20 Hz to below half the rate of the models on either side, 4000 Hz"),
        (2, {"crossover": [500], "weights": [1, 2]}, r"leave out combine and weights, or the crossover"),
        (2, {"crossover": [500], "combine": "max"}, r"leave out combine and weights, or the crossover"),
        (1, {"crossover": []}, r"at least 2 models, got 1"),
    ],
)
def test_what_cannot_be_combined_or_shared_out_is_refused(
    separators: list[Separator], count: int, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        Ensemble(separators[:count], **options)


def test_settings_tell_ways_of_putting_together_apart(separators: list[Separator]) -> None:
    ways: list[dict[str, Any]] = [{}, {"combine": "max"}, {"combine": "max-fft"}, {"weights": [1, 2, 3]}]
    ways += [{"crossover": [500, 900]}, {"crossover": [500, 901]}]
    told = [Ensemble(separators, **way).settings for way in ways]
    assert all(one != other for number, one in enumerate(told) for other in told[:number])
    assert told[4] == {"crossover": [500.0, 900.0], "models": [separator.settings for separator in separators]}


def test_the_command_merges_by_frequency_and_sees_a_changed_crossover(
    tiny_checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    import soundfile

    other = tmp_path / "other.safetensors"
    save_checkpoint(load_checkpoint(*tiny_checkpoint), other)
    soundfile.write(tmp_path / "song.wav", noise(2, 9000).T / 2, 8000, "FLOAT")
    checkpoint, config = map(str, tiny_checkpoint)
    words = ["separate", str(tmp_path / "song.wav"), "--checkpoint", checkpoint, "--config", config]
    words += ["--device", "cpu", "--precision", "float32", "-o", str(tmp_path / "stems")]

    def run(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, [*words, *options])
        return done.exit_code, done.output

    two = ("--with", str(other))
    assert run(*two, "--crossover", "500")[0] == 0
    assert soundfile.info(tmp_path / "stems" / "song" / "vocals.wav").frames == 9000
    recipe = json.loads((tmp_path / "stems" / "song" / "separation.json").read_bytes())["separation"]
    assert recipe["crossover"] == [500.0]
    code, output = run(*two, "--crossover", "500", "--skip-existing")
    assert (code, "1 song left alone" in output) == (0, True)
    for changed in (("--crossover", "501"), ("--combine", "max-fft")):
        code, output = run(*two, *changed, "--skip-existing")
        assert (code, "made with other settings" in output) == (2, True)
    for options, remedy in (
        (("--crossover", "500"), "--crossover is between two models or more: name the others by --with"),
        ((*two, "--crossover", "500", "--combine", "max"), "leave out one or the other"),
        ((*two, "--crossover", "500", "--weights", "2,1"), "leave out one or the other"),
        ((*two, "--crossover", "5e3"), "below half the rate of the models on either side"),
        ((*two, "--crossover", "high"), "is not of the form NUMBER"),
    ):
        code, output = run(*options)
        assert (code, remedy in output) == (2, True), output
