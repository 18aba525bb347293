"""Our own format: a safetensors file whose metadata hold the whole configuration."""

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from hfbs_filterbanks import BandLayout

from .._errors import CheckpointError, shown
from .._parts import Parts
from .._rotator import BandSplitRotator
from ..files import written_whole
from ._checkpoint import Checkpoint
from ._keywords import checked_settings
from ._settling import Source

_KEY = "hfbs"
"""Of the metadata's entry that holds the configuration, as JSON."""
_VERSION = 1
WINDOWS = ("hann_window", "hamming_window", "blackman_window", "bartlett_window")


def save_checkpoint(checkpoint: Checkpoint, path: str | PathLike[str], *, dtype: torch.dtype | None = None) -> None:
    """Write a checkpoint as one safetensors file, from which :func:`load_checkpoint` needs no YAML.

    The metadata hold every keyword of the model, the names of the stems and of the residual, the sample rate, the
    chunks and the provenance, as JSON. The file appears whole or not at all.

    Args:
        checkpoint: The model and what belongs to it.
        path: Ends with ``.safetensors``. A file that is there is replaced.
        dtype: Type of the weights in the file, such as ``torch.float16``; None leaves them as they are. Frequencies of
            positions stay in float32.

    Raises:
        ValueError: Another suffix, or what no file can hold: a window function that is not PyTorch's, or parts that no
            variant has built.
        OSError: The file cannot be written.
    """
    where = Path(path)
    if where.suffix != ".safetensors":
        raise ValueError(f"a checkpoint is saved as .safetensors, got {where.name!r}; name it {where.stem}.safetensors")
    check_recipe(checkpoint.model.parts)
    document = {
        "version": _VERSION,
        "model": _keywords_as_json(checkpoint),
        "variants": checkpoint.model.parts.recipe,
        "stems": checkpoint.stems,
        "residual": checkpoint.residual,
        "sample_rate": checkpoint.sample_rate,
        "chunk_size": checkpoint.chunk_size,
        "num_overlap": checkpoint.num_overlap,
        "provenance": checkpoint.provenance,
    }
    metadata = {"format": "pt", _KEY: json.dumps(document)}
    tensors = _saved_tensors(checkpoint.model.state_dict(), dtype)
    written_whole(where, lambda part: save_file(tensors, part, metadata=metadata))


def check_recipe(parts: Parts) -> None:
    """Refuse parts of which a file would not say how to build them.

    Raises:
        ValueError: They are not the stable model's, and no variant has built them.
    """
    if not parts.recipe and parts != Parts():
        raise ValueError(
            "a file holds parts by the recipe of the variants that built them, and this model's parts have none; "
            "build them by a variant of the entry-point group hfbs.variants to save the model"
        )


def metadata_source(metadata: Mapping[str, str], path: str | PathLike[str]) -> Source | None:
    """What the metadata of a file of ours say; None where they are not ours.

    Raises:
        CheckpointError: Metadata of a later version, or damaged ones.
    """
    if _KEY not in metadata:
        return None
    document = _document(metadata, path)
    variants = cast("Mapping[str, Mapping[str, object]]", document["variants"])
    said: dict[str, object] = {"msst_residuals": "msst-residuals" in variants, "variants": tuple(variants)}
    for keywords in variants.values():
        said |= keywords
    said |= _keywords_from_json(cast("Mapping[str, object]", document["model"]), path)
    said |= {name: document[name] for name in ("stems", "sample_rate", "chunk_size", "num_overlap")}
    if document.get("residual") is not None:  # which older files do not have
        said["residual"] = document["residual"]
    return Source("metadata", checked_settings(said, f"{{}} in the metadata of {path}"))


def provenance_of(metadata: Mapping[str, str], path: str | PathLike[str]) -> Mapping[str, str]:
    """Whence a file is, as its metadata say."""
    return cast("Mapping[str, str]", _document(metadata, path)["provenance"]) if _KEY in metadata else {}


def _document(metadata: Mapping[str, str], path: str | PathLike[str]) -> dict[str, object]:
    try:
        document = cast("object", json.loads(metadata[_KEY]))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"the configuration in {path} is damaged: {error}; download it again") from error
    expected: dict[str, type | tuple[type, ...]] = {
        "version": int,
        "model": dict,
        "variants": dict,
        "stems": list,
        "sample_rate": int,
        "chunk_size": int,
        "num_overlap": int,
        "provenance": dict,
    }
    if not isinstance(document, dict):
        raise CheckpointError(f"the configuration in {path} is damaged: it is {shown(document)}; download it again")
    found = cast("dict[str, object]", document)
    if isinstance(version := found.get("version"), int) and version > _VERSION:
        raise CheckpointError(
            f"{path} is of version {version} of the format, and this package reads up to {_VERSION}; upgrade hfbs-model"
        )
    for name, kind in expected.items():
        if not isinstance(found.get(name), kind):
            raise CheckpointError(
                f"the configuration in {path} is damaged: {name} is {shown(found.get(name))}; download it again"
            )
    return found


def _keywords_as_json(checkpoint: Checkpoint) -> dict[str, object]:
    """Every keyword with the value that it came to, so that no later default changes the model."""
    model = checkpoint.model
    keywords = {name: value for name, value in model.keywords.items() if value is not None}
    for name in ("num_bands", "freqs_per_bands", "mask_filter_bank"):
        keywords.pop(name, None)
    if keywords.pop("sample_rate", None) == checkpoint.sample_rate:
        keywords |= {"num_bands": model.keywords["num_bands"], "sample_rate": checkpoint.sample_rate}
    elif model.band_gather.in_order:
        keywords["freqs_per_bands"] = [int(width) for width in model.layout.widths]
    else:
        keywords["mask_filter_bank"] = model.layout.to_json()
    keywords["norm_output"] = not isinstance(_time_transformer(model).norm, torch.nn.Identity)
    keywords["final_norm"] = not isinstance(model.final_norm, torch.nn.Identity)
    keywords["stft_window_fn"] = model.stft_settings.window_fn
    return {name: window_name(name, value) if callable(value) else value for name, value in keywords.items()}


def _time_transformer(model: BandSplitRotator) -> Any:
    return cast("torch.nn.ModuleList", model.layers[0])[-2]


def window_name(keyword: str, function: Callable[..., object]) -> str:
    for name in WINDOWS:
        if getattr(torch, name) is function:
            return name
    raise ValueError(
        f"a file holds {keyword} by name, one of torch's {', '.join(WINDOWS)}, got {function!r}; "
        "build the model with one of them to save it"
    )


def _keywords_from_json(model: Mapping[str, object], path: str | PathLike[str]) -> dict[str, object]:
    keywords = dict(model)
    for name in ("stft_window_fn", "multi_stft_window_fn"):
        if name in keywords:
            if keywords[name] not in WINDOWS:
                raise CheckpointError(f"{name} of {path} is {shown(keywords[name])}, not one of {', '.join(WINDOWS)}")
            keywords[name] = cast("object", getattr(torch, cast("str", keywords[name])))
    if isinstance(layout := keywords.get("mask_filter_bank"), str):
        try:
            keywords["mask_filter_bank"] = BandLayout.from_json(layout)
        except ValueError as error:
            raise CheckpointError(f"the layout in {path} is damaged: {error}; download it again") from error
    return keywords


def _saved_tensors(state: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """What a file holds: each tensor by itself, also where several names share one."""
    saved: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in state.items():
        exact = name.endswith(("rotary_embed.freqs", "pope_embed.inv_freqs")) or not tensor.is_floating_point()
        tensor = tensor.detach().to("cpu", None if exact else dtype).contiguous()
        saved[name] = tensor.clone() if tensor.data_ptr() in seen else tensor
        seen.add(tensor.data_ptr())
    return saved
