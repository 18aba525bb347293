"""Several models on one song: what they give together, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from hfbs_model import load_checkpoint, save_checkpoint
from hfbs_separate import Ensemble, OptionError, Separator
from hfbs_separate._audio_source import ArraySource
from hfbs_separate.cli import main


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[-1]).uniform(-1, 1, shape).astype(np.float32)


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
        (3, {"combine": "max"}, r"combine is one of mean, median, got 'max'"),
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
