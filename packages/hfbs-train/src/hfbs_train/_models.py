"""The model that a run trains, from its configuration."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from hfbs_model import BandSplitRotator, Checkpoint, CheckpointError, ConfigError, load_checkpoint, reband
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer

from ._configuration import Lora, RunConfiguration, Start
from ._errors import ConfigurationError

CLASSES: Mapping[str, type[BandSplitRotator]] = {
    "band_split_rotator": BandSplitRotator,
    "bs_roformer": BSRoformer,
    "mel_band_roformer": MelBandRoformer,
}
# What reband changes, and what has no part in the weights.
_BANDS = {"freqs_per_bands", "num_bands", "sample_rate", "mask_filter_bank", "dim_freqs_in"}
_CARRIED = _BANDS | {"stft_n_fft", "stft_hop_length", "stft_win_length"}


def untrained(configuration: RunConfiguration) -> Checkpoint:
    """The model that the run starts with, and what belongs to it.

    Raises:
        ConfigurationError: Keywords that no model has, that contradict each other or need a library that is missing; a
            checkpoint that cannot be read, or whose stems are others.
    """
    torch.manual_seed(configuration.seed)  # pyright: ignore[reportUnknownMemberType]
    try:
        begun = _built(configuration) if configuration.start is None else _started(configuration, configuration.start)
    except (ConfigError, CheckpointError, TypeError, ValueError, ImportError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"model: {error}") from error
    hop_length = begun.model.stft_settings.hop_length
    hops = max(1, round(configuration.audio.chunk_seconds * begun.sample_rate / hop_length))
    return replace(begun, chunk_size=hops * hop_length, residual=configuration.residual or begun.residual)


def with_adapters(model: BandSplitRotator, settings: Lora) -> None:
    """Put adapters beside linear layers, and leave nothing else to be trained.

    Raises:
        ConfigurationError: peft is not installed, or no layer is named so.
    """
    try:
        import peft
    except ImportError as error:
        raise ConfigurationError(
            f"lora needs peft, which cannot be imported ({error}): pip install 'hfbs-train[lora]'"
        ) from error
    # Modules of these names may be of another kind elsewhere, as in linear attention.
    modules = cast("Iterable[tuple[str, nn.Module]]", model.named_modules())
    linear = [f".{name}" for name, module in modules if isinstance(module, nn.Linear)]
    targets = [name[1:] for name in linear if name.endswith(tuple(f".{target}" for target in settings.targets))]
    if not targets:
        raise ConfigurationError(
            f"lora.targets: no linear layer is named {' or '.join(settings.targets)}; take to_qkv, to_out.0, to_gates"
        )
    adapters = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=cast("int", settings.alpha),  # any number does
        lora_dropout=settings.dropout,
        target_modules=targets,
    )
    for weight in model.parameters():
        weight.requires_grad_(False)
    peft.inject_adapter_in_model(adapters, model)


_ADAPTER = re.compile(r"(.*)\.lora_([AB])\.default\.weight")


def merged(weights: Mapping[str, Tensor], lora: Lora | None) -> dict[str, Tensor]:
    """The model's own weights, with adapters added to those that they stand beside."""
    if lora is None:
        return dict(weights)
    own = {name.replace(".base_layer.", "."): weight for name, weight in weights.items() if ".lora_" not in name}
    for name in weights:
        if (adapter := _ADAPTER.fullmatch(name)) and adapter[2] == "A":
            layer = adapter[1]
            product = weights[f"{layer}.lora_B.default.weight"] @ weights[name]
            own[f"{layer}.weight"] = own[f"{layer}.weight"] + lora.alpha / lora.rank * product
    return own


def _built(configuration: RunConfiguration) -> Checkpoint:
    keywords = dict(configuration.model)
    kind = str(keywords.pop("class", "band_split_rotator"))
    if kind not in CLASSES:
        raise ConfigurationError(f"model.class is one of {', '.join(CLASSES)}, got {kind!r}")
    stems, sample_rate = tuple(configuration.stems), configuration.audio.sample_rate
    if (said := keywords.setdefault("num_stems", len(stems))) != len(stems):
        raise ConfigurationError(f"model.num_stems is {said}, but stems names {len(stems)}: {', '.join(stems)}")
    said = sample_rate if keywords.get("num_bands") is None else keywords.setdefault("sample_rate", sample_rate)
    if said != sample_rate:
        raise ConfigurationError(f"model.sample_rate is {said}, but audio.sample_rate {sample_rate}; make them one")
    model = CLASSES[kind](**keywords)
    return Checkpoint(model, stems, sample_rate, chunk_size=1)


def _started(configuration: RunConfiguration, start: Start) -> Checkpoint:
    loaded = load_checkpoint(start.checkpoint, start.config, **start.settings)
    stems = tuple(configuration.stems)
    if loaded.stems != stems:
        raise ConfigurationError(
            f"{start.checkpoint} gives {', '.join(loaded.stems)}, but stems names {', '.join(stems)}: "
            "name the same, in that order"
        )
    provenance = {**loaded.provenance, "start": start.checkpoint.name}
    sample_rate = configuration.audio.sample_rate
    if not configuration.model:
        if loaded.sample_rate != sample_rate:
            raise ConfigurationError(
                f"{start.checkpoint} is for {loaded.sample_rate} Hz, but audio.sample_rate is {sample_rate}: make them "
                "one, or say in model what the new bands are"
            )
        return replace(loaded, provenance=provenance)
    return replace(
        loaded,
        model=_carried(loaded, configuration),
        sample_rate=sample_rate,
        provenance=provenance | {"reband": "yes"},
    )


def _carried(loaded: Checkpoint, configuration: RunConfiguration) -> BandSplitRotator:
    """The loaded model on the bands that ``model`` says, all else as it was."""
    keywords = dict(configuration.model)
    if foreign := keywords.keys() - _CARRIED:
        raise ConfigurationError(
            f"model.{min(foreign)}: a run that starts from a checkpoint can change bands and STFT alone "
            f"({', '.join(sorted(_CARRIED))}); delete it"
        )
    if keywords.get("num_bands") is not None:
        keywords.setdefault("sample_rate", configuration.audio.sample_rate)
    n_fft = keywords.setdefault("stft_n_fft", loaded.model.stft_settings.n_fft)
    keywords.setdefault("stft_win_length", min(int(n_fft), loaded.model.stft_settings.win_length))
    keywords.setdefault("stft_hop_length", loaded.model.stft_settings.hop_length)
    # The smallest model on these bands: what they are is the model's own to say.
    small: dict[str, Any] = {"dim": 1, "depth": 1, "heads": 1, "dim_head": 4}
    layout = BandSplitRotator(**small, **keywords).layout
    return reband(
        loaded.model,
        layout,
        sample_rates=(loaded.sample_rate, configuration.audio.sample_rate),
        stft_n_fft=n_fft,
        stft_hop_length=keywords["stft_hop_length"],
        stft_win_length=keywords["stft_win_length"],
    )
