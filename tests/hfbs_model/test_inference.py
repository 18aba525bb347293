"""The weights tell the architecture, whoever spelled their names; what they do not tell is asked for by name."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from hfbs_filterbanks import BandLayout, mel_layout
from hfbs_model import BandSplitRotator, CheckpointError, ConfigError, load_checkpoint, save_checkpoint
from hfbs_model._checkpoints._layouts import infer_layout
from hfbs_model._checkpoints._registered import sha256_of
from hfbs_model._registry import KnownCheckpoint

from .conftest import TINY

UNTOLD: dict[str, Any] = {
    "stft_hop_length": 16,
    "stft_win_length": 64,
    "zero_dc": False,
    "skip_connection": False,
    "sample_rate": 44100,
    "chunk_size": 8000,
}
# The two classes of whole numbers are no floats to the run-time check of types.
pytestmark = pytest.mark.usefixtures("as_users_run")


def build(**keywords: Any) -> BandSplitRotator:
    model = BandSplitRotator(**TINY | keywords).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def stems_of(model: BandSplitRotator) -> list[str]:
    return [f"stem {number}" for number in range(model.num_stems)]


def saved(tensors: dict[str, Tensor], folder: Path) -> Path:
    torch.save(tensors, folder / "model.ckpt")
    return folder / "model.ckpt"


def assert_same_stems(loaded: BandSplitRotator, original: BandSplitRotator) -> None:
    mixture = torch.randn(2, original.audio_channels, 333)
    with torch.no_grad():
        torch.testing.assert_close(loaded(mixture), original(mixture), rtol=0, atol=1e-6)


@st.composite
def architectures(draw: st.DrawFn) -> dict[str, Any]:
    """Keywords that weights tell, small."""
    bands = draw(st.sampled_from([(3, 5, 9, 16), (1, 32), (8, 8, 8, 9), (33,), (2,) * 16 + (1,)]))
    heads, values = draw(st.integers(1, 3)), draw(st.booleans())
    return {
        "dim": heads * draw(st.integers(2, 5)),
        "depth": draw(st.integers(2 if values else 1, 3)),
        "heads": heads,
        "dim_head": 2 * draw(st.integers(2, 4)),
        "ff_mult": float(draw(st.integers(1, 4))),
        "stereo": draw(st.booleans()),
        "num_stems": draw(st.integers(1, 3)),
        "freqs_per_bands": bands,
        "time_transformer_depth": draw(st.integers(1, 2)),
        "freq_transformer_depth": draw(st.integers(1, 2)),
        "linear_transformer_depth": draw(st.integers(0, 2)),
        "use_pope": draw(st.booleans()),
        "use_value_residual_learning": values,
        "mask_estimator_depth": draw(st.integers(0, 3)),
        "mlp_expansion_factor": draw(st.integers(1, 3)),
        "norm_output": draw(st.booleans()),
        "final_norm": draw(st.booleans()),
    }


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keywords=architectures())
def test_weights_tell_the_whole_architecture(tmp_path: Path, keywords: dict[str, Any]) -> None:
    original = build(**keywords | UNTOLD_OF_MODEL)
    asked = {"msst_residuals": False} if keywords["use_value_residual_learning"] else {}
    checkpoint = load_checkpoint(saved(original.state_dict(), tmp_path), stems=stems_of(original), **UNTOLD, **asked)
    told = {finding.keyword: finding.taken for finding in checkpoint.report.by_origin("weights")}
    if keywords["mask_estimator_depth"] == 0:
        del keywords["mlp_expansion_factor"]
    assert told.items() >= keywords.items()
    assert checkpoint.report.differences == ()
    assert_same_stems(checkpoint.model, original)


UNTOLD_OF_MODEL = {name: UNTOLD[name] for name in ("stft_hop_length", "stft_win_length", "zero_dc", "skip_connection")}


@pytest.mark.parametrize("num_bands", [60, 64, 80])
@pytest.mark.parametrize(("sample_rate", "n_fft"), [(44100, 2048), (44100, 4096), (48000, 2048), (16000, 2048)])
@pytest.mark.parametrize("channels", [1, 2])
def test_mel_bands_are_known_by_their_widths(num_bands: int, sample_rate: int, n_fft: int, channels: int) -> None:
    pytest.importorskip("librosa") if (num_bands, sample_rate) not in {(60, 44100), (60, 48000)} else None
    layout = mel_layout(num_bands, sample_rate=sample_rate, n_fft=n_fft)
    features = [2 * channels * int(width) for width in layout.widths]
    assert infer_layout(features, "mel", {}) == {
        "stereo": channels == 2,
        "stft_n_fft": n_fft,
        "num_bands": num_bands,
        "sample_rate": sample_rate,
    }


def test_bands_of_an_unusual_fft_are_known_once_its_size_is_said(tmp_path: Path) -> None:
    original = build(freqs_per_bands=(20, 29), stft_n_fft=96, stft_win_length=96, stereo=True, zero_dc=False)
    weights = saved(original.state_dict(), tmp_path)
    untold = UNTOLD | {"stft_win_length": 96, "stems": "a"}
    with pytest.raises(ConfigError, match=r"mask_filter_bank \(a Boolean .* stft_n_fft with stereo or freq_range\)"):
        load_checkpoint(weights, **untold)
    assert_same_stems(load_checkpoint(weights, **untold, stft_n_fft=96, stereo=True).model, original)


def test_a_part_of_the_spectrum_is_known_once_it_is_said(tmp_path: Path) -> None:
    original = build(freqs_per_bands=(4, 6, 10), freq_range=(3, 23), zero_dc=False)
    weights = saved(original.state_dict(), tmp_path)
    said = UNTOLD | {"stft_n_fft": 64, "freq_range": (3, 23), "stems": "a"}
    assert_same_stems(load_checkpoint(weights, **said).model, original)


def test_a_custom_layout_is_asked_for_and_compared(tmp_path: Path) -> None:
    matrix = np.zeros((2, 33), bool)
    matrix[0, :20] = matrix[1, 9:] = True
    keywords = {name: value for name, value in TINY.items() if name != "freqs_per_bands"}
    original = BandSplitRotator(**keywords, mask_filter_bank=matrix, zero_dc=False).eval()
    weights, untold = saved(original.state_dict(), tmp_path), UNTOLD | {"stems": "a"}
    with pytest.raises(ConfigError, match=r"do not tell: mask_filter_bank .a Boolean matrix of .band, bin.*2 bands"):
        load_checkpoint(weights, **untold)
    loaded = load_checkpoint(weights, mask_filter_bank=BandLayout(matrix), **untold)
    assert_same_stems(loaded.model, original)
    matrix[0, 20] = True
    with pytest.raises(CheckpointError, match=r"mask_filter_bank has 2 bands of \(21, 24\) bins, the weights 2 bands"):
        load_checkpoint(weights, mask_filter_bank=matrix, **untold)


def test_what_weights_do_not_tell_is_asked_for_in_one_paragraph(tmp_path: Path) -> None:
    weights = saved(build().state_dict(), tmp_path)
    with pytest.raises(ConfigError) as refusal:
        load_checkpoint(weights)
    message = str(refusal.value)
    assert "\n" not in message
    for keyword in [*UNTOLD, "stems"]:
        assert f"{keyword} (" in message
    assert "Give the YAML that came with them" in message
    with pytest.raises(ConfigError, match=r"do not tell: zero_dc \(True in MSST since September 2025[^;]*\. Give the"):
        load_checkpoint(weights, stems="a", **{name: value for name, value in UNTOLD.items() if name != "zero_dc"})


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"hop": 441}, TypeError, "the model has no keyword 'hop'"),
        ({"stft_hop_lenght": 441}, TypeError, "did you mean 'stft_hop_length'"),
        ({"stft_hop_length": "441"}, ConfigError, "the setting stft_hop_length is a whole number, got '441'"),
        ({"stems": ["a", "a"]}, ConfigError, r"the setting stems is a list of different names, got \['a', 'a'\]"),
        ({"stems": 3}, ConfigError, "the setting stems is a list of different names, got 3"),
        ({"chunk_size": 0}, ConfigError, "the setting chunk_size is a whole number of samples, at least 1, got 0"),
        ({"zero_dc": 1}, ConfigError, "the setting zero_dc is true or false, got 1"),
        ({"dim": 16}, CheckpointError, "dim: the weights say 8, the arguments say 16; set it to 8"),
        (
            {"stems": ["a", "b"]},
            CheckpointError,
            r"stems: the weights say '1 stem\(s\)', the arguments say \('a', 'b'\)",
        ),
    ],
)
def test_a_wrong_setting_is_refused_by_name(
    tmp_path: Path, said: dict[str, Any], error: type[Exception], message: str
) -> None:
    weights = saved(build().state_dict(), tmp_path)
    with pytest.raises(error, match=message):
        load_checkpoint(weights, **{"stems": "a"} | UNTOLD | said)


def test_the_registry_answers_for_a_file_that_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = saved(build(zero_dc=False).state_dict(), tmp_path)
    known = KnownCheckpoint(
        name="known",
        title="",
        author="",
        family="bs",
        url="https://example.org/model.ckpt",
        settings={**UNTOLD, "stems": ("vocals",)},
        sources=(),
        sha256=sha256_of(weights),
    )
    monkeypatch.setattr(
        "hfbs_model._checkpoints._registered.checkpoint_by_sha256",
        lambda digest: known if digest == known.sha256 else None,
    )
    checkpoint = load_checkpoint(weights, chunk_size=9000)
    assert (checkpoint.stems, checkpoint.chunk_size) == (("vocals",), 9000)
    assert {finding.keyword for finding in checkpoint.report.by_origin("registry")} == {*UNTOLD, "stems"} - {
        "chunk_size"
    }
    assert "stft_hop_length: the registry says 16" in str(checkpoint.report)


# Other spellings of the same weights.


def with_wrapper(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """lucidrains' blocks with one residual stream."""
    return {re.sub(r"(layers\.\d+\.\d\.layers\.\d+\.[01]\.)", r"\1branch.", name): t for name, t in state.items()}


def with_empty_slot(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """lucidrains' Mel-Band RoFormer without linear attention."""
    return {
        re.sub(r"^(layers\.\d+\.)(\d)", lambda found: f"{found[1]}{int(found[2]) + 1}", name): tensor
        for name, tensor in state.items()
    }


@pytest.mark.parametrize(
    "respelled",
    [
        with_wrapper,
        with_empty_slot,
        lambda state: with_empty_slot(with_wrapper(state)),
        lambda state: {f"model.{name}": tensor for name, tensor in state.items()} | {"loss.weight": torch.ones(1)},
        lambda state: {name.replace("layers.0.", "layers.0._orig_mod.", 1): tensor for name, tensor in state.items()},
    ],
)
def test_other_spellings_are_the_same_model(tmp_path: Path, respelled: Any) -> None:
    original = build(depth=2, zero_dc=False)
    weights = saved(respelled(original.state_dict()), tmp_path)
    assert_same_stems(load_checkpoint(weights, stems="a", **UNTOLD).model, original)


@pytest.mark.parametrize("respelled", [with_wrapper, lambda state: state])
def test_value_residuals_of_lucidrains_need_no_question_and_others_do(tmp_path: Path, respelled: Any) -> None:
    original = build(depth=2, use_value_residual_learning=True, zero_dc=False)
    weights = saved(respelled(original.state_dict()), tmp_path)
    if respelled is with_wrapper:
        loaded = load_checkpoint(weights, stems="a", **UNTOLD)
    else:
        with pytest.raises(ConfigError, match=r"msst_residuals \(True for what MSST's experimental classes trained"):
            load_checkpoint(weights, stems="a", **UNTOLD)
        loaded = load_checkpoint(weights, stems="a", msst_residuals=False, **UNTOLD)
    assert_same_stems(loaded.model, original)


def test_the_predecessors_name_of_the_value_residual_is_known(tmp_path: Path) -> None:
    original = build(depth=2, use_value_residual_learning=True, zero_dc=False)
    theirs = {
        name.replace("to_value_residual_mix", "learned_value_residual_mix"): tensor
        for name, tensor in original.state_dict().items()
    }
    checkpoint = load_checkpoint(saved(theirs, tmp_path), stems="a", msst_residuals=False, **UNTOLD)
    assert_same_stems(checkpoint.model, original)
    assert "learned_value_residual_mix is hunterFormsBS' name" in str(checkpoint.report)


def rotary_tables(positions: int, dim_head: int) -> tuple[Tensor, Tensor]:
    angles = torch.outer(torch.arange(positions), 10000.0 ** (-torch.arange(0, dim_head, 2) / dim_head))
    angles = angles.repeat_interleave(2, dim=-1)
    return angles.cos().half(), angles.sin().half()


def test_stored_rotary_tables_become_rope(tmp_path: Path) -> None:
    original = build(depth=2, zero_dc=False)
    state = {name: tensor for name, tensor in original.state_dict().items() if "rotary_embed" not in name}
    for axis, positions in {"time": 30, "freq": 4}.items():
        state[f"cos_emb_{axis}"], state[f"sin_emb_{axis}"] = rotary_tables(positions, TINY["dim_head"])
    checkpoint = load_checkpoint(saved(state, tmp_path), stems="a", **UNTOLD)
    assert_same_stems(checkpoint.model, original)
    assert "stored rotary tables are RoPE's to within half precision" in str(checkpoint.report)

    state["cos_emb_time"] = state["cos_emb_time"] + 0.01
    with pytest.raises(CheckpointError, match=r"cos_emb_time differs from RoPE's table by up to 0\.01: such learned"):
        load_checkpoint(saved(state, tmp_path), stems="a", **UNTOLD)


def test_frequencies_that_differ_between_layers_are_refused(tmp_path: Path) -> None:
    state = build(depth=2).state_dict()
    state["layers.1.0.layers.0.0.rotary_embed.freqs"] = torch.tensor([1.0, 0.5])
    with pytest.raises(CheckpointError, match=r"layers\.1\.0\..* differs from the frequencies of another layer"):
        load_checkpoint(saved(state, tmp_path), stems="a", **UNTOLD)


def test_two_models_in_one_file_are_refused(tmp_path: Path) -> None:
    state = build().state_dict()
    both = {f"{which}.{name}": tensor for which in ("ema", "online") for name, tensor in state.items()}
    with pytest.raises(
        CheckpointError, match=r"several models, under 'ema\.' and 'online\.'; save the state dict of one"
    ):
        load_checkpoint(saved(both, tmp_path), stems="a", **UNTOLD)


# LoRA.


def adapted(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """loralib's adapters of rank 2 for every linear layer of the trunk, and the weights merged at lora_alpha 6."""
    adapters: dict[str, Tensor] = {}
    merged = dict(state)
    for name, weight in state.items():
        if re.search(r"(to_qkv|to_out\.0|net\.[14])\.weight$", name):
            layer = name.removesuffix(".weight")
            down, up = torch.randn(2, weight.shape[1]), torch.randn(weight.shape[0], 2)
            adapters |= {f"{layer}.lora_A": down, f"{layer}.lora_B": up}
            merged[name] = weight + 6 / 2 * up @ down
    return adapters, merged


@pytest.mark.parametrize("apart", [True, False])
def test_adapters_are_merged(tmp_path: Path, apart: bool) -> None:
    original = build(zero_dc=False)
    adapters, merged = adapted(original.state_dict())
    files: dict[str, Any] = {"path": saved(original.state_dict() | ({} if apart else adapters), tmp_path)}
    if apart:
        torch.save(adapters, tmp_path / "lora.ckpt")
        files["lora"] = tmp_path / "lora.ckpt"
    with pytest.raises(ConfigError, match=r"do not tell: lora_alpha \(the training's, often 16; 0 where"):
        load_checkpoint(**files, stems="a", **UNTOLD)
    loaded = load_checkpoint(**files, stems="a", lora_alpha=6, **UNTOLD)
    for name, tensor in loaded.model.state_dict().items():
        torch.testing.assert_close(tensor, merged[name])
    unmerged = load_checkpoint(**files, stems="a", lora_alpha=0, **UNTOLD)
    assert_same_stems(unmerged.model, original)


def test_adapters_alone_are_refused(tmp_path: Path) -> None:
    adapters, _ = adapted(build().state_dict())
    with pytest.raises(CheckpointError, match=r"there is no band_split.* is this the right model"):
        load_checkpoint(saved(adapters, tmp_path), stems="a", **UNTOLD)


def test_half_an_adapter_and_one_of_another_shape_are_refused(tmp_path: Path) -> None:
    state = build().state_dict()
    layer = "layers.0.0.layers.0.0.to_qkv"
    with pytest.raises(
        CheckpointError, match=rf"{layer}\.lora_A is half of a LoRA update, and {layer}.lora_B is missing"
    ):
        load_checkpoint(saved(state | {f"{layer}.lora_A": torch.ones(2, 8)}, tmp_path), lora_alpha=1, **UNTOLD)
    wrong = {f"{layer}.lora_A": torch.ones(2, 9), f"{layer}.lora_B": torch.ones(24, 2)}
    with pytest.raises(
        CheckpointError, match=r"the LoRA update of .* is \(24, 2\) times \(2, 9\), its weight \(24, 8\)"
    ):
        load_checkpoint(saved(state | wrong, tmp_path), lora_alpha=1, **UNTOLD)


# Variants that are not installed.


@pytest.mark.parametrize(
    ("key", "variant"),
    [
        ("mask_estimators.0.segm.backbone.stem.conv.weight", "hyperace"),
        ("layers.0.0.layers.0.0.static_alpha", "hyper-connections"),
        ("layers.1.0.layers.0.0.learned_value_residual_mix.0.weight", "value-residual"),
        ("layers.0.0.layers.0.0.to_qkv.bias", "biased-attention"),
        ("mask_estimators.0.layers.0.0.layers.0.0.norm.gamma", "axial-refiner"),
        ("mask_estimators.0.to_freqs.0.fno_blocks.weight", "fno"),
    ],
)
def test_a_variant_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, variant: str
) -> None:
    monkeypatch.setattr("hfbs_model._checkpoints._variants.entry_points", lambda **_: [])
    weights = saved(build().state_dict() | {key: torch.zeros(3)}, tmp_path)
    message = rf"has the variant '{variant}' \(keys such as {re.escape(key)}\), .* pip install hfbs-experimental"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(weights, stems="a", **UNTOLD)


def test_nan_in_the_weights_is_refused(tmp_path: Path) -> None:
    for value in (float("nan"), float("inf")):
        state = build().state_dict()
        state["layers.0.1.layers.0.1.net.4.weight"][1, 2] = value
        with pytest.raises(
            CheckpointError, match=r"holds NaN or infinity in layers\.0\.1\.layers\.0\.1\.net\.4\.weight"
        ):
            load_checkpoint(saved(state, tmp_path), stems="a", **UNTOLD)


def test_finite_weights_whose_sum_is_not_are_taken(tmp_path: Path) -> None:
    state = build().state_dict()
    state["layers.0.1.layers.0.1.net.4.weight"].fill_(3e38)
    load_checkpoint(saved(state, tmp_path), stems="a", **UNTOLD)


def test_a_model_is_built_without_drawing_random_numbers(tmp_path: Path) -> None:
    weights = saved(build().state_dict(), tmp_path)
    torch.manual_seed(5)
    loaded = load_checkpoint(weights, stems="a", **UNTOLD).model
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))
    assert all(parameter.device.type == "cpu" for parameter in loaded.parameters())
    assert all(p.requires_grad == ("rotary_embed" not in name) for name, p in loaded.named_parameters())


def test_loaded_weights_can_be_trained_without_touching_the_file(tmp_path: Path) -> None:
    for path in (tmp_path / "model.ckpt", tmp_path / "model.safetensors"):
        first = load_checkpoint(saved(build().state_dict(), tmp_path), stems="a", **UNTOLD)
        if path.suffix == ".safetensors":
            save_checkpoint(first, path)
        content = path.read_bytes()
        settings_needed = UNTOLD | {"stems": "a"} if path.suffix == ".ckpt" else {}
        model = load_checkpoint(path, **settings_needed).model.train()
        model(torch.randn(1, 1, 300)).square().sum().backward()
        torch.optim.AdamW(model.parameters(), lr=0.1).step()
        assert path.read_bytes() == content
