"""The names under which trainers and forks have saved the same weights, made those of the model here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .._errors import CheckpointError
from ._rotary import with_exact_frequencies

_ANCHOR = "band_split.to_features.0.0.gamma"
_SHARED_BIASES = {
    "linear_62_bias_0": "to_qkv",
    "shared_qkv_bias": "to_qkv",
    "linear_64_bias_0": "to_out.0",
    "shared_out_bias": "to_out.0",
}


@dataclass(frozen=True)
class Spelled:
    """A state dict in the names of the model here.

    Attributes:
        weights: The tensors by name.
        notes: What was changed, a sentence each.
        wrapped: Whether the blocks lay in a wrapper ``branch`` without hyper-connections, as only lucidrains' models
            have them.
    """

    weights: dict[str, Tensor]
    notes: tuple[str, ...]
    wrapped: bool


def spelled_as_here(tensors: Mapping[str, Tensor]) -> Spelled:
    """Rename, copy and fill in what is only spelled differently.

    Raises:
        CheckpointError: Several models in one file, or positions that are not those of RoPE.
    """
    notes: list[str] = []
    weights = {name.replace("_orig_mod.", ""): tensor for name, tensor in tensors.items()}
    weights = _without_prefix(weights, notes)

    wrapped = any(".branch." in name for name in weights) and not any("static_alpha" in name for name in weights)
    if wrapped:
        weights = {name.replace(".branch.", "."): tensor for name, tensor in weights.items()}
    weights = _without_empty_slot(weights)
    weights = _with_one_value_residual(weights, notes)
    weights = _with_own_biases(weights, notes)
    weights = with_exact_frequencies(weights, notes)
    return Spelled(weights, tuple(notes), wrapped)


def merged_lora(weights: Mapping[str, Tensor], lora_alpha: float) -> dict[str, Tensor]:
    """Weights with loralib's updates added: W + lora_alpha / rank · B · A.

    Raises:
        CheckpointError: An update without its weight, its other half, or the right shape.
    """
    merged = {name: tensor for name, tensor in weights.items() if "lora_" not in name}
    for name in (name for name in weights if name.endswith(".lora_A")):
        layer = name.removesuffix(".lora_A")
        down, up, weight = weights[name], weights.get(f"{layer}.lora_B"), merged.get(f"{layer}.weight")
        if up is None or weight is None:
            raise CheckpointError(
                f"{name} is half of a LoRA update, and {layer}.{'lora_B' if up is None else 'weight'} is missing; "
                "give the checkpoint that the adapters were trained on, and the adapters as lora"
            )
        if down.ndim != 2 or up.ndim != 2 or (up.shape[0], down.shape[1]) != weight.shape or len(down) != up.shape[1]:
            raise CheckpointError(
                f"the LoRA update of {layer} is {tuple(up.shape)} times {tuple(down.shape)}, "
                f"its weight {tuple(weight.shape)}; are the adapters of this checkpoint?"
            )
        merged[f"{layer}.weight"] = weight.float() + lora_alpha / len(down) * (up.float() @ down.float())
    return merged


def _without_prefix(weights: Mapping[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """The one model of the file, whatever it was an attribute of, such as DistributedDataParallel's ``module``."""
    prefixes = sorted(name.removesuffix(_ANCHOR) for name in weights if name.endswith(_ANCHOR))
    if not prefixes:
        raise CheckpointError(
            f"these are not the weights of a BS-RoFormer or Mel-Band RoFormer: there is no {_ANCHOR} "
            f"(first key: {next(iter(weights), None)!r}); is this the right model?"
        )
    if len(prefixes) > 1:
        raise CheckpointError(
            f"the file holds several models, under {' and '.join(map(repr, prefixes))}; save the state dict of one"
        )
    (prefix,) = prefixes
    dropped = [name for name in weights if not name.startswith(prefix)]
    if dropped:
        notes.append(f"{len(dropped)} tensors outside {prefix!r} are not the model's, such as {dropped[0]}")
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _without_empty_slot(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """lucidrains' Mel-Band RoFormer keeps the linear transformer's place in each layer when it has none."""
    if any(name.startswith("layers.0.0.") for name in weights):
        return dict(weights)
    slot = re.compile(r"^(layers\.\d+\.)([12])\.")
    return {slot.sub(lambda match: f"{match[1]}{int(match[2]) - 1}.", name): tensor for name, tensor in weights.items()}


def _with_one_value_residual(weights: Mapping[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """hunterFormsBS 0.1.5 named the mix anew; its forward pass failed with it, so that no file of it can be trained."""
    theirs = re.compile(r"\.learned_value_residual_mix\.(weight|bias)$")
    if any(theirs.search(name) for name in weights):
        notes.append("learned_value_residual_mix is hunterFormsBS' name of to_value_residual_mix")
    return {theirs.sub(r".to_value_residual_mix.\1", name): tensor for name, tensor in weights.items()}


def _with_own_biases(weights: Mapping[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """Biases that all attention layers share, copied to each."""
    shared = {name: layer for name, layer in _SHARED_BIASES.items() if name in weights}
    if not shared:
        return dict(weights)
    notes.append(f"all attention layers share their biases ({', '.join(shared)}); here each has a copy")
    own = {name: tensor for name, tensor in weights.items() if name not in shared}
    for name, layer in shared.items():
        for attention in [name for name in own if name.endswith(f".{layer}.weight") and name.startswith("layers.")]:
            own.setdefault(f"{attention.removesuffix('.weight')}.bias", weights[name])
    return own


def stored_as_half(weights: Mapping[str, Tensor]) -> bool:
    """Whether the file holds half precision."""
    return any(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in weights.values())
