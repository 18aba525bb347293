"""The upstream packages' models, built for a case, and their state dicts under the names that ours has."""

import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

import torch
from torch import Tensor, nn

from hfbs_model import Parts
from parity.cases import Case

# pymss' names of the biases that all its attention layers share, and how each layer calls its own.
SHARED_BIASES = {"linear_62_bias_0": ".to_qkv.bias", "linear_64_bias_0": ".to_out.0.bias"}

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from bs_roformer import BSRoformer as LucidrainsBS
    from bs_roformer import MelBandRoformer as LucidrainsMel
    from pymss_core.modules.bs_roformer import BSConformer as PymssBSConformer
    from pymss_core.modules.bs_roformer import BSRoformerHyperACE as PymssHyperACE
    from pymss_core.modules.bs_roformer import MelBandConformer as PymssMelConformer
    from pymss_core.modules.bs_roformer.bs_roformer import BSRoformer as PymssBS
    from pymss_core.modules.bs_roformer.mel_band_roformer import MelBandRoformer as PymssMel


def build(case: Case) -> nn.Module:
    """The upstream model of a case, with parameters away from the special values that they start at."""
    keywords = case.settings | case.theirs
    hidden = keywords.pop("mask_estimator_depth", 1)
    with warnings.catch_warnings():  # lucidrains' constructor runs an STFT without a window
        warnings.simplefilter("ignore")
        model = BUILDERS[case.upstream](keywords, hidden)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if name.endswith(".running_mean"):
                buffer.normal_()
            if name.endswith(".running_var"):
                buffer.uniform_(0.5, 2.0)
    return model


def in_training(model: nn.Module) -> nn.Module:
    """A model in its training mode, without which pymss keeps no gradients; but with saved means and variances.

    No dropout is set. Normalised over the batch, the bias of a convolution has no gradient but rounding errors.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    return model


def _lucidrains_bs(keywords: dict[str, Any], hidden: int) -> nn.Module:
    if keywords["depth"] > 1 and not keywords.pop("use_value_residual_learning", False):
        raise ValueError("lucidrains' BSRoformer of several layers has value residuals always")
    keywords.pop("use_value_residual_learning", None)
    return LucidrainsBS(**{"num_residual_streams": 1} | keywords, mask_estimator_depth=hidden + 1, flash_attn=False)


def _lucidrains_mel(keywords: dict[str, Any], hidden: int) -> nn.Module:
    values = keywords.pop("use_value_residual_learning", False)
    return LucidrainsMel(
        **{"linear_transformer_depth": 0, "match_input_audio_length": True, "num_residual_streams": 1} | keywords,
        mask_estimator_depth=hidden,
        attn_dropout=0.0,
        ff_dropout=0.0,
        add_value_residual=values,
        flash_attn=False,
    )


def _pymss_bs(keywords: dict[str, Any], hidden: int) -> nn.Module:
    return PymssBS(**keywords, mask_estimator_depth=hidden + 1)


def _pymss_hyperace(keywords: dict[str, Any], hidden: int) -> nn.Module:
    model = PymssHyperACE(**keywords, mask_estimator_depth=hidden + 1)
    model.set_mask_mode("full")
    return model


def _pymss_mel(keywords: dict[str, Any], hidden: int) -> nn.Module:
    return PymssMel(
        **{"match_input_audio_length": True} | keywords, mlp_hidden_layers=hidden, attn_dropout=0.0, ff_dropout=0.0
    )


def _pymss_bs_conformer(keywords: dict[str, Any], hidden: int) -> nn.Module:
    return PymssBSConformer(**_in_words_of_conformers(keywords), mask_estimator_depth=hidden + 1)


def _pymss_mel_conformer(keywords: dict[str, Any], hidden: int) -> nn.Module:
    return PymssMelConformer(
        **{"match_input_audio_length": True} | _in_words_of_conformers(keywords),
        mlp_hidden_layers=hidden,
        attn_dropout=0.0,
        ff_dropout=0.0,
    )


def _in_words_of_conformers(keywords: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_transformer_depth", "_conformer_depth"): value for name, value in keywords.items()}


BUILDERS: Mapping[str, Callable[[dict[str, Any], int], nn.Module]] = {
    "lucidrains BS": _lucidrains_bs,
    "lucidrains Mel": _lucidrains_mel,
    "pymss BS": _pymss_bs,
    "pymss HyperACE": _pymss_hyperace,
    "pymss Mel": _pymss_mel,
    "pymss BS Conformer": _pymss_bs_conformer,
    "pymss Mel Conformer": _pymss_mel_conformer,
}


def our_keywords(case: Case) -> dict[str, Any]:
    """What BandSplitRotator is told: where upstream's default differs from ours, upstream's."""
    defaults: dict[str, Any] = {
        "lucidrains BS": {"zero_dc": False, "match_input_audio_length": False},
        "lucidrains Mel": {"zero_dc": False},
        "pymss BS": {"zero_dc": False},
        "pymss HyperACE": {"zero_dc": False},
        "pymss Mel": {"zero_dc": True},
        "pymss BS Conformer": {"zero_dc": True},
        "pymss Mel Conformer": {"zero_dc": True, "norm_output": False, "final_norm": False},
    }[case.upstream]
    return defaults | case.settings


def our_name(name: str, case: Case) -> str:
    """Our name of an upstream parameter.

    lucidrains' layers lie in a wrapper named ``branch``, which only hyper-connections need; its Mel model keeps a place
    for the linear transformer.
    """
    if "hyper-connections" not in case.variants:
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
    return {our_name(name, case): tensor for name, tensor in tensors.items() if name not in SHARED_BIASES}


def parts_of(case: Case, weights: Mapping[str, Tensor]) -> Parts:
    """The variants of a case, with what these weights tell of them."""
    parts = Parts()
    for name, answers in case.variants.items():
        (variant,) = (entry_point.load() for entry_point in entry_points(group="hfbs.variants", name=name))
        assert answers.keys() == variant.questions.keys()
        parts = variant.build(parts, **{**variant.infer(weights), **answers})
    return parts


def gradients_of(model: nn.Module, name_of: Callable[[str], str] = str) -> dict[str, Tensor]:
    """Gradients by name. A bias that upstream's layers share has one, which is the sum of those of ours."""
    gradients = {name_of(name): p.grad for name, p in model.named_parameters() if p.grad is not None}
    for shared, ending in SHARED_BIASES.items():
        own = [gradients.pop(name) for name in list(gradients) if name.endswith(ending)]
        if own:
            gradients[shared] = torch.stack(own).sum(dim=0)
    return gradients
