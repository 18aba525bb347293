"""What hfbs inspect shows and prints as JSON is what loading finds, whatever is missing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from rich.cells import cell_len

from hfbs_model import (
    BandSplitRotator,
    Checkpoint,
    inference_memory,
    inspect_checkpoint,
    known_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from hfbs_model.mel_band_roformer import MelBandRoformer
from hfbs_separate.cli import main

ASKED = {
    "stft_hop_length",
    "stft_win_length",
    "zero_dc",
    "skip_connection",
    "stems",
    "sample_rate",
    "chunk_size",
}


def test_any_encoding_shows_what_it_can() -> None:
    words = [sys.executable, "-m", "hfbs_separate", "inspect", "demo"]
    shown = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"}, check=True)
    assert b"BS-RoFormer" in shown.stdout


def inspect(*words: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, words)], prog_name="hfbs")


def document(*words: object) -> dict[str, Any]:
    result = inspect(*words, "--json")
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def mel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a Mel-Band RoFormer with linear attention and PoPE, and nothing else."""
    model = MelBandRoformer(
        dim=16,
        depth=2,
        stereo=True,
        heads=2,
        dim_head=8,
        linear_transformer_depth=1,
        use_pope=True,
        mlp_expansion_factor=1,
        mask_estimator_depth=2,
    )
    path = tmp_path_factory.mktemp("mel") / "mel.ckpt"
    torch.save(model.state_dict(), path)
    return path


def test_weights_alone_are_enough_and_what_they_do_not_tell_is_listed(tiny_checkpoint: tuple[Path, Path]) -> None:
    result = inspect(tiny_checkpoint[0])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    for words in (
        "tiny.ckpt  BS-RoFormer, 2 stems",
        "1 layer of 2 along time + 2 along bands; dim 16",
        "2 heads × 8, RoPE",
        "1 hidden layer of 4 × dim per band",
        "3 bands side by side, over an FFT of 256, stereo",
        "▁▃█",
        "9 to 100 bins wide",
        "(supposing sample_rate=44100, chunk_size=352800, stft_hop_length=55)",
        "Give the YAML that came with the file by --config, or each by --set NAME=VALUE.",
    ):
        assert words in " ".join(result.stdout.split()) or words in result.stdout, words
    asked = {line.split()[1] for line in result.stdout.splitlines() if line.strip().startswith("? ")}
    assert asked == ASKED


def test_with_a_configuration_nothing_is_missing_and_every_setting_has_its_origin(
    tiny_checkpoint: tuple[Path, Path],
) -> None:
    path, config = tiny_checkpoint
    found = document(path, "--config", config, "--set", "num_overlap=4")
    loaded = load_checkpoint(path, config, num_overlap=4)
    assert found["missing"] == {}
    assert {name: setting["from"] for name, setting in found["settings"].items()} == {
        finding.keyword: finding.origin for finding in loaded.report.findings
    }
    assert found["settings"]["dim"] == {
        "value": 16,
        "from": "weights",
        "said": {"configuration": 16},
        "differs": False,
        "remark": "",
    }
    assert found["settings"]["num_overlap"]["value"] == 4
    assert found["settings"]["num_overlap"]["said"] == {"configuration": 2}
    assert found["settings"]["stems"]["value"] == ["vocals", "other"]
    assert found["layout"] == {
        "kind": "side by side",
        "bands": 3,
        "bins": 129,
        "widths": [9, 20, 100],
        "overlapping": False,
    }
    assert found["memory"] == {
        "bytes": inference_memory(loaded.model, samples=4000),
        "samples": 4000,
        "batch_size": 1,
        "supposed": {},
    }
    assert set(found) == {
        "file",
        "known",
        "family",
        "variants",
        "absent_variants",
        "settings",
        "missing",
        "layout",
        "parameters",
        "memory",
        "notes",
        "unused",
        "provenance",
    }


def test_parameters_add_up_to_the_models(tiny_checkpoint: tuple[Path, Path], mel: Path) -> None:
    said = {"stft_hop_length": 441, "stft_win_length": 2048, "zero_dc": True, "skip_connection": False}
    rest = {"stems": "vocals", "chunk_size": 44100, "msst_residuals": False}
    for path, loaded in (
        (tiny_checkpoint[0], load_checkpoint(*tiny_checkpoint)),
        (mel, load_checkpoint(mel, **said, **rest)),
    ):
        model, parameters = loaded.model, inspect_checkpoint(path).parameters
        assert parameters.total == sum(parameter.numel() for parameter in model.parameters())
        assert parameters.band_split == sum(parameter.numel() for parameter in model.band_split.parameters())
        assert parameters.mask_estimators == tuple(
            sum(parameter.numel() for parameter in estimator.parameters()) for estimator in model.mask_estimators
        )


def test_settled_keywords_build_the_model(tiny_checkpoint: tuple[Path, Path]) -> None:
    inspection = inspect_checkpoint(*tiny_checkpoint)
    keywords: dict[str, Any] = inspection.keywords
    BandSplitRotator(**keywords).load_state_dict(load_checkpoint(*tiny_checkpoint).model.state_dict())
    assert inspection.layout == load_checkpoint(*tiny_checkpoint).model.layout


def test_all_of_an_architecture_is_shown(mel: Path) -> None:
    words = " ".join(inspect(mel).stdout.split())
    assert "mel.ckpt Mel-Band RoFormer, 1 stem" in words
    assert "2 layers of 1 linear over both + 2 along time + 2 along bands; dim 16" in words
    assert "2 heads × 8, PoPE" in words
    assert "60 mel bands, which overlap, over an FFT of 2048, stereo at 44100 Hz" in words
    assert "╵1 kHz" in words
    assert "╵20 kHz" in words


def test_chunks_and_batch_change_the_memory(tiny_checkpoint: tuple[Path, Path]) -> None:
    path, config = tiny_checkpoint
    found = document(path, "--config", config, "--chunk-seconds", 2, "--batch-size", 3)["memory"]
    model = load_checkpoint(path, config).model
    expected = inference_memory(model, samples=16000, batch_size=3)
    assert found == {"bytes": expected, "samples": 16000, "batch_size": 3, "supposed": {}}


def test_differences_are_marked_and_the_exit_code_is_one(tiny_checkpoint: tuple[Path, Path], tmp_path: Path) -> None:
    path, config = tiny_checkpoint
    other = tmp_path / "other.yaml"
    other.write_text(config.read_text().replace("dim: 16", "dim: 32").replace("mask_estimator_depth: 2", "depth_x: 1"))
    assert inspect(path, "--config", other).exit_code == 2  # a keyword that nothing knows is no difference
    other.write_text(config.read_text().replace("dim: 16", "dim: 32").replace("[vocals, other]", "[vocals]"))
    result = inspect(path, "--config", other)
    assert (result.exit_code, result.stderr) == (1, "")
    words = " ".join(result.stdout.split())
    assert "✗ dim 16 in the weights, 32 in the YAML; set it to 16" in words
    assert "✗ stems 2 stem(s) in the weights, [vocals] in the YAML; set training.target_instrument" in words
    settings = document(path, "--config", other)["settings"]
    assert {name for name, setting in settings.items() if setting["differs"]} == {"dim", "stems"}


def test_what_nothing_uses_is_told(tiny_checkpoint: tuple[Path, Path]) -> None:
    result = inspect(tiny_checkpoint[0], "--config", tiny_checkpoint[1])
    assert "separation does without 1 key of the YAML: audio.num_channels" in result.stdout


def test_known_files_have_their_title(tiny_checkpoint: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    known = known_checkpoints()[0]
    monkeypatch.setattr("hfbs_model._checkpoints._inspect.checkpoint_by_sha256", lambda _: known)
    stdout = inspect(tiny_checkpoint[0]).stdout
    assert f"✓ {known.title}, by {known.author} ({known.name})" in stdout
    assert "licence: " in stdout
    assert document(tiny_checkpoint[0])["known"]["name"] == known.name


def test_our_own_files_miss_nothing_and_say_whence_they_are(tiny_checkpoint: tuple[Path, Path], tmp_path: Path) -> None:
    loaded = load_checkpoint(*tiny_checkpoint)
    path = tmp_path / "new.safetensors"
    save_checkpoint(
        Checkpoint(loaded.model, ("a", "b"), 8000, 4000, provenance={"file": "old.ckpt"}, residual="rest"),
        path,
        dtype=torch.float16,
    )
    found = document(path)
    assert (found["missing"], found["provenance"]) == ({}, {"file": "old.ckpt"})
    assert found["file"]["dtypes"] == ["float16"]
    assert found["settings"]["stft_hop_length"]["from"] == "metadata"
    assert {name: found["settings"]["residual"][name] for name in ("value", "from")} == {
        "value": "rest",
        "from": "metadata",
    }
    assert "file: old.ckpt" in inspect(path).stdout
    assert "rest, the mixture less the stems" in inspect(path).stdout
    assert "rest, the mixture" not in inspect(path, "--set", "residual=null").stdout


def test_a_variant_that_is_not_installed_is_named_and_not_fatal(
    tiny_checkpoint: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfbs_model._checkpoints._inspect.entry_points", lambda **_: ())
    weights = torch.load(tiny_checkpoint[0], weights_only=True)
    weights |= {f"mask_estimators.{stem}.segm.backbone.weight": torch.zeros(3) for stem in range(2)}
    torch.save(weights, tmp_path / "ace.ckpt")
    found = document(tmp_path / "ace.ckpt")
    assert (found["variants"], found["absent_variants"]) == (["hyperace"], ["hyperace"])
    assert found["memory"]["bytes"] is None
    words = " ".join(inspect(tmp_path / "ace.ckpt").stdout.split())
    assert "ace.ckpt BS-RoFormer + hyperace, 2 stems" in words
    assert "hyperace not installed; pip install hfbs-experimental" in words
    assert "memory not predicted for research variants" in words


def test_bands_that_widths_do_not_tell_are_asked_for(tmp_path: Path) -> None:
    matrix = [[True] * 30 + [False] * 35, [False] * 20 + [True] * 45]
    stft = {"stft_n_fft": 128, "stft_hop_length": 32, "stft_win_length": 128}
    model = BandSplitRotator(dim=8, depth=1, heads=1, dim_head=4, mask_filter_bank=matrix, **stft)
    torch.save(model.state_dict(), tmp_path / "odd.ckpt")
    result = inspect(tmp_path / "odd.ckpt")
    assert result.exit_code == 0, result.output
    assert "not told by the widths alone; see below" in result.stdout
    assert "? mask_filter_bank" in result.stdout
    assert document(tmp_path / "odd.ckpt")["layout"] is None
    rows = [[int(value) for value in row] for row in matrix]
    found = document(tmp_path / "odd.ckpt", "--set", f"mask_filter_bank={rows}", "--set", "stft_win_length=128")
    assert (found["layout"]["kind"], found["layout"]["widths"]) == ("custom", [30, 45])
    assert found["layout"]["overlapping"] is True


@pytest.mark.parametrize("width", [60, 80, 110])
def test_no_line_is_wider_than_the_terminal(
    tiny_checkpoint: tuple[Path, Path], mel: Path, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    from hfbs_separate._command_inspect import memory_of
    from hfbs_separate._screen import screen

    for inspection in (inspect_checkpoint(*tiny_checkpoint), inspect_checkpoint(mel)):
        Console(width=width, highlight=False).print(screen(mel, inspection, memory_of(inspection, None, 1), width))
        for line in capsys.readouterr().out.splitlines():
            assert cell_len(line) <= width


def test_without_a_terminal_there_is_no_colour(tiny_checkpoint: tuple[Path, Path]) -> None:
    command = [Path(sys.executable).with_name("hfbs"), "inspect", tiny_checkpoint[0]]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert "\x1b" not in run.stdout
    assert run.stdout.startswith("tiny.ckpt")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "zero_dc=7"], "the setting zero_dc is true or false, got 7"),
        (["--set", "foo=7"], "--set: the model has no keyword 'foo'"),
        (["--chunk-seconds", "nan"], "chunk_seconds is the length of a chunk"),
    ],
)
def test_refusals_are_one_line(tiny_checkpoint: tuple[Path, Path], words: list[str], message: str) -> None:
    result = inspect(tiny_checkpoint[0], *words)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"hfbs: error: {message}")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, encode: Callable[..., Path]) -> None:
    (tmp_path / "song.ckpt").write_bytes(b"RIFF and so on")
    result = inspect(tmp_path / "song.ckpt")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no PyTorch checkpoint" in result.stderr
