"""What a run needs before its first step."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric

from hfbs_model import Checkpoint
from hfbs_separate.terminal import Terminal

from ._configuration import RunConfiguration
from ._ema import Ema
from ._errors import RunError
from ._models import with_adapters
from ._optimizers import optimizers
from ._schedule import rate_factor
from ._state import STATE, read_state
from ._steps import Stepper
from ._validation import ValidationSongs
from .augmentation import augment
from .data import Excerpts, Report, TrainingSong, check, default_cache, find_training_songs
from .losses import build_loss

_FREE = ("validation", "save_every", "logs", "machines.threads", "data.workers")
"""What may change between two parts of a run, since its weights do not depend on it."""


def stepper_of(configuration: RunConfiguration, checkpoint: Checkpoint, fabric: Fabric) -> Stepper:
    """The model on its devices, with what moves its weights."""
    model = deepcopy(checkpoint.model).train()
    if configuration.lora is not None:
        with_adapters(model, configuration.lora)
    if configuration.machines.compile:
        model.compile_blocks()
    loss = build_loss(configuration.losses, sample_rate=checkpoint.sample_rate, own=model.loss_settings)
    forward = fabric.setup_module(model)
    moving = optimizers(model, configuration.optimizer)
    return Stepper(
        fabric=fabric,
        model=model,
        forward=forward,
        optimizers=[cast("torch.optim.Optimizer", fabric.setup_optimizers(optimizer)) for optimizer in moving],
        loss=loss,
        augment=partial(
            augment,
            settings=configuration.augmentation,
            seed=configuration.seed,
            sample_rate=checkpoint.sample_rate,
        ),
        ema=None if configuration.ema_decay is None else Ema(model, configuration.ema_decay),
        rate_factor=partial(rate_factor, steps=configuration.steps, schedule=configuration.schedule),
        clip_norm=configuration.clip_norm,
        accumulate=configuration.accumulate,
        seed=configuration.seed,
    )


def training_excerpts(configuration: RunConfiguration, checkpoint: Checkpoint, terminal: Terminal) -> Excerpts:
    """Training excerpts from songs that were looked through.

    Raises:
        DatasetError: A song is unfit.
    """
    data = configuration.data
    songs = find_training_songs(
        data.songs, configuration.stems, layout=data.layout, missing=data.missing, mixture=data.mixture
    )
    return Excerpts(
        _looked_through(songs, "looking through songs", checkpoint, terminal),
        checkpoint.stems,
        samples=configuration.augmentation.input_length(checkpoint.chunk_size),
        sample_rate=checkpoint.sample_rate,
        channels=checkpoint.model.audio_channels,
        seed=configuration.seed,
        choice=data.choice,
    )


def validation_songs(
    configuration: RunConfiguration, checkpoint: Checkpoint, terminal: Terminal
) -> ValidationSongs | None:
    """The songs of all folders to measure with, looked through; None where no folder is named.

    Raises:
        DatasetError: A folder is not laid out as MUSDB is, lacks a stem, or a song is unfit.
    """
    validation = configuration.validation
    if not validation.songs:
        return None
    missing = "silent" if configuration.data.missing == "silent" else "error"
    songs = find_training_songs(validation.songs, configuration.stems, layout="songs", missing=missing, mixture="file")
    report = _looked_through(songs, "looking through songs for validation", checkpoint, terminal)
    report.require_usable()
    return ValidationSongs(report, validation.seconds)


def _looked_through(songs: Sequence[TrainingSong], saying: str, checkpoint: Checkpoint, terminal: Terminal) -> Report:
    with terminal.bar(saying) as bar:
        report = check(songs, sample_rate=checkpoint.sample_rate, cache=default_cache(), progress=bar)
    for problem in report.warnings:
        terminal.warn(problem.message)
    return report


def refuse_other_run(configuration: RunConfiguration, folder: Path) -> None:
    """Refuse to go on with a run of another configuration.

    Raises:
        RunError: Names what differs.
    """
    if not (folder / STATE).exists():
        return
    before = _flat(read_state(folder / STATE)["configuration"])
    now = _flat(configuration.as_plain())
    for name in sorted(before.keys() | now.keys()):
        if not name.startswith(_FREE) and before.get(name) != now.get(name):
            raise RunError(
                f"{folder} holds a run with {name} {before.get(name)!r}, not {now.get(name)!r}: name another folder, "
                "or say the same to go on with that run"
            )


def _flat(plain: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(cast("Mapping[str, Any]", value), f"{place}{name}.")
        else:
            flat[f"{place}{name}"] = value
    return flat
