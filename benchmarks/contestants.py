"""The implementations, each built for a configuration and given the same weights.

PyTorch and the implementations are loaded when they are asked for, so that a fresh process can time that.
"""

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from configurations import Configuration, Setting

if TYPE_CHECKING:
    from torch import Tensor, nn

OURS = "hfbs"
LUCIDRAINS = "BS-RoFormer"
PYMSS = "pymss-core"
FLOOR = "floor"


@dataclass(frozen=True)
class Contestant:
    """One implementation and how it is run.

    Attributes:
        package: Key of :data:`CLASSES`.
        compiled: Whether ``compile_blocks`` is called.
        mode: What it is told.
        autocast: Whether it is run under autocast for inference in bfloat16, where ours is otherwise cast once.
        value_residuals: Whether ours mixes the first layer's values in, as lucidrains' BS model always does.
    """

    name: str
    package: str
    compiled: bool = False
    mode: str | None = None
    autocast: bool = False
    value_residuals: bool = False

    @property
    def is_ours(self) -> bool:
        return self.package == OURS


CONTESTANTS: Mapping[str, Contestant] = {
    contestant.name: contestant
    for contestant in (
        Contestant(LUCIDRAINS, LUCIDRAINS, autocast=True),
        Contestant(PYMSS, PYMSS, autocast=True),
        Contestant(OURS, OURS),
        Contestant("hfbs, value residuals", OURS, value_residuals=True),
        Contestant("hfbs, autocast", OURS, autocast=True),
        Contestant("hfbs compiled", OURS, compiled=True),
        Contestant("hfbs compiled, CUDA graphs", OURS, compiled=True, mode="reduce-overhead"),
    )
}
# Module and class for the BS layout, and for the mel layout.
CLASSES: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    OURS: (("hfbs_model", "BandSplitRotator"), ("hfbs_model", "BandSplitRotator")),
    LUCIDRAINS: (("bs_roformer", "BSRoformer"), ("bs_roformer", "MelBandRoformer")),
    PYMSS: (
        ("pymss_core.modules.bs_roformer.bs_roformer", "BSRoformer"),
        ("pymss_core.modules.bs_roformer.mel_band_roformer", "MelBandRoformer"),
    ),
}
# One hidden layer in each mask estimator, as each class counts it; no dropout; the branches that ours lacks, off. Ours
# recomputes in training what is cheap; what lucidrains' recomputes there is everything, products as well.
KEYWORDS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    OURS: ({"use_torch_checkpoint": True}, {"use_torch_checkpoint": True}),
    LUCIDRAINS: (
        {"num_residual_streams": 1},
        {
            "num_residual_streams": 1,
            "linear_transformer_depth": 0,
            "add_value_residual": False,
            "attn_dropout": 0.0,
            "ff_dropout": 0.0,
            "match_input_audio_length": True,
        },
    ),
    PYMSS: (
        {},
        {"mlp_hidden_layers": 1, "attn_dropout": 0.0, "ff_dropout": 0.0, "match_input_audio_length": True},
    ),
}


def competing(setting: Setting, compiled: bool) -> list[Contestant]:
    """Who takes part. CUDA graphs are for inference on CUDA; pymss-core has no backward pass."""
    inference = setting.task == "inference"

    def takes_part(contestant: Contestant) -> bool:
        return (
            (compiled or not contestant.compiled)
            and (contestant.mode is None or (inference and setting.device == "cuda"))
            and (inference or contestant.package != PYMSS)
            and (not contestant.value_residuals or mixes_values(CONTESTANTS[LUCIDRAINS], setting.configuration))
            and (not (contestant.is_ours and contestant.autocast) or (inference and setting.precision == "bfloat16"))
        )

    return [contestant for contestant in CONTESTANTS.values() if takes_part(contestant)]


def mixes_values(contestant: Contestant, configuration: Configuration) -> bool:
    """Whether the model has value residuals."""
    always = contestant.package == LUCIDRAINS and not configuration.mel and configuration.depth > 1
    return always or contestant.value_residuals


def class_of(package: str, mel: bool) -> Any:
    module, name = CLASSES[package][mel]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(importlib.import_module(module), name)


def build(contestant: Contestant, configuration: Configuration) -> "nn.Module":
    keywords = configuration.keywords | KEYWORDS[contestant.package][configuration.mel]
    if contestant.value_residuals:
        keywords["use_value_residual_learning"] = True
    with warnings.catch_warnings():  # lucidrains' constructor runs an STFT without a window
        warnings.simplefilter("ignore")
        return class_of(contestant.package, configuration.mel)(**keywords)


def adopt(package: str, model: "nn.Module", ours: Mapping[str, "Tensor"]) -> bool:
    """Give a model our weights under its own names; whether they are all that it has."""
    names = {our_name(package, name, model): name for name in model.state_dict()}
    theirs = {names[name]: tensor for name, tensor in ours.items() if name in names}
    missing, _ = model.load_state_dict(theirs, strict=False)
    return not missing and len(theirs) == len(ours)


def our_name(package: str, name: str, model: "nn.Module") -> str:
    """Our name of a peer's parameter, as in tests/parity/oracles.py.

    lucidrains wraps its layers, and its Mel model keeps a place for the linear transformer before each.
    """
    if package != LUCIDRAINS:
        return name
    name = name.replace(".branch.", ".")
    if name.startswith("layers.") and len(model.layers[0]) == 3:
        layers, layer, axis, rest = name.split(".", 3)
        name = f"{layers}.{layer}.{int(axis) - 1}.{rest}"
    return name
