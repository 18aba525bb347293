"""Our own format holds all that a checkpoint is, and nothing half."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from hfbs_filterbanks import BandLayout
from hfbs_model import (
    BandSplitRotator,
    Checkpoint,
    CheckpointError,
    ConfigError,
    MaskEstimator,
    Parts,
    inspect_checkpoint,
    load_checkpoint,
    save_checkpoint,
    save_msst_checkpoint,
)

from .conftest import TINY, overlapping_layouts

pytestmark = pytest.mark.usefixtures("as_users_run")


def checkpoint_of(**keywords: Any) -> Checkpoint:
    bands = {"freqs_per_bands", "mask_filter_bank", "num_bands"} & keywords.keys()
    own = {name: value for name, value in TINY.items() if name != "freqs_per_bands" or not bands}
    model = BandSplitRotator(**own | keywords).eval()
    names = tuple(f"stem {number}" for number in range(model.num_stems))
    return Checkpoint(model, names, 32000, 4000, 3, provenance={"source": "a test"})


def round_trip(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    save_checkpoint(checkpoint, folder / "m.safetensors")
    return load_checkpoint(folder / "m.safetensors")


def assert_same(loaded: Checkpoint, saved: Checkpoint) -> None:
    assert (loaded.stems, loaded.residual, loaded.sample_rate, loaded.chunk_size, loaded.num_overlap) == (
        saved.stems,
        saved.residual,
        saved.sample_rate,
        saved.chunk_size,
        saved.num_overlap,
    )
    assert loaded.provenance == saved.provenance
    mixture = torch.randn(1, saved.model.audio_channels, 333)
    with torch.no_grad():
        assert torch.equal(loaded.model(mixture), saved.model(mixture))


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"stereo": True, "num_stems": 3, "zero_dc": False, "skip_connection": True, "depth": 2},
        {"stft_hop_length": 20, "stft_win_length": 48, "stft_normalized": True},
        {"stft_window_fn": torch.hamming_window, "multi_stft_window_fn": torch.blackman_window},
        {"norm_output": True, "final_norm": True, "ff_mult": 2.5, "mlp_expansion_factor": 2, "mask_estimator_depth": 3},
        {"use_value_residual_learning": True, "depth": 2},
        {"use_value_residual_learning": True, "learned_value_residual_mix": False, "depth": 2},
        {"use_pope": True, "linear_transformer_depth": 1, "scale": 0.3},
        {"freq_range": (2, 30), "freqs_per_bands": (8, 20)},
        {"match_input_audio_length": False, "ff_dropout": 0.1, "attn_dropout": 0.2},
        {"multi_stft_hop_size": 8, "multi_stft_resolution_loss_weight": 0.5, "flash_attn": False},
        {"num_bands": 60, "sample_rate": 44100, "stft_n_fft": 2048, "stft_win_length": 2048, "stft_hop_length": 512},
        {"mask_filter_bank": np.tri(33, dtype=bool)[[5, 20, 32]]},
        {"freqs_per_bands": (2, 3), "stft_n_fft": 8, "stft_win_length": 8, "stft_hop_length": 4},
        {"freqs_per_bands": (2, 3), "stft_n_fft": 8, "stft_win_length": 8, "stft_hop_length": 4, "stereo": True},
        {"freqs_per_bands": (4, 10, 20), "stft_n_fft": 66},
        {"freqs_per_bands": (4, 10, 20), "stft_n_fft": 66, "stereo": True},
    ],
)
def test_what_is_saved_is_loaded_without_a_yaml(tmp_path: Path, keywords: dict[str, Any]) -> None:
    saved = checkpoint_of(**keywords)
    loaded = round_trip(saved, tmp_path)
    assert_same(loaded, saved)
    assert loaded.model.layout == saved.model.layout
    assert loaded.report.differences == loaded.report.by_origin("assumed") == ()
    resolved = {
        "sample_rate",
        "num_bands",
        "norm_output",
        "final_norm",
        "freqs_per_bands",
        "mask_filter_bank",
        "stft_window_fn",
    }
    for name, value in saved.model.keywords.items():
        if name not in resolved:
            assert loaded.model.keywords[name] == value, name
    assert loaded.model.stft_settings == saved.model.stft_settings
    assert loaded.model.loss_settings == saved.model.loss_settings


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layout=overlapping_layouts(), stereo=st.booleans())
def test_any_layout_is_saved(tmp_path: Path, layout: BandLayout, stereo: bool) -> None:
    saved = checkpoint_of(mask_filter_bank=layout, stereo=stereo)
    loaded = round_trip(saved, tmp_path)
    assert loaded.model.layout == layout
    assert_same(loaded, saved)


def test_every_keyword_stands_in_the_file_so_that_no_later_default_changes_it(tmp_path: Path) -> None:
    saved = checkpoint_of()
    save_checkpoint(saved, tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        document = json.loads(file.metadata()["hfbs"])
    given = {name for name, value in saved.model.keywords.items() if value is not None}
    assert given | {"norm_output", "final_norm", "freqs_per_bands", "stft_window_fn"} == document["model"].keys()
    assert document["version"] == 1


def test_half_precision_is_half_the_size_and_keeps_positions_exact(tmp_path: Path) -> None:
    saved = checkpoint_of(dim=32, depth=2)
    save_checkpoint(saved, tmp_path / "whole.safetensors")
    save_checkpoint(saved, tmp_path / "half.safetensors", dtype=torch.float16)
    whole, half = ((tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "half"))
    assert half < 0.7 * whole
    loaded = load_checkpoint(tmp_path / "half.safetensors").model
    for name, tensor in loaded.state_dict().items():
        expected = saved.model.state_dict()[name]
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, expected if "rotary" in name else expected.half().float(), rtol=0, atol=0)


def test_mel_bands_at_the_checkpoints_rate_are_saved_by_their_parameters(tmp_path: Path) -> None:
    mel = {"num_bands": 60, "sample_rate": 44100, "stft_n_fft": 2048, "stft_win_length": 2048, "stft_hop_length": 512}
    saved = replace(checkpoint_of(**mel), sample_rate=44100)
    loaded = round_trip(saved, tmp_path)
    assert_same(loaded, saved)
    assert (loaded.model.keywords["num_bands"], loaded.model.keywords["mask_filter_bank"]) == (60, None)


def test_a_setting_goes_before_the_metadata(tmp_path: Path) -> None:
    save_checkpoint(checkpoint_of(), tmp_path / "m.safetensors")
    loaded = load_checkpoint(tmp_path / "m.safetensors", zero_dc=False, chunk_size=5000)
    assert (loaded.model.zero_dc, loaded.chunk_size) == (False, 5000)
    assert "zero_dc: the arguments say False, its metadata say True" in str(loaded.report)


ANSWERS: dict[str, Any] = {
    "stft_hop_length": 16,
    "stft_win_length": 64,
    "zero_dc": True,
    "skip_connection": False,
    "stems": "stem 0",
    "sample_rate": 32000,
    "chunk_size": 4000,
}
"""What the weights of a tiny model do not tell."""


@pytest.mark.parametrize(("dim", "ff_mult", "other"), [(8, 8 / 3, 2.65), (88, 98.5 / 88, 1.12)])
def test_weights_tell_the_multiple_of_feed_forward_blocks_but_for_rounding(
    tmp_path: Path, dim: int, ff_mult: float, other: float
) -> None:
    saved = checkpoint_of(dim=dim, ff_mult=ff_mult)
    loaded = round_trip(saved, tmp_path)
    assert_same(loaded, saved)
    assert loaded.model.keywords["ff_mult"] == ff_mult
    torch.save(saved.model.state_dict(), tmp_path / "m.ckpt")
    for said in ({}, {"ff_mult": other}):
        again = load_checkpoint(tmp_path / "m.ckpt", **ANSWERS, **said).model
        assert again.state_dict().keys() == saved.model.state_dict().keys()
        assert again.keywords["ff_mult"] == pytest.approx(said.get("ff_mult", ff_mult), abs=1 / dim)
    for wrong in (ff_mult - 1 / dim, ff_mult + 1 / dim, float("inf"), float("nan")):
        with pytest.raises(CheckpointError, match=f"ff_mult: the weights say .* the arguments say {wrong}; set it"):
            load_checkpoint(tmp_path / "m.ckpt", **ANSWERS, ff_mult=wrong)


def test_the_residuals_name_is_kept_overruled_and_unset(tmp_path: Path) -> None:
    saved = replace(checkpoint_of(), residual="instrumental")
    path = tmp_path / "m.safetensors"
    assert_same(round_trip(saved, tmp_path), saved)
    assert inspect_checkpoint(path).values["residual"] == "instrumental"
    assert load_checkpoint(path, residual="rest").residual == "rest"
    assert load_checkpoint(path, residual=None).residual is None
    older = load_checkpoint(changed(tmp_path, lambda document: document.pop("residual")))
    assert older.residual is None
    assert "residual" not in {finding.keyword for finding in older.report.findings}


@pytest.mark.parametrize("name", ["", "stem 0"])
def test_a_residual_without_a_name_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    message = rf"residual is a name beside those of the stems \(stem 0\), got '{name}'; choose another, or None"
    with pytest.raises(ValueError, match=message):
        replace(checkpoint_of(), residual=name)
    save_checkpoint(checkpoint_of(), tmp_path / "m.safetensors")
    with pytest.raises(ConfigError, match=message if name else "the setting residual is a name, or none, got ''"):
        load_checkpoint(tmp_path / "m.safetensors", residual=name)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"stems": ("a",)}, r"stems are 2 names, one for each stem of the model, got 1 \('a',\)"),
        ({"stems": ("a", "a")}, r"stems of a checkpoint is a list of different names, got \('a', 'a'\)"),
        ({"stems": ("a", "")}, "stems of a checkpoint is a list of different names"),
        ({"stems": ("a", 3)}, "stems of a checkpoint is a list of different names"),
        ({"stems": "ab"}, "stems of a checkpoint is a list of different names, got 'ab'"),
        ({"residual": 3}, "residual of a checkpoint is a name, or none, got 3"),
        ({"sample_rate": 44100.0}, "sample_rate of a checkpoint is a whole number of Hz, at least 1, got 44100.0"),
        ({"chunk_size": 0}, "chunk_size of a checkpoint is a whole number of samples, at least 1, got 0"),
        ({"num_overlap": True}, "num_overlap of a checkpoint is a whole number, at least 1, got True"),
    ],
)
def test_a_checkpoint_that_could_not_be_loaded_cannot_be_made(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(checkpoint_of(num_stems=2), **said)


@pytest.mark.parametrize("said", [{}, {"freqs_per_bands": (4, 10, 20)}])
def test_a_layout_that_is_said_goes_before_a_usual_one(tmp_path: Path, said: dict[str, Any]) -> None:
    """Even widths are those of a stereo model as well, over an FFT of 32."""
    saved = checkpoint_of(freqs_per_bands=(4, 10, 20), stft_n_fft=66)
    torch.save(saved.model.state_dict(), tmp_path / "m.ckpt")
    answers = ANSWERS | {"stft_win_length": 32}
    assert load_checkpoint(tmp_path / "m.ckpt", **answers).model.stereo
    loaded = load_checkpoint(tmp_path / "m.ckpt", **answers, **said, stft_n_fft=66, stereo=False)
    assert loaded.model.layout == saved.model.layout


def test_a_yaml_beside_our_own_format_is_refused(tmp_path: Path) -> None:
    save_checkpoint(checkpoint_of(), tmp_path / "m.safetensors")
    with pytest.raises(ConfigError, match=r"m.safetensors holds its configuration itself; leave .*m.yaml out"):
        load_checkpoint(tmp_path / "m.safetensors", tmp_path / "m.yaml")


def changed(folder: Path, change: Any) -> Path:
    """A saved file with another configuration in its metadata."""
    save_checkpoint(checkpoint_of(), folder / "m.safetensors")
    with safe_open(folder / "m.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        document = json.loads(file.metadata()["hfbs"])
    change = change(document) if callable(change) else change
    text = change if isinstance(change, str) else json.dumps(document)
    save_file(tensors, folder / "m.safetensors", metadata={"hfbs": text})
    return folder / "m.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "the configuration in .*m.safetensors is damaged: .*; download it again"),
        ("[" * 100_000, "the configuration in .* is damaged: "),
        ("[1]", r"the configuration in .* is damaged: it is \[1\]"),
        (lambda document: document.pop("stems") and None, "is damaged: stems is None"),
        (lambda document: document.update(chunk_size="8"), "is damaged: chunk_size is '8'"),
        (
            lambda document: document.update(version=2),
            "is of version 2 of the format, and this package reads up to 1; upg",
        ),
        (lambda document: document["model"].update(dim=16), "dim: the weights say 8, its metadata say 16"),
        (
            lambda document: document["model"].update(stft_window_fn="os.system"),
            "stft_window_fn of .* is 'os.system', not",
        ),
        (
            lambda document: document["model"].update(stft_hop_length="16"),
            "stft_hop_length .*is a whole number, got '16'",
        ),
        (lambda document: document["model"].update(mask_filter_bank="{}"), "the layout in .*m.safetensors is damaged"),
        (lambda document: document["model"].update(frequency=3), "has no keyword 'frequency'"),
        (lambda document: document.update(stems=["a", 3]), r"stems .*is a list of different names, got \['a', 3\]"),
        (lambda document: document.update(residual=3), "residual in the metadata of .* is a name, or none, got 3"),
        (lambda document: document.update(residual="stem 0"), "residual is a name beside those of the stems"),
        (lambda document: document["variants"].update(magic={}), "the variant 'magic'"),
    ],
)
def test_metadata_that_mean_nothing_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises((CheckpointError, ConfigError), match=message) as refusal:
        load_checkpoint(changed(tmp_path, change))
    assert "\n" not in str(refusal.value)


def test_another_suffix_and_another_window_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved as \.safetensors, got 'm\.ckpt'; name it m\.safetensors"):
        save_checkpoint(checkpoint_of(), tmp_path / "m.ckpt")
    odd = checkpoint_of(stft_window_fn=lambda length, **_: torch.ones(length))
    with pytest.raises(ValueError, match="a file holds stft_window_fn by name, one of torch's hann_window, "):
        save_checkpoint(odd, tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_parts_that_no_variant_has_built_are_refused(tmp_path: Path) -> None:
    own = checkpoint_of(parts=Parts(mask_estimator=partial(MaskEstimator, activation=torch.nn.ReLU)))
    with pytest.raises(ValueError, match="by the recipe of the variants that built them, and this model's parts have"):
        save_checkpoint(own, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="by the recipe of the variants that built them, and this model's parts have"):
        save_msst_checkpoint(own, tmp_path / "m.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(checkpoint_of(), path)
    before = path.read_bytes()

    def half_of(tensors: Any, target: Path, metadata: Any) -> None:
        target.write_bytes(before[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hfbs_model._checkpoints._format.save_file", half_of)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(checkpoint_of(dim=16), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_can_be_replaced_while_a_model_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    first, second = checkpoint_of(), checkpoint_of()
    save_checkpoint(first, path)
    loaded = load_checkpoint(path)
    save_checkpoint(second, path)
    assert_same(loaded, first)
    assert_same(load_checkpoint(path), second)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_name_as_long_as_file_systems_allow_is_written(tmp_path: Path) -> None:
    """255 bytes are 80 letters of this script and an ending, and the temporary file's name must fit as well."""
    path = tmp_path / ("界" * 80 + ".safetensors")
    save_checkpoint(checkpoint_of(), path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
