"""What the shapes of a state dict say about the model that it belongs to."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

from hfbs_attention._feedforward import ff_mult_of

from .._errors import CheckpointError
from .._msst import Family


@dataclass(frozen=True)
class Architecture:
    """Keywords of :class:`BandSplitRotator` as weights show them, and the band features, from which the layout follows.

    Attributes:
        family: ``"bs"`` where tokens are normalised after the trunk, ``"mel"`` where every transformer normalises its
            output.
        keywords: Values that the shapes give without doubt; ``ff_mult`` but for rounding.
        band_features: 2 × channels × bins of each band.
    """

    family: Family
    keywords: Mapping[str, object]
    band_features: tuple[int, ...]


def infer_architecture(weights: Mapping[str, Tensor]) -> Architecture:
    """Read an architecture off a state dict with upstream's keys.

    Raises:
        CheckpointError: The keys are of another kind of model.
    """
    try:
        return _infer(weights)
    except (LookupError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            "the keys of this checkpoint are not those of a BS-RoFormer or Mel-Band RoFormer "
            f"(first key: {next(iter(weights))!r}); is this the right model?"
        ) from error


def _infer(weights: Mapping[str, Tensor]) -> Architecture:
    transformers = _count(weights, r"layers\.0\.(\d+)\.")
    time, band = transformers - 2, transformers - 1
    # In a plain block, behind hyper-connections, or in a Conformer.
    attention = next(
        prefix
        for block in ("0", "0.branch", "attn")
        if f"{(prefix := f'layers.0.{time}.layers.0.{block}')}.to_gates.bias" in weights
    )
    hidden = next(
        len(weights[name])
        for block in ("1.net", "1.branch.net", "ff1.ff.net")
        if (name := f"layers.0.{time}.layers.0.{block}.1.bias") in weights
    )
    dim = len(weights["band_split.to_features.0.1.bias"])
    heads = len(weights[f"{attention}.to_gates.bias"])
    keywords: dict[str, object] = {
        "dim": dim,
        "depth": _count(weights, r"layers\.(\d+)\."),
        "num_stems": _count(weights, r"mask_estimators\.(\d+)\."),
        "linear_transformer_depth": _count(weights, r"layers\.0\.0\.layers\.(\d+)\.") if transformers == 3 else 0,
        "time_transformer_depth": _count(weights, rf"layers\.0\.{time}\.layers\.(\d+)\."),
        "freq_transformer_depth": _count(weights, rf"layers\.0\.{band}\.layers\.(\d+)\."),
        "heads": heads,
        "dim_head": weights[f"{attention}.to_qkv.weight"].shape[0] // (3 * heads),
        "ff_mult": ff_mult_of(dim, hidden),
        "use_pope": f"{attention}.pope_embed.bias" in weights,
        "norm_output": f"layers.0.{time}.norm.gamma" in weights,
        "final_norm": "final_norm.gamma" in weights,
        **_mask_estimator(weights, dim),
        **({"use_value_residual_learning": True} if any("value_residual_mix." in name for name in weights) else {}),
    }
    bands = _count(weights, r"band_split\.to_features\.(\d+)\.")
    return Architecture(
        family="mel" if keywords["norm_output"] else "bs",
        keywords=keywords,
        band_features=tuple(len(weights[f"band_split.to_features.{band}.0.gamma"]) for band in range(bands)),
    )


def _mask_estimator(weights: Mapping[str, Tensor], dim: int) -> dict[str, object]:
    """Hidden layers and their width; heads that are no MLP have neither."""
    if "mask_estimators.0.to_freqs.0.0.0.bias" not in weights:
        return {}
    hidden_layers = _count(weights, r"mask_estimators\.0\.to_freqs\.0\.0\.(\d+)\.weight") // 2
    keywords: dict[str, object] = {"mask_estimator_depth": hidden_layers}
    if hidden_layers:
        keywords["mlp_expansion_factor"] = len(weights["mask_estimators.0.to_freqs.0.0.0.bias"]) // dim
    return keywords


def _count(names: Collection[str], pattern: str) -> int:
    """One more than the largest index that the pattern finds in the names."""
    return 1 + max(int(match[1]) for name in names if (match := re.match(pattern, name)))
