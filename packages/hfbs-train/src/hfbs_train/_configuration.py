"""What a run is to do, as its YAML file says it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self, cast

from hfbs_model import ConfigError
from hfbs_model.files import read_yaml

from ._errors import ConfigurationError
from ._settings import named_values, read_settings, require
from .augmentation import AugmentationSettings, read_augmentation
from .data import Choice
from .losses import LossSpec, ModelLoss, read_losses


@dataclass(frozen=True, kw_only=True, slots=True)
class Audio:
    """What the model hears.

    Attributes:
        sample_rate: In Hz.
        chunk_seconds: Length of a training excerpt, and of the chunks that the trained model is to get. It is rounded
            to whole hops of the model's STFT.
    """

    sample_rate: int = 44100
    chunk_seconds: float = 8.0

    def __post_init__(self) -> None:
        require(1000 <= self.sample_rate <= 1_000_000, "sample_rate must be from 1000 to 1000000 Hz", self.sample_rate)
        require(0 < self.chunk_seconds <= 600, "chunk_seconds must be above 0 and at most 600", self.chunk_seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """A checkpoint whose weights the run starts from.

    Attributes:
        checkpoint: Any file that :func:`hfbs_model.load_checkpoint` takes.
        config: MSST's YAML of it, where its weights do not tell enough.
        settings: What neither says, by the model's keywords.
    """

    checkpoint: Path
    config: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """Low-rank adapters that are trained instead of the weights :cite:p:`hu2022lora`.

    Attributes:
        rank: Rows of the adapters' inner matrix.
        alpha: The adapters' product counts ``alpha / rank``.
        dropout: Share of an adapter's input features dropped in training.
        targets: Last part of the names of the linear layers that get adapters.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("to_qkv", "to_out.0")

    def __post_init__(self) -> None:
        require(self.rank >= 1, "rank must be at least 1", self.rank)
        require(0 < self.alpha < math.inf, "alpha must be above 0", self.alpha)
        require(0 <= self.dropout < 1, "dropout must be from 0 to below 1", self.dropout)
        require(len(self.targets) > 0, "targets must name layers, such as to_qkv", list(self.targets))


@dataclass(frozen=True, kw_only=True, slots=True)
class AdamW:
    """AdamW :cite:p:`loshchilov2019adamw`.

    Attributes:
        learning_rate: At its highest; the schedule multiplies it.
        betas: Decay of the means of gradients and of their squares.
        weight_decay: Of matrices and kernels; gains and offsets have none.
    """

    kind: Literal["adamw"] = "adamw"
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        require(0 < self.learning_rate < math.inf, "learning_rate must be above 0", self.learning_rate)
        require(all(0 <= beta < 1 for beta in self.betas), "betas must be from 0 to below 1", list(self.betas))
        require(0 <= self.weight_decay < math.inf, "weight_decay must be at least 0", self.weight_decay)


@dataclass(frozen=True, kw_only=True, slots=True)
class Muon:
    """Muon :cite:p:`jordan2024muon` for the trunk's matrices, AdamW for everything else.

    Attributes:
        learning_rate: Of the matrices, at its highest, in AdamW's measure: updates are scaled to AdamW's mean square.
        momentum: Decay of the mean of gradients.
        weight_decay: Of the matrices.
        others: AdamW's settings for the other weights.
    """

    kind: Literal["muon"] = "muon"
    learning_rate: float = 5e-4
    momentum: float = 0.95
    weight_decay: float = 0.0
    others: AdamW = field(default_factory=lambda: AdamW())

    def __post_init__(self) -> None:
        require(0 < self.learning_rate < math.inf, "learning_rate must be above 0", self.learning_rate)
        require(0 <= self.momentum < 1, "momentum must be from 0 to below 1", self.momentum)
        require(0 <= self.weight_decay < math.inf, "weight_decay must be at least 0", self.weight_decay)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """The learning rate over the steps: a linear rise from 0, then a fall to its share at the end.

    Attributes:
        kind: How it falls: not at all, along half a cosine, in a line, or by the same factor at each step.
        warmup_steps: Steps of the rise.
        final: Share of the highest rate at the last step.
    """

    kind: Literal["constant", "cosine", "linear", "exponential"] = "cosine"
    warmup_steps: int = 500
    final: float = 0.01

    def __post_init__(self) -> None:
        require(self.warmup_steps >= 0, "warmup_steps must be at least 0", self.warmup_steps)
        require(0 < self.final <= 1, "final must be above 0 and at most 1", self.final)


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """Separating whole songs while the run goes on, as ``hfbs separate`` does it.

    Attributes:
        songs: Folders in MUSDB's layout, with the run's stems, and the file ``mixture`` or what adds up to it.
        every: Steps between two validations; the last step is always followed by one.
        seconds: Length of each song that is separated, from its middle; None takes all of it.
        keep: How many of the best checkpoints are kept, by the mean SDR over stems.
    """

    songs: tuple[Path, ...] = ()
    every: int = 1000
    seconds: float | None = None
    keep: int = 3

    def __post_init__(self) -> None:
        require(self.every >= 1, "every must be at least 1 step", self.every)
        require(self.seconds is None or 0 < self.seconds < math.inf, "seconds must be above 0", self.seconds)
        require(self.keep >= 1, "keep must be at least 1", self.keep)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machines:
    """Where the run goes on. ``torchrun`` and Slurm say themselves how many processes there are.

    Attributes:
        accelerator: Kind of device; ``"auto"`` takes CUDA, else MPS, else the processor.
        devices: How many on each machine, 0 for all of a kind but processors; one process each.
        nodes: Machines.
        strategy: ``"ddp"`` keeps all weights on each device, ``"fsdp"`` shares them out (FSDP2).
        precision: ``"float32"``; ``"bfloat16"`` or ``"float16"`` for matrix products, with weights, Fourier transforms,
            masks and losses in float32; ``"auto"``: bfloat16 on CUDA devices that have it.
        compile: Compile the model's blocks before the first step. A run whose compiled model does not give what the
            same model gives without is refused.
        threads: Of each process on the processor; None leaves PyTorch's.
    """

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        require(self.devices >= 0, "devices must be at least 0", self.devices)
        require(self.nodes >= 1, "nodes must be at least 1", self.nodes)
        require(self.threads is None or self.threads >= 1, "threads must be at least 1", self.threads)


@dataclass(frozen=True, kw_only=True, slots=True)
class Logs:
    """Where the run tells of itself, besides ``metrics.csv`` and the terminal.

    Attributes:
        every: Steps between two entries.
        to: TensorBoard's files below the run's folder, Weights & Biases, or both, or neither.
        project: The project's name at Weights & Biases.
    """

    every: int = 50
    to: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    project: str = "hfbs"

    def __post_init__(self) -> None:
        require(self.every >= 1, "every must be at least 1 step", self.every)


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """Songs to train on, and how excerpts are made of them.

    Attributes:
        songs: Folders and tables, see :func:`hfbs_train.data.find_training_songs`, as for the three below.
        layout: What they are.
        missing: What it means that a song's folder lacks a stem's file.
        mixture: What a song's mixture is.
        choice: How excerpts are chosen and mixed, see :class:`hfbs_train.data.Choice`.
        workers: Processes that load excerpts for each device; 0: the training process itself.
        resident: Read all songs once, hold them on the device as float32, and cut excerpts there: the same excerpts,
            without a disk or a processor that could be too slow for a GPU. An hour of two stereo stems takes 2.4 GiB.
    """

    songs: tuple[Path, ...]
    layout: Literal["auto", "songs", "stems", "csv"] = "auto"
    missing: Literal["error", "silent", "unlabelled"] = "error"
    mixture: Literal["sum", "file"] = "sum"
    choice: Choice = field(default_factory=Choice)
    workers: int = 2
    resident: bool = False

    def __post_init__(self) -> None:
        require(len(self.songs) > 0, "songs must name at least one folder", list(self.songs))
        require(self.workers >= 0, "workers must be at least 0", self.workers)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfiguration:
    """All that decides what a run comes to, but for its folder.

    Attributes:
        stems: The stems' names, or for each the files of a song whose sum it is.
        data: Songs to train on.
        steps: Steps of the optimizer in all.
        model: Keywords of :class:`hfbs_model.BandSplitRotator`, or of MSST's class that ``class`` names,
            ``bs_roformer`` or ``mel_band_roformer``; the number of stems is that of ``stems``. With ``start``, what is
            to change of bands and STFT: weights are carried over by :func:`hfbs_model.reband`.
        residual: Name of what the stems leave of the mixture, where the trained checkpoints are to give that beside
            them: ``"instrumental"`` for a model of vocals alone. None: as the checkpoint of ``start`` has it.
        start: What to start from. None: random weights.
        lora: Adapters to train in place of the weights; needs ``start``.
        audio: What the model hears.
        augmentation: What is done to stems at random, see :class:`hfbs_train.augmentation.AugmentationSettings`.
        losses: What is minimised, see :func:`hfbs_train.losses.read_losses`.
        optimizer: What takes the steps.
        schedule: The learning rate over the steps.
        batch_size: Excerpts of a step, over all devices.
        accumulate: Passes that a device's share of them is split into, to save memory.
        clip_norm: Longest gradient; longer ones are scaled down. None: any.
        ema_decay: Decay of the mean of weights over steps, which is what is validated and saved; it grows to this
            value over the first steps. None: the weights themselves.
        seed: Of the weights, the choice of excerpts, and all augmentation.
        validation: Measuring on whole songs.
        save_every: Steps between two states from which an ended run goes on.
        machines: Devices and precision.
        logs: Where the run tells of itself.

    Example:
        >>> model = {"dim": 64, "depth": 3, "stereo": True}
        >>> run = RunConfiguration.of(
        ...     {"stems": ["vocals", "other"], "data": {"songs": ["train"]}, "model": model, "steps": 1000}
        ... )
        >>> run.optimizer.learning_rate, run.batch_size
        (0.0005, 8)
    """

    stems: Mapping[str, tuple[str, ...]]
    data: Data
    steps: int
    model: Mapping[str, Any] = field(default_factory=dict[str, Any])
    residual: str | None = None
    start: Start | None = None
    lora: Lora | None = None
    audio: Audio = field(default_factory=Audio)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    losses: tuple[LossSpec, ...] = (ModelLoss(),)
    optimizer: AdamW | Muon = field(default_factory=AdamW)
    schedule: Schedule = field(default_factory=Schedule)
    batch_size: int = 8
    accumulate: int = 1
    clip_norm: float | None = 1.0
    ema_decay: float | None = 0.999
    seed: int = 0
    validation: Validation = field(default_factory=Validation)
    save_every: int = 1000
    machines: Machines = field(default_factory=Machines)
    logs: Logs = field(default_factory=Logs)

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "save_every"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1", getattr(self, name))
        require(self.residual not in ("", *self.stems), "residual must be a name that no stem has", self.residual)
        require(self.clip_norm is None or self.clip_norm > 0, "clip_norm must be above 0", self.clip_norm)
        require(self.ema_decay is None or 0 < self.ema_decay < 1, "ema_decay must be between 0 and 1", self.ema_decay)
        require(0 <= self.seed < 2**32, "seed must be from 0 to 2^32 - 1", self.seed)
        if self.start is None and not self.model:
            raise ConfigurationError("model must give the model's keywords, or start a checkpoint: give one of them")
        if self.lora is not None and self.start is None:
            raise ConfigurationError("lora adapts a trained model: name its checkpoint in start")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Self:
        """Read a YAML file.

        Raises:
            ConfigurationError: The file cannot be read as YAML, or says what is unknown, missing or out of its range.
        """
        try:
            return cls.of(read_yaml(path))
        except (ConfigError, ConfigurationError) as error:
            told = str(error)
            raise ConfigurationError(told if str(path) in told else f"{path}: {told}") from error

    @classmethod
    def of(cls, document: Mapping[str, object]) -> Self:
        """Check what a YAML file gives.

        Raises:
            ConfigurationError: It says what is unknown, missing or out of its range.
        """
        readers = {
            "stems": _read_stems,
            "optimizer": _read_optimizer,
            "losses": read_losses,
            "augmentation": read_augmentation,
        }
        return read_settings(cls, document, "", readers)

    def as_plain(self) -> dict[str, Any]:
        """All of it as a YAML file would give it, with every default written out."""
        plain = _plain(asdict(self))
        plain["losses"] = [{"kind": spec.kind, **_plain(asdict(spec))} for spec in self.losses]
        # A section without a value is one as it usually is, so one that is not there is left out.
        plain["augmentation"] = {name: effect for name, effect in plain["augmentation"].items() if effect is not None}
        return {name: value for name, value in plain.items() if value is not None or name not in ("start", "lora")}


def _read_stems(value: object, where: str) -> Mapping[str, tuple[str, ...]]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        names = cast("Sequence[object]", value)
        as_listed = all(isinstance(name, str) for name in names)
        require(as_listed, f"{where} must be a list of names, or a mapping of names to files", list(names))
        value = {name: [name] for name in names}
        require(len(value) == len(names), f"{where} must be different names", list(names))
    stems = {name: _read_files(files, f"{where}.{name}") for name, files in named_values(value, where).items()}
    require(len(stems) > 0, f"{where} must name at least one stem", value)
    return stems


def _read_files(value: object, where: str) -> tuple[str, ...]:
    files = [value] if isinstance(value, str) else value
    fits = isinstance(files, list | tuple) and len(cast("Sequence[object]", files)) > 0
    require(
        fits and all(isinstance(file, str) for file in cast("Sequence[object]", files)),
        f"{where} must be names of files without suffix",
        value,
    )
    return tuple(cast("Sequence[str]", files))


def _read_optimizer(value: object, where: str) -> AdamW | Muon:
    kind = named_values(value, where).get("kind", "adamw")
    require(kind in ("adamw", "muon"), f"{where}.kind must be adamw or muon", kind)
    return read_settings(AdamW if kind == "adamw" else Muon, value, where)


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain(each) for key, each in cast("Mapping[object, object]", value).items()}
        case list() | tuple():
            return [_plain(each) for each in cast("Sequence[object]", value)]
        case Path():
            return str(value)
        case _:
            return value
