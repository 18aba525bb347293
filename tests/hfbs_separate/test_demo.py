"""The demo separates with the real command, and its check can fail."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "demo.py"


@pytest.fixture
def demo(tmp_path: Path) -> ModuleType:
    """The demo, with a second of made-up music and its output in a folder of its own."""
    specification = importlib.util.spec_from_file_location("demo", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    vars(module).update(ROOT=tmp_path, OUTPUT=tmp_path / "demo-output", SONG=tmp_path / "none", SECONDS=1)
    return module


def test_the_demo_separates_and_says_where_the_stems_are(
    demo: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    demo.main()
    output, said = capfd.readouterr()
    assert "not a trained model" in output
    assert "$ hfbs separate demo-output/song.wav " in output
    assert "Together they are the song: the difference is at -1" in output
    assert ", float32" in said.splitlines()[0]
    assert "Warning" not in said
    low, high = (
        soundfile.read(tmp_path / "demo-output" / "stems" / "song" / f"{stem}.wav")[0] for stem in ("low", "high")
    )
    spectra = [np.abs(np.fft.rfft(stem[:, 0] * np.hanning(len(stem)))) ** 2 for stem in (low, high)]
    assert spectra[0][500:].sum() < 1e-4 * spectra[0].sum()
    assert spectra[1][:120].sum() < 1e-4 * spectra[0][:120].sum()


def test_the_demo_fails_when_the_stems_are_not_the_song(demo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def silence(song: Path, checkpoint: Path, config: Path, folder: Path) -> list[Path]:
        files = [demo.OUTPUT / "low.wav", demo.OUTPUT / "high.wav"]
        for file in files:
            soundfile.write(file, np.zeros((44100, 2)), 44100)
        return files

    monkeypatch.setattr(demo, "separate", silence)
    with pytest.raises(SystemExit, match=r"The stems' sum is 0\.0 dB off the song; -100 dB is allowed\."):
        demo.main()


def test_the_demos_shares_sum_to_one(demo: ModuleType) -> None:
    shares = [demo.low_share(hertz) for hertz in np.geomspace(1, 22050, 200)]
    assert shares[0] == 1
    assert shares[-1] == 0
    assert shares == sorted(shares, reverse=True)
    assert demo.low_share((demo.FADE_FROM * demo.FADE_TO) ** 0.5) == pytest.approx(0.5)
    weights = demo.crossover_weights()
    for band in range(62):
        heads = [weights[f"mask_estimators.{stem}.to_freqs.{band}.0.2.bias"] for stem in (0, 1)]
        half = len(heads[0]) // 2
        assert np.allclose((heads[0] + heads[1])[:half].reshape(-1, 2), [1, 0])
