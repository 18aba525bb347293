"""Back to MSST's layout: a plain state dict, and a YAML beside it in MSST's words."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import cast

import torch
import yaml

from .._errors import shown
from .._msst import Family, least_depth
from .._rotator import BandSplitRotator
from ..files import written_whole
from ._checkpoint import Checkpoint
from ._format import check_recipe

_SUFFIXES = (".ckpt", ".pt", ".pth", ".th")
_AS_HERE = (
    "dim",
    "depth",
    "stereo",
    "num_stems",
    "time_transformer_depth",
    "freq_transformer_depth",
    "linear_transformer_depth",
    "dim_head",
    "heads",
    "attn_dropout",
    "ff_dropout",
    "flash_attn",
    "stft_n_fft",
    "stft_hop_length",
    "stft_win_length",
    "stft_normalized",
    "zero_dc",
    "multi_stft_resolution_loss_weight",
    "multi_stft_hop_size",
    "multi_stft_normalized",
    "mlp_expansion_factor",
    "use_torch_checkpoint",
    "skip_connection",
    "use_pope",
)
_ONLY: Mapping[str, tuple[object, ...]] = {
    "freq_range": (None,),
    "ff_mult": (4.0,),
    "scale": (None,),
    "sage_attention": (False,),
    "use_value_residual_learning": (False,),
    "learned_value_residual_mix": (None,),
    "stft_window_fn": (None, torch.hann_window),
    "multi_stft_window_fn": (torch.hann_window,),
}
"""What MSST's classes have no keyword for, with the values that they mean by that."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, and tuples: MSST's constructors take nothing else for numbers in a row."""


def _as_tuple(dumper: yaml.SafeDumper, values: tuple[object, ...]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:python/tuple", values, flow_style=True)


_Dumper.add_representer(tuple, _as_tuple)


def save_msst_checkpoint(checkpoint: Checkpoint, path: str | PathLike[str]) -> Path:
    """Write a plain state dict, and beside it the YAML with which MSST's classes build the same model.

    Provenance and residual are left out, for which MSST's files have no place. The files appear whole or not at all.

    Args:
        checkpoint: A model without research variants, and what belongs to it.
        path: Of the weights: ``.ckpt``, ``.pt``, ``.pth`` or ``.th``. Files that are there are replaced.

    Returns:
        The YAML's path, that of the weights with the suffix ``.yaml``.

    Raises:
        ValueError: Another suffix, or a keyword that MSST's classes cannot express.
        OSError: A file cannot be written.
    """
    where = Path(path)
    if where.suffix not in _SUFFIXES:
        raise ValueError(
            f"MSST's checkpoints end with {', '.join(_SUFFIXES)}, got {where.name!r}; name it {where.stem}.ckpt, "
            "or .safetensors for a file of hfbs"
        )
    document = yaml.dump(_document(checkpoint), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    beside = where.with_suffix(".yaml")
    state = {name: tensor.detach().cpu() for name, tensor in checkpoint.model.state_dict().items()}

    def write(part: Path) -> None:
        part.write_text(document, encoding="utf-8")
        written_whole(where, lambda weights: torch.save(state, weights))  # before the YAML takes its place

    written_whole(beside, write)
    return beside


def _document(checkpoint: Checkpoint) -> dict[str, object]:
    stems = list(checkpoint.stems)
    return {
        "audio": {
            "chunk_size": checkpoint.chunk_size,
            "sample_rate": checkpoint.sample_rate,
            "num_channels": checkpoint.model.audio_channels,
        },
        "model": _model_section(checkpoint),
        "training": {
            "instruments": stems,
            "target_instrument": stems[0] if len(stems) == 1 else None,
            "model_type": "bs_roformer" if _family(checkpoint.model) == "bs" else "mel_band_roformer",
        },
        "inference": {"batch_size": 1, "num_overlap": checkpoint.num_overlap},
    }


def _model_section(checkpoint: Checkpoint) -> dict[str, object]:
    model = checkpoint.model
    if model.parts.recipe:
        raise _inexpressible(f"the variant {', '.join(model.parts.recipe)}", "a model without it")
    check_recipe(model.parts)
    keywords = model.keywords
    for name, values in _ONLY.items():
        if keywords[name] not in values:
            raise _inexpressible(f"{name}={_shown(keywords[name])}", f"{_shown(values[-1])}")
    family = _family(model)
    section = {name: keywords[name] for name in _AS_HERE}
    section["dim_freqs_in"] = model.stft_settings.num_bins
    section["mask_estimator_depth"] = cast("int", keywords["mask_estimator_depth"]) + least_depth(family)
    window_sizes = cast("tuple[int, ...]", keywords["multi_stft_resolutions_window_sizes"])
    section["multi_stft_resolutions_window_sizes"] = tuple(window_sizes)
    return section | (_bs_section(model) if family == "bs" else _mel_section(checkpoint))


def _family(model: BandSplitRotator) -> Family:
    return "bs" if model.keywords["num_bands"] is None else "mel"


def _bs_section(model: BandSplitRotator) -> dict[str, object]:
    if not model.band_gather.in_order:
        raise _inexpressible("mask_filter_bank with bands that overlap or are out of order", "bands side by side")
    if model.layout.num_bands == 1:
        raise _inexpressible("freqs_per_bands of a single band", "two bands or more")
    _check_norms(model, norm_output=False, final_norm=True)
    if not model.match_input_audio_length:
        raise _inexpressible("match_input_audio_length=False", "True in BS-RoFormer")
    return {"freqs_per_bands": tuple(model.layout.widths)}


def _mel_section(checkpoint: Checkpoint) -> dict[str, object]:
    model = checkpoint.model
    _check_norms(model, norm_output=True, final_norm=False)
    rate = model.keywords["sample_rate"]
    if rate != checkpoint.sample_rate:
        raise _inexpressible(f"sample_rate={rate} of mel bands for audio of {checkpoint.sample_rate} Hz", "one rate")
    return {
        "num_bands": model.keywords["num_bands"],
        "sample_rate": rate,
        "match_input_audio_length": model.match_input_audio_length,
    }


def _check_norms(model: BandSplitRotator, **needed: bool) -> None:
    usual = {"norm_output": not model.layout.is_partition, "final_norm": model.layout.is_partition}
    for name, value in needed.items():
        given = model.keywords[name]
        has = usual[name] if given is None else given
        if has != value:
            raise _inexpressible(f"{name}={has} over such bands", str(value))


def _inexpressible(what: str, instead: str) -> ValueError:
    return ValueError(f"MSST's classes cannot express {what}, only {instead}; save it as .safetensors instead")


def _shown(value: object) -> str:
    return str(getattr(value, "__name__", shown(value)))
