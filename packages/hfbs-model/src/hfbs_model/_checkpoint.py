"""From a checkpoint's file to a model that is ready to separate."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from os import PathLike
from typing import Any, cast

from torch import Tensor

from ._architecture import Architecture, infer_architecture
from ._config import Config, read_config
from ._errors import CheckpointError, ConfigError
from ._keywords import check_keywords
from ._msst import least_depth, rotator_keywords
from ._rotator import BandSplitRotator
from ._weights import read_weights


@dataclass(frozen=True)
class Checkpoint:
    """A model and what belongs to it.

    Attributes:
        model: The separator in float32 on the CPU, ready for inference.
        stems: One name per stem that the model gives, in its order.
        sample_rate: Samples a second of the audio that the model was trained on.
        chunk_size: Samples to give to the model at once.
        num_overlap: How many chunks should hold each sample.
    """

    model: BandSplitRotator
    stems: tuple[str, ...]
    sample_rate: int
    chunk_size: int
    num_overlap: int


def load_checkpoint(path: str | PathLike[str], config: str | PathLike[str]) -> Checkpoint:
    """Build the model that a checkpoint and MSST's YAML describe, and load its weights.

    The result gives all samples back (``match_input_audio_length=True``) whatever the YAML says. ``zero_dc`` is MSST's
    default, True, where the YAML does not state it.

    Args:
        path: A ``.ckpt``, ``.pt``, ``.pth``, ``.bin`` or ``.safetensors`` file. No code in it is run.
        config: MSST's YAML. No object in it is constructed.

    Raises:
        CheckpointError: The weights cannot be read, or are not those of the model that the YAML describes; says which
            keyword differs.
        ConfigError: The YAML cannot be read, has keywords that nothing uses or values of the wrong type, or lacks what
            weights do not tell.
        ImportError: The YAML asks for mel bands that librosa has to compute, and it is missing.
    """
    settings = read_config(config)
    check_keywords(settings.model, config)
    weights = read_weights(path)
    architecture = infer_architecture(weights)
    keywords = _keywords(settings, architecture, config)
    _refuse(_differences(keywords, architecture), path, config)

    try:
        model = BandSplitRotator(**cast("dict[str, Any]", keywords))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"section 'model' of {config}: {error}") from error
    _refuse(_band_differences(model, architecture), path, config)
    _refuse_foreign(weights, model.state_dict(), path)
    model.load_state_dict(weights)
    if len(settings.stems) != model.num_stems:
        raise ConfigError(
            f"{config} names {len(settings.stems)} stem(s) ({', '.join(settings.stems)}), "
            f"the model gives {model.num_stems}; set training.target_instrument for one stem, "
            "or list as many training.instruments"
        )
    return Checkpoint(model.eval(), settings.stems, settings.sample_rate, settings.chunk_size, settings.num_overlap)


def _keywords(settings: Config, architecture: Architecture, config: str | PathLike[str]) -> dict[str, object]:
    """The YAML's keywords in the separator's words, less those that only say again what is known or how to compute."""
    try:
        keywords = rotator_keywords(architecture.family, settings.model)
    except ValueError as error:
        raise ConfigError(f"section 'model' of {config}: {error}") from error
    keywords["match_input_audio_length"] = True
    if keywords.pop("sage_attention", False):
        warnings.warn(
            f"{config} asks for sage_attention, which changes the numbers; PyTorch's kernels are used", stacklevel=3
        )
    bins, n_fft = keywords.pop("dim_freqs_in", None), keywords.get("stft_n_fft", 2048)
    if isinstance(bins, int) and isinstance(n_fft, int) and bins != n_fft // 2 + 1:
        warnings.warn(
            f"{config} says dim_freqs_in: {bins}, stft_n_fft: {n_fft} means {n_fft // 2 + 1}, which is used",
            stacklevel=3,
        )
    return keywords


def _differences(keywords: Mapping[str, object], architecture: Architecture) -> list[str]:
    """A line per keyword whose value the weights contradict."""
    defaults = signature(BandSplitRotator).parameters
    lines: list[str] = []
    for name, actual in architecture.keywords.items():
        said = keywords.get(name, defaults[name].default)
        if said == actual:
            continue
        if name == "mask_estimator_depth":
            actual_in_yaml = actual + least_depth(architecture.family)
            lines.append(
                f"{name}: the weights have {actual} hidden layer(s), the configuration {said}; "
                f"set it to {actual_in_yaml}"
            )
        else:
            says = f"says {said!r}" if name in keywords else "leaves it out"
            lines.append(f"{name}: the weights say {actual!r}, the configuration {says}; set it to {actual!r}")
    return lines


def _band_differences(model: BandSplitRotator, architecture: Architecture) -> list[str]:
    said, actual = model.band_gather.widths, architecture.band_features
    if said == actual:
        return []
    if (len(said), sum(said)) == (len(actual), sum(actual)):
        return [f"bands: the weights have widths {_some(actual)}, the configuration {_some(said)}; check their order"]
    return [
        f"bands: the weights have {len(actual)} with {sum(actual)} features in all, "
        f"the configuration {len(said)} with {sum(said)}; "
        "check stereo, stft_n_fft, and freqs_per_bands (or num_bands and sample_rate)"
    ]


def _refuse(differences: Sequence[str], path: str | PathLike[str], config: str | PathLike[str]) -> None:
    if differences:
        raise CheckpointError(f"{config} does not describe the checkpoint {path}: " + " | ".join(differences))


def _refuse_foreign(weights: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str | PathLike[str]) -> None:
    missing, foreign = [name for name in own if name not in weights], [name for name in weights if name not in own]
    if missing or foreign:
        raise CheckpointError(
            f"{path} is not of this architecture: it lacks {_some(missing)} and has {_some(foreign)} that nothing uses"
        )
    for name, weight in weights.items():
        if weight.shape != own[name].shape:
            raise CheckpointError(
                f"{path} is not of this architecture: {name} is {tuple(weight.shape)}, not {tuple(own[name].shape)}"
            )
        if not weight.is_floating_point():
            raise CheckpointError(
                f"{path} holds {weight.dtype} in {name}, where weights are floating-point; quantised checkpoints "
                "are not supported"
            )


def _some(items: Sequence[object]) -> str:
    shown = ", ".join(str(item) for item in items[:3])
    return "nothing" if not items else shown + (f" and {len(items) - 3} more" if len(items) > 3 else "")
