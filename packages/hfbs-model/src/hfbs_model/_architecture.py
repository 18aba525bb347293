"""What the shapes of a state dict say about the model that it belongs to."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

from ._errors import CheckpointError
from ._msst import Family

_VARIANTS = {
    ".segm.": "a HyperACE mask head",
    "dynamic_alpha_fn": "hyper-connections",
    ".branch.": "hyper-connections of width one",
    "linear_62_bias_0": "shared attention biases",
    "cos_emb_time": "stored rotary tables",
    ".fno_blocks": "a Fourier neural operator as mask head",
    ".conv.net.": "Conformer blocks",
    "lora_A": "LoRA adapters",
}


@dataclass(frozen=True)
class Architecture:
    """Keywords of :class:`BandSplitRotator` as weights show them, and the band features, from which the layout follows.

    Attributes:
        family: ``"bs"`` where tokens are normalised after the trunk, ``"mel"`` where every transformer normalises its
            output.
        keywords: Values that the shapes give without doubt.
        band_features: 2 × channels × bins of each band.
    """

    family: Family
    keywords: Mapping[str, int | bool]
    band_features: tuple[int, ...]


def infer_architecture(weights: Mapping[str, Tensor]) -> Architecture:
    """Read an architecture off a state dict with upstream's keys.

    Raises:
        CheckpointError: The keys are of another kind of model, or of a variant that is not supported.
    """
    for marker, variant in _VARIANTS.items():
        if any(marker in name for name in weights):
            raise CheckpointError(
                f"this checkpoint is a variant with {variant} (keys with {marker!r}), which is not supported"
            )
    try:
        return _infer(weights)
    except (LookupError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            "the keys of this checkpoint are not those of a BS-RoFormer or Mel-Band RoFormer "
            f"(first key: {next(iter(weights))!r}); is this the right model?"
        ) from error


def _infer(weights: Mapping[str, Tensor]) -> Architecture:
    depth = _count(weights, r"layers\.(\d+)\.")
    transformers = _count(weights, r"layers\.0\.(\d+)\.")
    time, freq = transformers - 2, transformers - 1
    attention = f"layers.0.{time}.layers.0.0"
    dim = len(weights["band_split.to_features.0.1.bias"])
    heads = len(weights[f"{attention}.to_gates.bias"])
    mask_layers = _count(weights, r"mask_estimators\.0\.to_freqs\.0\.0\.(\d+)\.weight") // 2
    keywords: dict[str, int | bool] = {
        "dim": dim,
        "depth": depth,
        "num_stems": _count(weights, r"mask_estimators\.(\d+)\."),
        "linear_transformer_depth": _count(weights, r"layers\.0\.0\.layers\.(\d+)\.") if transformers == 3 else 0,
        "time_transformer_depth": _count(weights, rf"layers\.0\.{time}\.layers\.(\d+)\."),
        "freq_transformer_depth": _count(weights, rf"layers\.0\.{freq}\.layers\.(\d+)\."),
        "heads": heads,
        "dim_head": weights[f"{attention}.to_qkv.weight"].shape[0] // (3 * heads),
        "use_pope": f"{attention}.pope_embed.bias" in weights,
        "use_value_residual_learning": any(".to_value_residual_mix." in name for name in weights),
        "mask_estimator_depth": mask_layers,
    }
    if mask_layers:
        keywords["mlp_expansion_factor"] = len(weights["mask_estimators.0.to_freqs.0.0.0.bias"]) // dim
    bands = _count(weights, r"band_split\.to_features\.(\d+)\.")
    return Architecture(
        family="mel" if f"layers.0.{time}.norm.gamma" in weights else "bs",
        keywords=keywords,
        band_features=tuple(len(weights[f"band_split.to_features.{band}.0.gamma"]) for band in range(bands)),
    )


def _count(names: Collection[str], pattern: str) -> int:
    """One more than the largest index that the pattern finds in the names."""
    return 1 + max(int(match[1]) for name in names if (match := re.match(pattern, name)))
