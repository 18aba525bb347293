"""A core that was exported separates as its checkpoint does: by the command, and by a host that has no PyTorch."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from hfbs_model import load_checkpoint
from hfbs_model._export._document import document_of
from hfbs_model.export import load_exported
from hfbs_separate import OptionError, Separator
from hfbs_separate._audio_source import ArraySource
from hfbs_separate._chunking import Clean
from hfbs_separate.cli import main

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

# What a run-time check of shapes says of sizes would become part of the graph.
pytestmark = pytest.mark.compiled

HOST = Path(__file__).parents[2] / "docs" / "examples" / "onnx_host.py"
WITHOUT_TORCH = """
import runpy, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "hfbs_model", "hfbs_separate", "hfbs_attention"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
try:
    import torch
except ImportError:
    sys.argv = sys.argv[1:]
else:
    sys.exit("torch is there")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def hfbs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="hfbs")


def refusal(result: Result) -> str:
    """The one line of a refused call."""
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.output
    return result.stderr.removeprefix("hfbs: error: ").removesuffix("\n")


@pytest.fixture(scope="module")
def core(tiny_checkpoint: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint's core, exported by the command."""
    path = tmp_path_factory.mktemp("exported") / "core.onnx"
    result = hfbs("export", tiny_checkpoint[0], path, "--config", tiny_checkpoint[1])
    assert (result.exit_code, result.stdout) == (0, f"{path}\n{path.with_suffix('.json')}\n"), result.output
    assert sorted(file.name for file in path.parent.iterdir()) == ["core.json", "core.onnx"]
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A second and a half of noise in stereo at 8 kHz, 16 bits: three chunks of the tiny model and a piece."""
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (12345, 2)), 8000, "PCM_16")
    return path


@pytest.fixture
def expected(tiny_checkpoint: tuple[Path, Path], song: Path) -> Mapping[str, Any]:
    """The song's stems by PyTorch."""
    separator = Separator.from_checkpoint(*tiny_checkpoint, device="cpu", precision="float32")
    return separator.separate(soundfile.read(song, dtype="float32")[0].T, 8000)


def read(path: Path) -> Any:
    return soundfile.read(path, dtype="float32")[0].T


def test_the_command_separates_with_the_core_as_with_the_checkpoint(
    core: Path, song: Path, expected: Mapping[str, Any], tmp_path: Path
) -> None:
    result = hfbs("separate", song, "--checkpoint", core, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "cpu, float32, 1 thread, onnxruntime " in result.stderr
    for name, stem in expected.items():
        np.testing.assert_allclose(read(tmp_path / "out" / "song" / f"{name}.wav"), stem, atol=1e-5)
    record = json.loads((tmp_path / "out" / "song" / "separation.json").read_text())
    assert record["checkpoint"]["weights"]["file"] == "core.onnx"


def test_stems_chunks_and_ensembles_are_as_of_a_checkpoint(core: Path, song: Path, tmp_path: Path) -> None:
    chosen = ["--stems", "other", "--instrumental", "--chunk-seconds", 0.25, "--overlap", 3, "--batch-size", 2]
    result = hfbs("separate", song, "--checkpoint", core, "--with", core, "-o", tmp_path / "out", *chosen)
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out" / "song").glob("*.wav")} == {"other.wav", "instrumental.wav"}
    assert "chunks of 0.25 s, 3 chunks cover each sample" in result.stderr


def test_a_core_gives_the_residual_of_its_checkpoint(
    tiny_checkpoint: tuple[Path, Path], song: Path, tmp_path: Path
) -> None:
    core = tmp_path / "core.onnx"
    of_checkpoint = ["--config", tiny_checkpoint[1], "--set", "residual=instrumental"]
    assert hfbs("export", tiny_checkpoint[0], core, *of_checkpoint).exit_code == 0
    result = hfbs("separate", song, "--checkpoint", core, "-o", tmp_path / "out", "--name", "{stem}")
    assert result.exit_code == 0, result.output
    vocals, other, instrumental = (
        read(tmp_path / "out" / f"{name}.wav") for name in ("vocals", "other", "instrumental")
    )
    np.testing.assert_allclose(vocals + other + instrumental, read(song), atol=1e-6)
    run = host(core, song, tmp_path / "host")
    assert run.returncode == 0, run.stderr
    np.testing.assert_allclose(read(tmp_path / "host" / "instrumental.wav"), instrumental, atol=1e-3)


def test_evaluate_scores_the_core(core: Path, song: Path, tmp_path: Path) -> None:
    folder = tmp_path / "songs" / "one"
    folder.mkdir(parents=True)
    for stem in ("vocals", "other"):
        (folder / f"{stem}.wav").write_bytes(song.read_bytes())
    result = hfbs("evaluate", tmp_path / "songs", "--checkpoint", core, "--metric", "sdr")
    assert result.exit_code == 0, result.output
    assert "core" in result.stdout


def host(core: Path, song: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-c", WITHOUT_TORCH, HOST, core, song, out]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, check=False, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("samples", [12345, 3001], ids=["longer than a chunk", "shorter"])
def test_the_host_without_torch_gives_the_stems_of_separate(
    core: Path, song: Path, tiny_checkpoint: tuple[Path, Path], tmp_path: Path, samples: int
) -> None:
    audio = read(song)[:, :samples]
    soundfile.write(song, audio.T, 8000, "PCM_16")
    run = host(core, song, tmp_path / "out")
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
    separator = Separator.from_checkpoint(*tiny_checkpoint, device="cpu", precision="float32")
    expected = separator.separate(audio, 8000)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name}.wav" for name in expected}
    for name, stem in expected.items():
        np.testing.assert_allclose(read(tmp_path / "out" / f"{name}.wav"), stem, atol=1e-3)


def test_the_host_refuses_another_rate(core: Path, song: Path, tmp_path: Path) -> None:
    soundfile.write(song, read(song).T, 44100, "PCM_16")
    run = host(core, song, tmp_path / "out")
    assert run.returncode == 1
    assert "has 44100 Hz" in run.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("chunk_size", "overlap"), [(4000, 1), (4000, 2), (4100, 3), (150, 4), (64, 64)])
def test_the_document_has_the_steps_of_clean_chunking(
    tiny_checkpoint: tuple[Path, Path], chunk_size: int, overlap: int
) -> None:
    checkpoint = load_checkpoint(*tiny_checkpoint, chunk_size=chunk_size, num_overlap=overlap)
    said: Any = document_of(checkpoint, "float32")["chunking"]
    assert said["step"] == Clean(chunk_size, overlap, hop_length=64).step
    assert said["window"] == {"shape": "trapezoid", "fade": chunk_size // 10}


def test_a_core_runs_as_it_was_exported(core: Path) -> None:
    loaded = load_exported(core)
    for option in ({"device": "cuda"}, {"precision": "bfloat16"}, {"compiled": True}):
        ((name, value),) = option.items()
        with pytest.raises(OptionError, match=f"as it was exported, got {name} {value}: leave it out"):
            Separator(loaded, **option)
    assert Separator(loaded).batch_size == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "zero_dc=true"], "--set: zero_dc was settled when core.onnx was exported, of which chunk_size and"),
        (["--set", "num_overlap=many"], "--set: num_overlap is a whole number from 1 up, got 'many'"),
        (["--config", "CONFIG"], "--config is for weights, and core.onnx is a core that was exported"),
        (["--device", "mps"], "an exported core runs under onnxruntime on the CPU, as it was exported, got device mps"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_options_that_a_core_cannot_honour_are_refused(
    core: Path, song: Path, tiny_checkpoint: tuple[Path, Path], tmp_path: Path, words: list[str], message: str
) -> None:
    words = [str(tiny_checkpoint[1]) if word == "CONFIG" else word for word in words]
    assert refusal(hfbs("separate", song, "--checkpoint", core, "-o", tmp_path / "out", *words)).startswith(message)
    assert not (tmp_path / "out").exists()


def test_what_is_no_core_is_refused(song: Path, tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"something else")
    message = refusal(hfbs("separate", song, "--checkpoint", tmp_path / "other.onnx", "-o", tmp_path / "out"))
    assert message.startswith(f"{tmp_path / 'other.onnx'} is no ONNX model")


@pytest.mark.parametrize("command", ["inspect", "convert", "export"])
def test_commands_for_weights_refuse_a_core(core: Path, tmp_path: Path, command: str) -> None:
    new = {"inspect": [], "convert": [tmp_path / "new.ckpt"], "export": [tmp_path / "new.onnx"]}[command]
    assert "is a core that was exported, and this reads weights: name the checkpoint" in refusal(
        hfbs(command, core, *new)
    )


def test_places_are_checked_before_anything_is_loaded(
    core: Path, tiny_checkpoint: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("hfbs_separate._command_export.loaded_checkpoint")
    assert "exists: add --force" in refusal(hfbs("export", tiny_checkpoint[0], core))
    assert "there is no folder" in refusal(hfbs("export", tiny_checkpoint[0], tmp_path / "none" / "core.onnx"))
    assert refusal(hfbs("export", tiny_checkpoint[0], tmp_path / "core.pt2")) == (
        "a core is exported as .onnx, got core.pt2: name it core.onnx"
    )


def test_a_runtime_that_runs_out_of_memory_halves_the_chunks(
    core: Path, song: Path, expected: Mapping[str, Any]
) -> None:
    loaded = load_exported(core)
    session = loaded.model._session
    failures: Any = import_module("onnxruntime.capi.onnxruntime_pybind11_state")

    def run(names: None, feeds: Mapping[str, Any]) -> Any:
        if feeds["spectrum"].shape[2] > 40:
            raise failures.RuntimeException("Failed to allocate memory for requested buffer of size 99")
        return session.run(names, feeds)

    loaded.model._session = SimpleNamespace(run=run)
    notes: list[str] = []

    blocks = list(Separator(loaded).stream(ArraySource(read(song), 8000), note=notes.append))
    assert sum(block["vocals"].shape[-1] for block in blocks) == 12345
    assert any("chunks are halved to 0.248 s" in note for note in notes)


def test_the_commands_help_names_the_demo_and_loads_no_pytorch() -> None:
    code = "import sys, hfbs_separate._command_export; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_int8_is_said(tiny_checkpoint: tuple[Path, Path], song: Path, tmp_path: Path) -> None:
    small: Callable[..., Result] = lambda *words: hfbs(  # noqa: E731
        "export", tiny_checkpoint[0], tmp_path / "small.onnx", "--config", tiny_checkpoint[1], "--int8", *words
    )
    assert small().exit_code == 0
    result = hfbs("separate", song, "--checkpoint", tmp_path / "small.onnx", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "with weights in int8" in result.stderr
