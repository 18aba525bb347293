"""What ships with the package: it is small, says what it is, separates, and is what a newcomer gets."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from hfbs_model import inspect_checkpoint
from hfbs_separate import Separator, _command_separate
from hfbs_separate._checkpoint_option import ABOUT_DEMO
from hfbs_separate.cli import main
from hfbs_separate.demo import CARD, MODEL, SONG
from hfbs_separate.evaluation import sdr

STEMS = Path(__file__).parents[1] / "demo_song" / "song"


def hfbs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="hfbs")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(path: Path) -> np.ndarray:
    """Samples of a file: float32, (channel, time)."""
    return soundfile.read(path, dtype="float32")[0].T


def test_model_and_song_are_small_enough_to_ship() -> None:
    assert MODEL.stat().st_size <= 6e6
    assert SONG.stat().st_size <= 1.5e6


def test_the_model_holds_all_its_settings_and_whence_it_is() -> None:
    inspection = inspect_checkpoint(MODEL)
    assert not inspection.report.differences
    assert inspection.values["stems"] == ("vocals",)
    assert inspection.values["residual"] == "instrumental"
    assert {"licence", "data", "card"} <= inspection.provenance.keys()


def test_the_card_is_of_this_model() -> None:
    card = CARD.read_text(encoding="utf-8")
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() in card
    assert re.search(r"hfbs evaluate .* --checkpoint demo", card)


def test_the_song_is_the_sum_of_the_true_stems() -> None:
    total = sum(read(STEMS / f"{stem}.ogg") for stem in ("vocals", "drums", "bass", "other"))
    assert isinstance(total, np.ndarray)
    assert sdr(total, read(SONG)) > 15  # each is Vorbis


def test_it_separates_a_song_that_it_was_not_trained_on() -> None:
    mixture, vocals = read(SONG), read(STEMS / "vocals.ogg")
    stems = Separator.from_checkpoint(MODEL, device="cpu").separate(mixture, 44100)
    assert sdr(vocals, stems["vocals"]) > sdr(vocals, mixture) + 10
    assert sdr(mixture - vocals, stems["instrumental"]) > sdr(mixture - vocals, mixture) + 5


def test_a_song_alone_is_enough_for_stems() -> None:
    soundfile.write("my song.wav", np.random.default_rng(0).normal(0, 0.1, (30000, 2)), 44100)
    result = hfbs("separate", "my song.wav")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == ["stems/my song/vocals.wav", "stems/my song/instrumental.wav"]
    assert ABOUT_DEMO in result.stderr
    assert "warning" not in result.stderr
    record = json.loads(Path("stems/my song/separation.json").read_text())
    assert record["checkpoint"]["weights"]["sha256"] == hashlib.sha256(MODEL.read_bytes()).hexdigest()


def test_a_chosen_model_is_not_explained(tiny_checkpoint: tuple[Path, Path]) -> None:
    soundfile.write("song.wav", np.zeros((3000, 2)), 44100)
    weights, config = tiny_checkpoint
    result = hfbs("separate", "song.wav", "--checkpoint", weights, "--config", config)
    assert result.exit_code == 0, result.stderr
    assert "hfbs models" not in result.stderr


def test_a_file_named_as_the_model_is_reached_by_its_path() -> None:
    Path("demo").write_bytes(b"no checkpoint")
    assert hfbs("inspect", "demo").exit_code == 0
    assert "no checkpoint" not in hfbs("inspect", "demo").stdout
    assert hfbs("inspect", "./demo").exit_code == 2


def test_the_demo_writes_stems_page_and_picture_and_says_where() -> None:
    result = hfbs("demo", "-o", "here/there")
    assert result.exit_code == 0, result.stderr
    folder = Path("here/there")
    wanted = ["song.ogg", "song/vocals.wav", "song/instrumental.wav", "song/song.html", "song/song.png"]
    assert result.stdout.splitlines() == [str(folder / name) for name in wanted]
    assert all((folder / name).stat().st_size > 0 for name in wanted)
    assert f"$ hfbs separate {folder}/song.ogg -o {folder}\n" in result.stderr
    again = hfbs("demo", "-o", folder)
    assert again.exit_code == 2
    assert "song.ogg exists: add --force" in again.stderr
    assert hfbs("demo", "-o", folder, "--force").exit_code == 0


def test_an_interrupted_demo_says_how_to_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_command_separate, "_separate_here", interrupted)
        result = hfbs("demo", "-o", "here")
    assert result.exit_code == 130
    assert "Go on with" not in result.stderr
    again = re.search(r"begin anew with: hfbs (.*)", result.stderr)
    assert again
    assert hfbs(*again[1].split()).exit_code == 0


def test_a_demo_that_cannot_be_written_says_so() -> None:
    Path("taken").write_text("a file")
    result = hfbs("demo", "-o", "taken/below")
    assert result.exit_code == 2
    assert "cannot be written: not a directory" in result.stderr
