"""Checkpoints in MSST's format load exactly, or are refused with the keyword to change; nothing in them is run."""

import pickle
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from hfbs_model import BandSplitRotator, CheckpointError, ConfigError, load_checkpoint
from hfbs_model._checkpoints._files import read_file
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer

BS: dict[str, Any] = {
    "dim": 8,
    "depth": 2,
    "stereo": True,
    "num_stems": 2,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "linear_transformer_depth": 0,
    "freqs_per_bands": (3, 5, 9, 16),
    "dim_head": 4,
    "heads": 2,
    "attn_dropout": 0,
    "ff_dropout": 0,
    "flash_attn": True,
    "dim_freqs_in": 33,
    "stft_n_fft": 64,
    "stft_hop_length": 16,
    "stft_win_length": 64,
    "stft_normalized": False,
    "mask_estimator_depth": 2,
    "multi_stft_resolution_loss_weight": 1.0,
    "multi_stft_resolutions_window_sizes": (4096, 2048, 1024, 512, 256),
    "multi_stft_hop_size": 147,
    "multi_stft_normalized": False,
    "mlp_expansion_factor": 2,
    "use_torch_checkpoint": False,
    "skip_connection": False,
}
MEL: dict[str, Any] = {name: value for name, value in BS.items() if name != "freqs_per_bands"} | {
    "depth": 1,
    "num_bands": 60,
    "sample_rate": 44100,
    "dim_freqs_in": 1025,
    "stft_n_fft": 2048,
    "stft_hop_length": 441,
    "stft_win_length": 2048,
    "attn_dropout": 0.1,
    "mlp_expansion_factor": 1,
}
KINDS: dict[str, tuple[type[BandSplitRotator], dict[str, Any]]] = {
    "bs": (BSRoformer, BS),
    "mel": (MelBandRoformer, MEL),
}
SECTIONS: dict[str, Any] = {
    "audio": {"chunk_size": 4000, "sample_rate": 44100, "num_channels": 2, "hop_length": 411, "dim_t": 801},
    "training": {"instruments": ["vocals", "other"], "target_instrument": None, "use_amp": True},
    "inference": {"batch_size": 1, "num_overlap": 4},
}

# The whole numbers that YAML files hold for dropout are no floats to the run-time check of types.
pytestmark = pytest.mark.usefixtures("as_users_run")

type Write = Callable[..., tuple[Path, Path]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a model's weights, and a YAML with given differences from its keywords."""

    def files(
        kind: str = "bs",
        built: dict[str, Any] | None = None,
        said: dict[str, Any] | None = None,
        omitted: tuple[str, ...] = (),
        contents: Callable[[dict[str, Tensor]], object] = dict,
        **sections: Any,
    ) -> tuple[Path, Path]:
        build, keywords = KINDS[kind]
        model = build(**keywords | (built or {}))
        document = SECTIONS | {"model": keywords | (built or {}) | (said or {})} | sections
        for name in omitted:
            del document["model"][name]
        weights, config = tmp_path / "model.ckpt", tmp_path / "model.yaml"
        torch.save(contents(model.state_dict()), weights)
        config.write_text(yaml.dump(document), encoding="utf-8")
        return weights, config

    return files


@torch.no_grad()
@pytest.mark.parametrize(
    "built",
    [
        {},
        {"stereo": False},
        {"mask_estimator_depth": 3, "depth": 1},
        {"linear_transformer_depth": 1, "time_transformer_depth": 2},
        {"skip_connection": True, "zero_dc": False, "stft_hop_length": 20, "freq_transformer_depth": 3},
        {"use_pope": True, "dim_head": 6, "heads": 3},
        {"stft_normalized": True, "mlp_expansion_factor": 3},
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_saved_is_loaded(write: Write, kind: str, built: dict[str, Any]) -> None:
    saved: list[dict[str, Tensor]] = []
    paths = write(kind, built, contents=lambda state: saved.append(state) or state)
    checkpoint = load_checkpoint(*paths)
    assert not checkpoint.model.training
    assert checkpoint.stems == ("vocals", "other")
    assert (checkpoint.sample_rate, checkpoint.chunk_size, checkpoint.num_overlap) == (44100, 4000, 4)

    build, keywords = KINDS[kind]
    original = build(**keywords | built).eval()
    original.load_state_dict(saved[0])
    audio = torch.randn(1, original.audio_channels, 441 * 8)
    separated = checkpoint.model(audio)
    torch.testing.assert_close(separated[..., : original(audio).shape[-1]], original(audio), rtol=0, atol=1e-6)
    assert separated.shape[-1] == audio.shape[-1]


def test_one_target_is_one_stem(write: Write) -> None:
    training = {"instruments": ["vocals", "other"], "target_instrument": "other"}
    assert load_checkpoint(*write(built={"num_stems": 1}, training=training)).stems == ("other",)


def test_the_chunk_of_inference_goes_before_that_of_audio(write: Write) -> None:
    assert load_checkpoint(*write(inference={"chunk_size": 5000})).chunk_size == 5000
    assert load_checkpoint(*write(inference={"chunk_size": 5000})).num_overlap == 2


@pytest.mark.parametrize("omitted", [("attn_dropout", "ff_dropout", "flash_attn"), ("linear_transformer_depth",)])
def test_what_is_left_out_is_mssts_default(write: Write, omitted: tuple[str, ...]) -> None:
    checkpoint = load_checkpoint(*write(omitted=omitted))
    assert checkpoint.model.zero_dc
    paths = write("mel", omitted=("num_bands", "sample_rate", *omitted))
    assert load_checkpoint(*paths).model.layout.num_bands == 60


def test_a_list_says_what_a_tuple_says(write: Write) -> None:
    lists = {"freqs_per_bands": [3, 5, 9, 16], "multi_stft_resolutions_window_sizes": [64, 32]}
    weights, config = write(said=lists)
    assert "!!python/tuple" not in config.read_text(encoding="utf-8")
    for said in ({}, lists):
        model = load_checkpoint(weights, config, **said).model
        assert (model.keywords["freqs_per_bands"], model.loss_settings.window_sizes) == ((3, 5, 9, 16), (64, 32))
    with pytest.raises(CheckpointError, match=r"freqs_per_bands: .* the arguments say \(3, 30\)"):
        load_checkpoint(weights, config, freqs_per_bands=[3, 30])


def test_a_custom_overlapping_layout_loads_by_its_matrix(tmp_path: Path) -> None:
    matrix = [[1] * 20 + [0] * 13, [0] * 9 + [1] * 24]
    keywords = {name: value for name, value in BS.items() if name not in ("freqs_per_bands", "mask_estimator_depth")}
    model = BandSplitRotator(**keywords, mask_filter_bank=matrix).eval()
    torch.save(model.state_dict(), tmp_path / "model.ckpt")
    config = SECTIONS | {"model": keywords | {"mask_filter_bank": matrix}}
    (tmp_path / "model.yaml").write_text(yaml.dump(config), encoding="utf-8")
    audio = torch.randn(1, 2, 500)
    with torch.no_grad():
        loaded = load_checkpoint(tmp_path / "model.ckpt", tmp_path / "model.yaml").model(audio)
        torch.testing.assert_close(loaded, model(audio))


@pytest.mark.parametrize(
    "contents",
    [
        dict,
        lambda state: {"state_dict": state},
        lambda state: {"state": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {"model_state_dict": state, "optimizer_state_dict": {"state": {}, "param_groups": []}},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"epoch": 3, "state": {"step": 3, "best": 0.1}, "model": state},
        lambda state: {"state": {"step": torch.tensor(3)}, "model": {"state": {}, "model_state_dict": state}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": {f"module._orig_mod.{name}": value for name, value in state.items()}},
        lambda state: {"epoch": 3, 7: "seven", **state},
    ],
)
def test_containers_and_prefixes_are_opened(write: Write, contents: Callable[[dict[str, Tensor]], object]) -> None:
    saved: list[dict[str, Tensor]] = []
    paths = write(contents=lambda state: contents(saved.append(state) or state))
    loaded = load_checkpoint(*paths).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in saved[0].items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_become_float32(write: Write, dtype: torch.dtype) -> None:
    saved: list[dict[str, Tensor]] = []

    def cast(state: dict[str, Tensor]) -> dict[str, Tensor]:
        saved.append({name: value.to(dtype) for name, value in state.items()})
        return saved[0]

    loaded = load_checkpoint(*write(contents=cast)).model.state_dict()
    assert {value.dtype for value in loaded.values()} == {torch.float32}
    for name, value in saved[0].items():
        if name.endswith("rotary_embed.freqs"):
            torch.testing.assert_close(loaded[name], 1 / 10000 ** torch.tensor([0.0, 0.5]), rtol=0, atol=0)
        else:
            assert torch.equal(loaded[name], value.float())


def test_safetensors_load_as_well(write: Write, tmp_path: Path) -> None:
    weights, config = write()
    state = torch.load(weights, weights_only=True)
    save_file({name: value.clone() for name, value in state.items()}, tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors", config).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_file_in_torchs_old_format_loads_as_well(write: Write) -> None:
    weights, config = write()
    torch.save(torch.load(weights, weights_only=True), weights, _use_new_zipfile_serialization=False)
    assert load_checkpoint(weights, config).stems == ("vocals", "other")


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_dim_freqs_in_is_noted(write: Write, kind: str) -> None:
    bins = KINDS[kind][1]["dim_freqs_in"]
    report = load_checkpoint(*write(kind, said={"dim_freqs_in": 1000})).report
    assert any(re.search(rf"dim_freqs_in is 1000, but stft_n_fft=\d+ means {bins}", note) for note in report.notes)


def test_a_stale_sage_attention_is_noted(write: Write) -> None:
    notes = load_checkpoint(*write(said={"sage_attention": True})).report.notes
    assert any("model.sage_attention would change the numbers and is not used; delete it" in note for note in notes)
    assert not load_checkpoint(*write(said={"sage_attention": False})).report.notes


def test_keys_of_the_yaml_that_nothing_uses_are_reported(write: Write) -> None:
    report = load_checkpoint(*write()).report
    assert report.unused == (
        "audio.dim_t",
        "audio.hop_length",
        "audio.num_channels",
        "inference.batch_size",
        "training.use_amp",
    )
    assert "not needed for separation: audio.dim_t, audio.hop_length" in str(report)


MISMATCHES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("bs", {}, {"dim": 16}, r"dim: the weights say 8, the configuration says 16; set it to 8"),
    ("bs", {}, {"depth": 3}, r"depth: the weights say 2, the configuration says 3; set it to 2"),
    ("mel", {"depth": 2}, {"depth": 1}, r"depth: the weights say 2, the configuration says 1; set it to 2"),
    ("bs", {}, {"heads": 4}, r"heads: the weights say 2, the configuration says 4; set it to 2"),
    ("bs", {}, {"dim_head": 8}, r"dim_head: the weights say 4, the configuration says 8; set it to 4"),
    ("bs", {}, {"num_stems": 1}, r"num_stems: the weights say 2, the configuration says 1; set it to 2"),
    ("bs", {}, {"linear_transformer_depth": 1}, r"linear_transformer_depth: the weights say 0, .* says 1"),
    ("bs", {"linear_transformer_depth": 1}, {"linear_transformer_depth": 0}, r"linear_transformer_depth: .* say 1"),
    ("bs", {}, {"time_transformer_depth": 2}, r"time_transformer_depth: the weights say 1, .* says 2; set it to 1"),
    ("bs", {"freq_transformer_depth": 2}, {"freq_transformer_depth": 1}, r"freq_transformer_depth: .* set it to 2"),
    ("bs", {}, {"mlp_expansion_factor": 4}, r"mlp_expansion_factor: the weights say 2, .* says 4; set it to 2"),
    ("bs", {}, {"use_pope": True}, r"use_pope: the weights say False, .* says True; set it to False"),
    (
        "bs",
        {},
        {"mask_estimator_depth": 3},
        "mask_estimator_depth: the weights say 1, the configuration says 2; counted .* mask_estimator_depth to 2",
    ),
    (
        "mel",
        {},
        {"mask_estimator_depth": 1},
        "mask_estimator_depth: the weights say 2, the configuration says 1; counted .* mask_estimator_depth to 2",
    ),
    (
        "bs",
        {},
        {"stereo": False},
        "stereo: the weights say True, the configuration says False; the weights have 4 bands side by side .*, stereo",
    ),
    (
        "mel",
        {},
        {"stereo": False},
        "stereo: the weights say True, .* the weights have 60 mel bands at 44100 Hz over an FFT of 2048, stereo",
    ),
    (
        "bs",
        {},
        {"freqs_per_bands": (3, 5, 25)},
        r"freqs_per_bands: the weights say \(3, 5, 9, 16\), the configuration says \(3, 5, 25\)",
    ),
    (
        "bs",
        {},
        {"freqs_per_bands": (5, 3, 9, 16)},
        r"freqs_per_bands: the weights say \(3, 5, 9, 16\), the configuration says \(5, 3, 9, 16\)",
    ),
    ("mel", {}, {"num_bands": 64}, "num_bands: the weights say 60, the configuration says 64; .* 60 mel bands"),
    (
        "mel",
        {},
        {"stft_n_fft": 4096, "dim_freqs_in": 2049},
        "stft_n_fft: the weights say 2048, the configuration says 4096",
    ),
    ("bs", {}, {"dim": 16, "depth": 3}, r"dim: .* set it to 8 \| depth: .* set it to 2"),
]


@pytest.mark.parametrize(("kind", "built", "said", "message"), MISMATCHES)
def test_the_keyword_that_contradicts_the_weights_is_named(
    write: Write, kind: str, built: dict[str, Any], said: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=r"model.yaml does not describe the checkpoint .*model.ckpt: ") as refusal:
        load_checkpoint(*write(kind, built, said))
    assert re.search(message, str(refusal.value))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "swapped", "keyword"), [("bs", {"num_bands": 60}, "num_bands"), ("mel", {}, "freqs_per_bands")]
)
def test_a_yaml_of_the_other_family_is_named(write: Write, kind: str, swapped: dict[str, Any], keyword: str) -> None:
    weights, config = write(kind)
    document = yaml.safe_load(config.read_text(encoding="utf-8").replace("!!python/tuple", ""))
    for name in ("freqs_per_bands", "num_bands", "sample_rate"):
        document["model"].pop(name, None)
    document["model"] |= swapped or {"freqs_per_bands": [2, 4, 27]}
    config.write_text(yaml.dump(document), encoding="utf-8")
    theirs = "4 bands side by side" if kind == "bs" else "60 mel bands"
    with pytest.raises(CheckpointError, match=rf"{keyword}: the configuration says .*{theirs}.* of another checkpoint"):
        load_checkpoint(weights, config)


@pytest.mark.parametrize("name", ["heads", "dim_head", "depth", "dim", "freqs_per_bands", "stereo", "stft_n_fft"])
def test_what_the_yaml_leaves_out_and_the_weights_tell_is_taken_from_them(write: Write, name: str) -> None:
    checkpoint = load_checkpoint(*write(omitted=(name,)))
    assert checkpoint.model.keywords[name] == BS[name]
    assert name in {finding.keyword for finding in checkpoint.report.by_origin("weights")}


CONFIGS: list[tuple[dict[Any, Any], str]] = [
    (
        {"stft_normalized": "no"},
        "model.stft_normalized of .*model.yaml is true or false, got 'no'",
    ),
    ({"stft_hop_length": 60}, "model.ckpt: stft_hop_length is .* at most half"),
    ({"mask_estimator_depth": 0}, "section 'model' of .*: mask_estimator_depth of a bs model is at least 1, got 0"),
    ({"skip_conection": True}, "has no keyword 'skip_conection'; did you mean 'skip_connection'"),
    ({"sample_rate": 48000}, "model.yaml says two rates: audio.sample_rate 44100, model.sample_rate 48000"),
    ({7: 8}, "section 'model' of .*model.yaml has the keyword 7, which is no word"),
    ({"stft_hop_length": "16"}, r"model.stft_hop_length of .*model.yaml is a whole number, got '16'"),
    ({"stft_hop_length": 16.5}, r"model.stft_hop_length of .* is a whole number, got 16.5"),
    ({"stft_hop_length": [16]}, r"model.stft_hop_length of .* is a whole number, got \[16\]"),
    ({"stft_hop_length": {"a": 1}}, r"model.stft_hop_length of .* is a whole number, got \{'a': 1\}"),
    ({"stft_hop_length": None}, r"model.stft_hop_length of .* is a whole number, got None"),
    ({"dim": "8"}, r"model.dim of .* is a whole number, got '8'"),
    ({"depth": True}, r"model.depth of .* is a whole number, got True"),
    ({"mask_estimator_depth": "2"}, r"model.mask_estimator_depth of .* is a whole number, got '2'"),
    ({"zero_dc": "False"}, r"model.zero_dc of .* is true or false, got 'False'"),
    ({"stereo": 1}, r"model.stereo of .* is true or false, got 1"),
    ({"skip_connection": None}, r"model.skip_connection of .* is true or false, got None"),
    ({"ff_dropout": "none"}, r"model.ff_dropout of .* is a number, got 'none'"),
    ({"freqs_per_bands": 5}, r"model.freqs_per_bands of .* is a list of whole numbers, got 5"),
    ({"freqs_per_bands": [3, 5, 9, "16"]}, r"model.freqs_per_bands of .* list of whole numbers, got \[3, 5, 9, '16'\]"),
    ({"dim_freqs_in": "33"}, r"model.dim_freqs_in of .* is a whole number, got '33'"),
    (
        {"stft_window_fn": "hann"},
        "model.stft_window_fn of .* is a function, which no file holds; leave it out",
    ),
]


@pytest.mark.parametrize(("said", "message"), CONFIGS)
def test_a_configuration_that_means_nothing_is_refused(write: Write, said: dict[Any, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_checkpoint(*write(said=said))
    assert re.search(message, str(refusal.value))


@pytest.mark.parametrize(
    ("training", "num_stems", "message"),
    [
        (
            {"instruments": ["a", "b"], "target_instrument": "a"},
            2,
            r"stems: the weights say '2 stem\(s\)', the configuration says \('a',\); set training.target",
        ),
        (
            {"instruments": ["a", "b"]},
            1,
            r"stems: the weights say '1 stem\(s\)', the configuration says \('a', 'b'\); set training",
        ),
    ],
)
def test_stems_are_as_many_as_the_model_gives(
    write: Write, training: dict[str, Any], num_stems: int, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(*write(built={"num_stems": num_stems}, training=training))


# Weights of other models.


@pytest.mark.parametrize(
    "contents",
    [
        lambda state: nn.Linear(2, 2).state_dict(),
        lambda state: {name: value for name, value in state.items() if "band_split" not in name},
        lambda state: {name: value.new_zeros(()) for name, value in state.items()},
        lambda state: {name: value[:0] for name, value in state.items()},
    ],
)
def test_weights_of_another_model_are_refused(write: Write, contents: Callable[[dict[str, Tensor]], object]) -> None:
    with pytest.raises(CheckpointError, match=r"not th\w+ .*of a BS-RoFormer .* \(first key: '.*'\); is this the"):
        load_checkpoint(*write(contents=contents))


def test_missing_and_foreign_keys_are_named(write: Write) -> None:
    def changed(state: dict[str, Tensor]) -> dict[str, Tensor]:
        kept = {name: value for name, value in state.items() if name != "layers.1.0.layers.0.0.to_qkv.weight"}
        return kept | {"layers.1.0.layers.0.0.to_kv.weight": torch.zeros(1)}

    message = r"it lacks layers\.1\.0\.layers\.0\.0\.to_qkv\.weight and has layers\.1\.0\.layers\.0\.0\.to_kv\.weight"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(*write(contents=changed))


def test_a_weight_of_another_shape_is_named(write: Write) -> None:
    key = "layers.1.1.layers.0.1.net.1.weight"
    paths = write(contents=lambda state: state | {key: torch.zeros(16, 8)})
    with pytest.raises(CheckpointError, match=rf"{re.escape(key)} is \(16, 8\), not \(32, 8\)$"):
        load_checkpoint(*paths)


def test_weights_that_are_whole_numbers_are_refused(write: Write) -> None:
    paths = write(contents=lambda state: {name: value.to(torch.int8) for name, value in state.items()})
    with pytest.raises(CheckpointError, match=r"holds torch\.int8 in .* quantised"):
        load_checkpoint(*paths)


# Files that are no weights, or more than that.


class Evil:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["torch", "torch, old format", "pickle", "pickle, text"])
def test_code_in_a_pickle_is_refused_and_not_run(write: Write, tmp_path: Path, how: str) -> None:
    weights, config = write()
    proof = tmp_path / "it ran"
    contents = {"state_dict": {"band_split.to_features.0.0.gamma": torch.zeros(2)}, "more": Evil(proof)}
    if how == "torch":
        torch.save(contents, weights)
    elif how == "torch, old format":
        torch.save(contents, weights, _use_new_zipfile_serialization=False)
    else:
        weights.write_bytes(pickle.dumps(Evil(proof), protocol=0 if how == "pickle, text" else 4))
    with pytest.raises(
        CheckpointError, match=r"is refused: .* would run code; ask its author|is no PyTorch checkpoint"
    ):
        load_checkpoint(weights, config)
    assert not proof.exists()
    if how.startswith("torch"):
        torch.load(weights, weights_only=False)
        assert proof.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.ckpt", b"", r"the checkpoint .*m.ckpt is empty \(0 bytes\); download it again"),
        ("m.safetensors", b"", r"the checkpoint .*m.safetensors is empty \(0 bytes\); download it again"),
        ("m.ckpt", b"<!DOCTYPE html>", r"is no PyTorch checkpoint \(it starts with b'<!DO'\); is this the right file"),
        ("m.ckpt", b"\x00\x01\x02", "is no PyTorch checkpoint"),
        ("m.safetensors", b"abc", "is no safetensors file, or is truncated.*; download it again"),
        ("m.safetensors", b"\x08\0\0\0\0\0\0\0notjson!", "is no safetensors file, or is truncated"),
        ("m.ckpt", b"PK\x03\x04 and no zip", "is damaged or truncated; download it again"),
        ("m.ckpt", b"\x80\x02garbage", "is refused|is damaged or truncated"),
    ],
)
def test_files_that_are_no_weights_are_refused(
    write: Write, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    _, config = write()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / name, config)


@pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes there")
def test_a_name_that_safetensors_cannot_read_is_told_from_a_damaged_file(tmp_path: Path) -> None:
    odd = tmp_path / "b\udcff.safetensors"
    odd.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(CheckpointError, match=r"has a name that is not in UTF-8, .*; rename it"):
        load_checkpoint(odd)


def test_files_that_are_not_there_are_refused(write: Write, tmp_path: Path) -> None:
    weights, config = write()
    with pytest.raises(CheckpointError, match=r"cannot read the checkpoint .*none\.ckpt: No such file or directory"):
        load_checkpoint(tmp_path / "none.ckpt", config)
    with pytest.raises(CheckpointError, match=r"cannot read the checkpoint .*: Is a directory"):
        load_checkpoint(tmp_path, config)
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none\.yaml: No such file or directory"):
        load_checkpoint(weights, tmp_path / "none.yaml")


@pytest.mark.parametrize("contents", [{}, {"epoch": 3}, [1, 2], {"state_dict": {}}, {"model": {"name": "x"}}, "words"])
def test_a_file_without_tensors_is_refused(write: Write, contents: object) -> None:
    with pytest.raises(CheckpointError, match="holds no state dict: a mapping of names to tensors was expected"):
        load_checkpoint(*write(contents=lambda _: contents))


def test_a_container_within_itself_is_refused(tmp_path: Path) -> None:
    contents: dict[str, Any] = {}
    contents["state_dict"] = contents
    torch.save(contents, tmp_path / "m.ckpt")
    with pytest.raises(CheckpointError, match="holds no state dict"):
        read_file(tmp_path / "m.ckpt")


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One state dict in each format, written once: PyTorch's old format holds addresses, so its length varies."""
    state = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(1)}
    folder = tmp_path_factory.mktemp("undamaged")
    torch.save({"state_dict": state}, folder / "zip.ckpt")
    torch.save({"state_dict": state}, folder / "old.ckpt", _use_new_zipfile_serialization=False)
    save_file(state, folder / "safetensors.safetensors")
    return {path.stem: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["zip", "old", "safetensors"]))
def test_a_damaged_file_is_refused_in_one_line(
    undamaged: dict[str, bytes], tmp_path: Path, data: st.DataObject, kind: str
) -> None:
    """Cut anywhere, or with any bytes replaced: either the weights still read, or the error is the package's own."""
    path = tmp_path / ("m.safetensors" if kind == "safetensors" else "m.ckpt")
    content = bytearray(undamaged[kind])
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1), label="at")]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        weights = read_file(path).tensors
    except CheckpointError as error:
        message = str(error)
    else:
        message, _ = "", [weight.sum() for weight in weights.values()]
    assert "\n" not in message


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.ckpt", "w") as archive:
        archive.writestr("readme.txt", "no weights")
    with pytest.raises(CheckpointError, match="is damaged or truncated"):
        read_file(tmp_path / "m.ckpt")
