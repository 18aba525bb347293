"""MSST's training YAML in the words of a run's configuration, as far as both mean the same."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ._errors import ConfigurationError

_WITHOUT_MEANING = {
    "audio": {"dim_f", "dim_t", "hop_length", "n_fft", "num_channels"},  # of other architectures; the model's count
    "training": {"other_fix", "read_metadata_procs", "num_workers"},
}


@dataclass(frozen=True, slots=True)
class Translation:
    """What becomes of a YAML file of MSST.

    Attributes:
        document: A run's configuration, but for its section ``data``.
        data: What that section says of mixing songs.
        left_out: What does not carry over, a sentence each.
    """

    document: dict[str, Any]
    data: dict[str, Any]
    left_out: list[str]


def translated(msst: Mapping[str, object]) -> Translation:
    """Translate MSST's YAML, such as :func:`hfbs_model.files.read_yaml` reads.

    Raises:
        ConfigurationError: It is none of MSST's for a RoFormer: a section is missing, or its model is of another kind.
    """
    return _Translator(msst).translation()


@dataclass(slots=True)
class _Translator:
    msst: Mapping[str, object]
    used: set[str] = field(default_factory=set[str])
    left_out: list[str] = field(default_factory=list[str])

    def translation(self) -> Translation:
        model = dict(self._section("model"))
        if "freqs_per_bands" in model or "num_bands" in model:
            kind = "mel_band_roformer" if "num_bands" in model else "bs_roformer"
        else:
            raise ConfigurationError(
                "section model has neither freqs_per_bands (BS-RoFormer) nor num_bands (Mel-Band RoFormer): other "
                "architectures are not trained here"
            )
        stems = self._stems()
        model.pop("num_stems", None)
        rate = self._count("audio", "sample_rate", 44100)
        chunk = self._count("audio", "chunk_size", 8 * rate)
        accumulate = self._count("training", "gradient_accumulation_steps", 1)
        document = {
            "model": {"class": kind, **{name: value for name, value in model.items() if value is not None}},
            "stems": stems,
            "audio": {"sample_rate": rate, "chunk_seconds": chunk / rate},
            "augmentation": self._augmentation(),
            "optimizer": self._optimizer(),
            "schedule": {"kind": "constant", "warmup_steps": 0},
            "steps": self._steps(accumulate),
            "batch_size": self._count("training", "batch_size", 1) * accumulate,
            "accumulate": accumulate,
            "clip_norm": self._number("training", "grad_clip", 0) or None,
            "ema_decay": self._number("training", "ema_momentum", 0) or None,
            "machines": {"precision": "auto" if self._taken("training", "use_amp", True) else "float32"},
        }
        data = self._data()
        self.left_out += self._unused()
        return Translation(document, data, self.left_out)

    def _data(self) -> dict[str, Any]:
        if not self._section("augmentations").get("enable") or not self._taken("augmentations", "mixup", False):
            return {}
        probabilities = self._taken("augmentations", "mixup_probs", [0.2, 0.02])
        if not isinstance(probabilities, list | tuple):
            raise ConfigurationError(f"augmentations.mixup_probs must be a list, got {probabilities!r}")
        each = cast("Sequence[object]", probabilities)
        return {"choice": {"mixup": [_number(value, "augmentations.mixup_probs") for value in each]}}

    def _stems(self) -> list[str]:
        target = self._taken("training", "target_instrument", None)
        instruments = self._taken("training", "instruments", None)
        if isinstance(target, str):
            return [target]
        if not isinstance(instruments, list | tuple) or not instruments:
            raise ConfigurationError("training.instruments lists no stems; name them")
        return [str(name) for name in cast("list[object]", instruments)]

    def _steps(self, accumulate: int) -> int:
        passes = self._count("training", "num_epochs", 1000) * self._count("training", "num_steps", 1000)
        return max(1, round(passes / accumulate))

    def _optimizer(self) -> dict[str, Any]:
        kind = str(self._taken("training", "optimizer", "adam"))
        if kind not in ("adam", "adamw", "muon"):
            self.left_out.append(f"training.optimizer {kind}: AdamW is taken; its learning rate may need to be another")
        weight_decay = 0.01 if kind == "adamw" else 0.0  # PyTorch's, which MSST leaves as they are
        rate = self._number("training", "lr", 5e-5)
        if kind == "muon":
            return {"kind": "muon", "learning_rate": rate, "others": {"learning_rate": rate}}
        return {"kind": "adamw", "learning_rate": rate, "betas": [0.9, 0.999], "weight_decay": weight_decay}

    def _augmentation(self) -> dict[str, Any]:
        if not self._taken("augmentations", "enable", False):
            self.used.update(f"augmentations.{name}" for name in self._section("augmentations"))
            return {}
        effects: dict[str, Any] = {}
        if self._taken("augmentations", "loudness", False):
            effects["gain"] = {"decibels": [self._decibels("loudness_min", 0.5), self._decibels("loudness_max", 1.5)]}
        of_all = self._taken("augmentations", "all", {})
        if not isinstance(of_all, Mapping):
            raise ConfigurationError(f"augmentations.all must be a mapping, got {of_all!r}")
        for name, probability in cast("Mapping[str, object]", of_all).items():
            if name in _EFFECTS and not isinstance(probability, list):
                effects[_EFFECTS[name]] = {"probability": _number(probability, f"augmentations.all.{name}")}
            else:
                self.left_out.append(f"augmentations.all.{name}")
        return effects

    def _decibels(self, name: str, default: float) -> float:
        factor = self._number("augmentations", name, default)
        if factor <= 0:
            raise ConfigurationError(f"augmentations.{name} must be above 0, got {factor:g}: 0 is silence")
        return 20 * math.log10(factor)

    def _section(self, name: str) -> Mapping[str, Any]:
        section: object = self.msst.get(name) or {}
        if not isinstance(section, Mapping):
            raise ConfigurationError(f"section {name} must be a mapping, got {section!r}")
        return cast("Mapping[str, Any]", section)

    def _taken(self, section: str, name: str, default: object) -> object:
        self.used.add(f"{section}.{name}")
        value = self._section(section).get(name)
        return default if value is None else value

    def _count(self, section: str, name: str, default: int) -> int:
        value = self._number(section, name, default)
        if value < 1:
            raise ConfigurationError(f"{section}.{name} must be at least 1, got {value:g}")
        return int(value)

    def _number(self, section: str, name: str, default: float) -> float:
        return _number(self._taken(section, name, default), f"{section}.{name}")

    def _unused(self) -> Iterator[str]:
        for section, content in self.msst.items():
            if section in ("model", "inference"):
                continue
            for name in cast("Mapping[str, object]", content if isinstance(content, Mapping) else {}):
                place = f"{section}.{name}"
                if place not in self.used and name not in _WITHOUT_MEANING.get(section, set()):
                    yield f"{place}{_REASONS.get(place, '')}"


def _number(value: object, place: str) -> float:
    try:
        number = float(cast("Any", value))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{place} must be a number, got {value!r}") from error
    if not math.isfinite(number):
        raise ConfigurationError(f"{place} must be a number, got {value!r}")
    return number


_EFFECTS = {"channel_shuffle": "channel_swap", "random_polarity": "polarity"}
_REASONS = {
    "training.patience": ": the learning rate does not wait for a plateau here; see schedule",
    "training.reduce_factor": ": the learning rate does not wait for a plateau here; see schedule",
    "training.q": ": the RoFormers' own loss masks nothing",
    "training.coarse_loss_clip": ": the RoFormers' own loss masks nothing",
    "audio.min_mean_abs": ": quiet excerpts are drawn less often by data.choice.silent_share",
}
