"""The upstream packages' models, built for a case, and their state dicts under the names that ours has."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from parity.cases import Case

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from bs_roformer import BSRoformer as LucidrainsBS
    from bs_roformer import MelBandRoformer as LucidrainsMel
    from pymss_core.modules.bs_roformer.bs_roformer import BSRoformer as PymssBS
    from pymss_core.modules.bs_roformer.mel_band_roformer import MelBandRoformer as PymssMel


def build(case: Case) -> nn.Module:
    """The upstream model of a case, with parameters away from the special values that they start at."""
    keywords = dict(case.settings)
    hidden = keywords.pop("mask_estimator_depth", 1)
    with warnings.catch_warnings():  # lucidrains' constructor runs an STFT without a window
        warnings.simplefilter("ignore")
        model = BUILDERS[case.upstream](keywords, hidden)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def _lucidrains_bs(keywords: dict[str, Any], hidden: int) -> nn.Module:
    if keywords["depth"] > 1 and not keywords.pop("use_value_residual_learning", False):
        raise ValueError("lucidrains' BSRoformer of several layers has value residuals always")
    return LucidrainsBS(**keywords, mask_estimator_depth=hidden + 1, num_residual_streams=1, flash_attn=False)


def _lucidrains_mel(keywords: dict[str, Any], hidden: int) -> nn.Module:
    return LucidrainsMel(
        **{"linear_transformer_depth": 0, "match_input_audio_length": True} | keywords,
        mask_estimator_depth=hidden,
        attn_dropout=0.0,
        ff_dropout=0.0,
        add_value_residual=False,
        num_residual_streams=1,
        flash_attn=False,
    )


def _pymss_bs(keywords: dict[str, Any], hidden: int) -> nn.Module:
    return PymssBS(**keywords, mask_estimator_depth=hidden + 1)


def _pymss_mel(keywords: dict[str, Any], hidden: int) -> nn.Module:
    return PymssMel(
        **{"match_input_audio_length": True} | keywords, mlp_hidden_layers=hidden, attn_dropout=0.0, ff_dropout=0.0
    )


BUILDERS: Mapping[str, Callable[[dict[str, Any], int], nn.Module]] = {
    "lucidrains BS": _lucidrains_bs,
    "lucidrains Mel": _lucidrains_mel,
    "pymss BS": _pymss_bs,
    "pymss Mel": _pymss_mel,
}


def our_keywords(case: Case) -> dict[str, Any]:
    """What BandSplitRotator is told: where upstream's default differs from ours, upstream's."""
    defaults: dict[str, Any] = {
        "lucidrains BS": {"zero_dc": False, "match_input_audio_length": False},
        "lucidrains Mel": {"zero_dc": False},
        "pymss BS": {"zero_dc": False},
        "pymss Mel": {"zero_dc": True},
    }[case.upstream]
    return defaults | case.settings


def our_name(name: str, case: Case) -> str:
    """Our name of an upstream parameter.

    lucidrains' layers lie in a wrapper named ``branch``; its Mel model keeps a place for the linear transformer.
    """
    name = name.replace(".branch.", ".")
    if (
        case.upstream == "lucidrains Mel"
        and not case.settings.get("linear_transformer_depth")
        and name.startswith("layers.")
    ):
        layers, layer, axis, rest = name.split(".", 3)
        name = f"{layers}.{layer}.{int(axis) - 1}.{rest}"
    return name


def renamed(tensors: Mapping[str, Tensor], case: Case) -> dict[str, Tensor]:
    return {our_name(name, case): tensor for name, tensor in tensors.items()}
