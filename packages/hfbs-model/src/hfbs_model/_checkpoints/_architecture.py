"""What the shapes of a state dict say about the model that it belongs to."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from hfbs_attention._feedforward import ff_mult_of

from .._errors import CheckpointError
from .._msst import Family

_PRODUCT = re.compile(r"mask_estimators\.0\.to_freqs\.0\.0\.\d+\.weight")


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
        CheckpointError: The keys are of another kind of model, or are numbered with gaps.
    """
    try:
        return _infer(weights)
    except CheckpointError:
        raise
    except (LookupError, StopIteration, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            "the keys of this checkpoint are not those of a BS-RoFormer or Mel-Band RoFormer "
            f"(first key: {next(iter(weights))!r}); is this the right model?"
        ) from error


def _infer(weights: Mapping[str, Tensor]) -> Architecture:
    transformers = _some_of(weights, "layers.0")
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
        "depth": _some_of(weights, "layers"),
        "num_stems": _some_of(weights, "mask_estimators"),
        "linear_transformer_depth": _some_of(weights, "layers.0.0.layers") if transformers == 3 else 0,
        "time_transformer_depth": _some_of(weights, f"layers.0.{time}.layers"),
        "freq_transformer_depth": _some_of(weights, f"layers.0.{band}.layers"),
        "heads": heads,
        "dim_head": weights[f"{attention}.to_qkv.weight"].shape[0] // (3 * heads),
        "ff_mult": ff_mult_of(dim, hidden),
        "use_pope": f"{attention}.pope_embed.bias" in weights,
        "norm_output": f"layers.0.{time}.norm.gamma" in weights,
        "final_norm": "final_norm.gamma" in weights,
        **_mask_estimator(weights, dim),
        **({"use_value_residual_learning": True} if any("value_residual_mix." in name for name in weights) else {}),
    }
    bands = _some_of(weights, "band_split.to_features")
    return Architecture(
        family="mel" if keywords["norm_output"] else "bs",
        keywords=keywords,
        band_features=tuple(len(weights[f"band_split.to_features.{band}.0.gamma"]) for band in range(bands)),
    )


def _mask_estimator(weights: Mapping[str, Tensor], dim: int) -> dict[str, object]:
    """Hidden layers and their width; heads that are no MLP have neither."""
    if "mask_estimators.0.to_freqs.0.0.0.bias" not in weights:
        return {}
    hidden_layers = sum(bool(_PRODUCT.fullmatch(name)) for name in weights) - 1
    keywords: dict[str, object] = {"mask_estimator_depth": hidden_layers}
    if hidden_layers:
        keywords["mlp_expansion_factor"] = len(weights["mask_estimators.0.to_freqs.0.0.0.bias"]) // dim
    return keywords


def count_of(names: Iterable[str], prefix: str) -> int:
    """How many modules the list of that name holds; what is built of a file is no larger than its names say.

    Raises:
        CheckpointError: A number is left out; a single large one would stand for as many modules.
    """
    numbered = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    found = {int(match[1]): name for name in names if (match := numbered.match(name))}
    for index, (_, name) in enumerate(sorted(found.items())):
        if index not in found:
            raise CheckpointError(
                f"{name} is numbered beyond a gap: there is no {prefix}.{index}; "
                "the file is damaged, or of another model"
            )
    return len(found)


def _some_of(names: Iterable[str], prefix: str) -> int:
    count = count_of(names, prefix)
    if not count:
        raise LookupError(prefix)
    return count
