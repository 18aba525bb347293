"""Conformer: keys, the convolution against a loop over positions, recomputing, independence, errors."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rotary_embedding_torch import RotaryEmbedding
from torch import nn

from hfbs_experimental.attend import CONFORMER, Conformer
from hfbs_model import BandSplitRotator, Parts, inspect_checkpoint, load_checkpoint

from .conftest import away_from_start

DIM, HEADS, DIM_HEAD = 6, 2, 4
SEEDS = st.integers(0, 2**32 - 1)


def built(depth: int = 1, **keywords: Any) -> Conformer:
    own: dict[str, Any] = {"conv_kernel_size": 5, "rotary_embed": RotaryEmbedding(DIM_HEAD)}
    model = away_from_start(Conformer(dim=DIM, depth=depth, dim_head=DIM_HEAD, heads=HEADS, **own | keywords))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def test_keys_are_upstreams() -> None:
    half = {f"ff.net.{name}" for name in ("0.gamma", "1.weight", "1.bias", "4.weight", "4.bias")}
    conv = {f"{layer}.{name}" for layer in ("2", "4", "5", "7") for name in ("weight", "bias")}
    conv |= {"0.gamma", "5.running_mean", "5.running_var", "5.num_batches_tracked"}
    attention = {"norm.gamma", "to_qkv.weight", "to_gates.weight", "to_gates.bias", "to_out.0.weight"}
    expected = {
        *(f"{part}.{name}" for part in ("ff1", "ff2") for name in half),
        *(f"attn.{name}" for name in attention | {"rotary_embed.freqs"}),
        *(f"conv.net.{name}" for name in conv),
        "out_norm.gamma",
    }
    assert built(norm_output=False).state_dict().keys() == {f"layers.0.{name}" for name in expected}
    assert "norm.gamma" in built().state_dict()


@settings(max_examples=15)
@given(seed=SEEDS, kernel=st.sampled_from([1, 3, 7]), expansion=st.integers(1, 3), length=st.integers(1, 9))
def test_the_convolution_sees_as_many_positions_on_both_sides(
    seed: int, kernel: int, expansion: int, length: int
) -> None:
    torch.manual_seed(seed)
    model = built(conv_kernel_size=kernel, conv_expansion_factor=expansion)
    (block,) = model.layers
    assert isinstance(block, nn.Module)
    net = block.get_submodule("conv").get_submodule("net")
    assert isinstance(net, nn.Sequential)
    norm, _, widen, _, convolve, batch_norm, _, narrow, *_ = net
    assert isinstance(widen, nn.Conv1d)
    assert isinstance(convolve, nn.Conv1d)
    assert isinstance(narrow, nn.Conv1d)
    assert isinstance(batch_norm, nn.BatchNorm1d)
    assert convolve.bias is not None
    x = torch.randn(2, length, DIM)
    features, gate = F.linear(norm(x), widen.weight[..., 0], widen.bias).chunk(2, dim=-1)
    gated = features * gate.sigmoid()
    rows: list[torch.Tensor] = []
    for position in range(length):
        row: torch.Tensor = convolve.bias
        for tap in range(kernel):
            if 0 <= (seen := position + tap - kernel // 2) < length:
                row = row + gated[:, seen] * convolve.weight[:, 0, tap]
        rows.append(row.expand(2, -1))
    mean, var = batch_norm.running_mean, batch_norm.running_var
    assert mean is not None
    assert var is not None
    normed = (torch.stack(rows, dim=1) - mean) / (var + batch_norm.eps).sqrt() * batch_norm.weight + batch_norm.bias
    expected = F.linear(F.silu(normed), narrow.weight[..., 0], narrow.bias)
    torch.testing.assert_close(net(x), expected)


def test_a_block_is_the_sum_of_its_parts_with_half_feed_forwards() -> None:
    torch.manual_seed(0)
    model = built(norm_output=False)
    (block,) = model.layers
    assert isinstance(block, nn.Module)
    x = torch.randn(2, 5, DIM)
    y = x
    for name, share in {"ff1.ff": 0.5, "attn": 1.0, "conv": 1.0, "ff2.ff": 0.5}.items():
        y = y + share * block.get_submodule(name)(y)
    torch.testing.assert_close(model(x), block.get_submodule("out_norm")(y))


def test_recomputing_changes_neither_gradients_nor_running_means() -> None:
    torch.manual_seed(0)
    plain, sparing = built(2), built(2, use_torch_checkpoint=True)
    sparing.load_state_dict(plain.state_dict())
    x = torch.randn(3, 5, DIM)
    for model in (plain.train(), sparing.train()):
        model(x).square().sum().backward()
    torch.testing.assert_close(sparing.state_dict(), plain.state_dict())
    torch.testing.assert_close(
        [p.grad for p in sparing.parameters() if p.requires_grad],
        [p.grad for p in plain.parameters() if p.requires_grad],
    )


def test_one_sequence_does_not_see_another_in_inference() -> None:
    torch.manual_seed(0)
    model = built(2, bias=True)
    first, second = torch.randn(1, 5, DIM), torch.randn(1, 5, DIM)
    torch.testing.assert_close(model(torch.cat((first, second))), torch.cat((model(first), model(second))))


@pytest.mark.parametrize("dropout", ["attn_dropout", "ff_dropout"])
def test_dropout_is_honoured_in_training_and_not_after(dropout: str) -> None:
    torch.manual_seed(0)
    model = built(**{dropout: 0.5})
    x = torch.randn(2, 5, DIM)
    assert torch.equal(model(x), model(x))
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    assert not torch.equal(model(x), model(x))
    dropped = {name for name, module in model.named_modules() if isinstance(module, nn.Dropout) and module.p == 0.5}
    assert ("layers.0.conv.net.9" in dropped) == (dropout == "ff_dropout")


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"depth": 0}, "depth is at least 1, got 0"),
    ({"conv_expansion_factor": 0}, "conv_expansion_factor is at least 1, got 0"),
    ({"conv_kernel_size": 4}, "conv_kernel_size is odd, so that each position is the middle, got 4"),
    ({"conv_kernel_size": -1}, "conv_kernel_size is odd"),
    ({"value_mix": "learned"}, "Conformers mix no values, got value_mix='learned'; set use_value_residual_learning"),
]


@pytest.mark.parametrize(("keywords", "message"), REFUSALS)
def test_refuses_what_it_cannot_be(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        built(**keywords)


CONFIG: dict[str, Any] = {
    "audio": {"chunk_size": 4000, "sample_rate": 44100, "num_channels": 1},
    "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
}
IN_WORDS_OF_MSST: dict[str, Any] = {
    "dim": 8,
    "depth": 1,
    "stereo": False,
    "num_stems": 1,
    "time_conformer_depth": 1,
    "freq_conformer_depth": 2,
    "dim_head": 4,
    "heads": 2,
    "ff_mult": 4,
    "conv_expansion_factor": 2,
    "conv_kernel_size": 5,
    "attn_dropout": 0.0,
    "ff_dropout": 0.0,
    "conv_dropout": 0.0,
    "dim_freqs_in": 1025,
    "stft_n_fft": 2048,
    "stft_hop_length": 441,
    "stft_win_length": 2048,
    "stft_normalized": False,
    "mask_estimator_depth": 2,
    "use_torch_checkpoint": False,
    "skip_connection": False,
}
BANDS: dict[str, dict[str, Any]] = {
    "bs": {"freqs_per_bands": [25, 1000]},
    "mel": {"num_bands": 60, "sample_rate": 44100, "norm_output": False, "final_norm": False},
}


@pytest.mark.parametrize("kind", BANDS)
def test_a_checkpoint_loads_with_mssts_yaml(tmp_path: Path, kind: str) -> None:
    """Depths have names of their own there, and both files count layers of the mask estimators as that of BS does."""
    torch.manual_seed(0)
    model = BandSplitRotator(
        dim=8,
        depth=1,
        heads=2,
        dim_head=4,
        time_transformer_depth=1,
        freq_transformer_depth=2,
        stft_hop_length=441,
        **BANDS[kind],
        parts=CONFORMER.build(Parts(), conv_expansion_factor=2, conv_kernel_size=5),
    ).eval()
    torch.save(model.state_dict(), tmp_path / "m.ckpt")
    said = {name: value for name, value in BANDS[kind].items() if "norm" not in name}
    (tmp_path / "m.yaml").write_text(yaml.dump(CONFIG | {"model": IN_WORDS_OF_MSST | said}))
    inspection = inspect_checkpoint(tmp_path / "m.ckpt", tmp_path / "m.yaml")
    assert inspection.parameters.total == sum(parameter.numel() for parameter in model.parameters())
    loaded = load_checkpoint(tmp_path / "m.ckpt", tmp_path / "m.yaml")
    assert not loaded.report.differences
    audio = torch.randn(1, 3000)
    with torch.no_grad():
        assert torch.equal(loaded.model(audio), model(audio))
