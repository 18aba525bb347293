"""State-dict keys and shapes are upstream's, key for key: one table."""

from typing import Any

import pytest
import torch

from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS
from hfbs_model import BandSplitRotator
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer

# dim, heads, dim_head, heads × dim_head, 4 × dim, dim × mlp_expansion_factor; W is 2 × channels × bins of band 0.
D, H, DIM_HEAD, I, F, M = 12, 3, 8, 24, 48, 24  # noqa: E741

BAND_SPLIT = {
    "band_split.to_features.B.0.gamma": ("W",),
    "band_split.to_features.B.1.weight": (D, "W"),
    "band_split.to_features.B.1.bias": (D,),
}
ATTENTION = {
    "norm.gamma": (D,),
    "to_qkv.weight": (3 * I, D),
    "to_gates.weight": (H, D),
    "to_gates.bias": (H,),
    "to_out.0.weight": (D, I),
}
ROPE = {"rotary_embed.freqs": (DIM_HEAD // 2,)}
POPE = {"pope_embed.bias": (H, DIM_HEAD), "pope_embed.inv_freqs": (DIM_HEAD,)}
LEARNED_MIX = {"to_value_residual_mix.weight": (H, D), "to_value_residual_mix.bias": (H,)}
LINEAR_ATTENTION = {
    "norm.gamma": (D,),
    "temperature": (H, 1, 1),
    "to_qkv.0.weight": (3 * I, D),
    "to_out.1.weight": (D, I),
}
FEED_FORWARD = {
    "net.0.gamma": (D,),
    "net.1.weight": (F, D),
    "net.1.bias": (F,),
    "net.4.weight": (D, F),
    "net.4.bias": (D,),
}
ONE_HIDDEN = {
    "mask_estimators.S.to_freqs.B.0.0.weight": (M, D),
    "mask_estimators.S.to_freqs.B.0.0.bias": (M,),
    "mask_estimators.S.to_freqs.B.0.2.weight": ("2W", M),
    "mask_estimators.S.to_freqs.B.0.2.bias": ("2W",),
}
TWO_HIDDEN = {
    "mask_estimators.S.to_freqs.B.0.0.weight": (M, D),
    "mask_estimators.S.to_freqs.B.0.0.bias": (M,),
    "mask_estimators.S.to_freqs.B.0.2.weight": (M, M),
    "mask_estimators.S.to_freqs.B.0.2.bias": (M,),
    "mask_estimators.S.to_freqs.B.0.4.weight": ("2W", M),
    "mask_estimators.S.to_freqs.B.0.4.bias": ("2W",),
}
FINAL_NORM = {"final_norm.gamma": (D,)}
OUTPUT_NORM = {"layers.L.A.norm.gamma": (D,)}


def within(prefix: str, block: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": shape for name, shape in block.items()}


def layers(attention: dict[str, Any]) -> dict[str, Any]:
    return within("layers.L.A.layers.T.0", attention) | within("layers.L.A.layers.T.1", FEED_FORWARD)


BS = BAND_SPLIT | layers(ATTENTION | ROPE) | ONE_HIDDEN | FINAL_NORM
LINEAR_FIRST = within("layers.L.0.layers.T.0", LINEAR_ATTENTION) | within("layers.L.0.layers.T.1", FEED_FORWARD)

# What is built, and the keys of: layer L = 0 and 1, axis A = 0 and 1, block T = 0 and 1, band B = 0, stem S = 0 and 1.
TABLE: dict[str, tuple[type[BandSplitRotator], dict[str, Any], dict[str, Any]]] = {
    "BS": (BSRoformer, {"mask_estimator_depth": 2}, BS),
    "BS, PoPE": (
        BSRoformer,
        {"mask_estimator_depth": 2, "use_pope": True},
        BAND_SPLIT | layers(ATTENTION | POPE) | ONE_HIDDEN | FINAL_NORM,
    ),
    "Mel": (
        MelBandRoformer,
        {"mask_estimator_depth": 2},
        BAND_SPLIT | layers(ATTENTION | ROPE) | TWO_HIDDEN | OUTPUT_NORM,
    ),
    "BS by the rotator": (BandSplitRotator, {}, BS),
    "fixed value residual": (
        BandSplitRotator,
        {"use_value_residual_learning": True, "learned_value_residual_mix": False},
        BS,
    ),
}


def expanded(
    patterns: dict[str, Any], width: int, bands: int, axes: tuple[int, ...] = (0, 1), depth: tuple[int, ...] = (0, 1)
) -> dict[str, tuple[int, ...]]:
    sizes = {"W": width, "2W": 2 * width}
    return {
        pattern.replace(".L.", f".{layer}.")
        .replace(".A.", f".{axis}.")
        .replace(".T.", f".{block}.")
        .replace(".S.", f".{stem}.")
        .replace(".B.", ".0."): tuple(size if isinstance(size, int) else sizes[size] for size in shape)
        for pattern, shape in patterns.items()
        for layer in depth
        for axis in axes
        for block in (0, 1)
        for stem in (0, 1)
    }


def shapes(model: BandSplitRotator) -> dict[str, tuple[int, ...]]:
    """Of every entry but those of bands after the first, which are named as the first."""
    return {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if not any(f"{owner}.{band}." in name for owner in ("to_features", "to_freqs") for band in range(1, 99))
    }


def build(kind: type[BandSplitRotator], **keywords: Any) -> BandSplitRotator:
    sizes: dict[str, Any] = {"dim": D, "heads": H, "dim_head": DIM_HEAD, "mlp_expansion_factor": M // D}
    return kind(**sizes, depth=2, num_stems=2, **keywords)


@pytest.mark.parametrize("stereo", [False, True])
@pytest.mark.parametrize("name", TABLE)
def test_keys_and_shapes_are_upstreams(name: str, stereo: bool) -> None:
    kind, keywords, patterns = TABLE[name]
    model = build(kind, stereo=stereo, **keywords)
    width = (2 if stereo else 1) * 2 * model.layout.widths[0]
    assert shapes(model) == expanded(patterns, width, model.layout.num_bands)


def test_the_learned_value_mix_adds_keys_to_layers_after_the_first() -> None:
    plain, mixing = (shapes(build(BandSplitRotator, use_value_residual_learning=use)) for use in (False, True))
    added = within("layers.L.A.layers.T.0", LEARNED_MIX)
    assert mixing == plain | expanded(added, 0, 0, depth=(1,))


def test_linear_attention_stands_before_the_two_axes() -> None:
    model = build(BandSplitRotator, linear_transformer_depth=2)
    width = 2 * model.layout.widths[0]
    patterns = BAND_SPLIT | ONE_HIDDEN | FINAL_NORM
    expected = expanded(layers(ATTENTION | ROPE), width, 62, axes=(1, 2))
    assert shapes(model) == expected | expanded(patterns | LINEAR_FIRST, width, 62)


def test_each_band_has_its_keys() -> None:
    names = build(BandSplitRotator, stereo=True).state_dict()
    for band, width in enumerate(DEFAULT_FREQS_PER_BANDS):
        assert names[f"band_split.to_features.{band}.0.gamma"].shape == (4 * width,)
        assert names[f"mask_estimators.1.to_freqs.{band}.0.2.bias"].shape == (8 * width,)
    assert "band_split.to_features.62.0.gamma" not in names


def test_one_rotary_embedding_per_axis_is_one_parameter_under_many_keys() -> None:
    model = build(BandSplitRotator)
    for axis in (0, 1):
        frequencies = {
            value.data_ptr()
            for name, value in model.state_dict(keep_vars=True).items()
            if name.endswith("rotary_embed.freqs") and name.split(".")[2] == str(axis)
        }
        assert len(frequencies) == 1
    expected = 10000.0 ** -(torch.arange(0, DIM_HEAD, 2) / DIM_HEAD)
    torch.testing.assert_close(model.state_dict()["layers.0.0.layers.0.0.rotary_embed.freqs"], expected)
