"""What an ended run goes on from: one file, which is whole or is not there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.tensor import DTensor, distribute_tensor

from hfbs_model.files import written_whole

from ._errors import RunError
from ._machines import whole
from ._optimizers import bare
from ._steps import Stepper

STATE = "state.pt"
"""Its name in the run's folder."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: Steps taken.
        configuration: Of the run, as JSON has it.
        best: Validated checkpoints that are kept, by file name, with their scores.
    """

    step: int
    configuration: dict[str, Any]
    best: dict[str, float]


def full_weights(stepper: Stepper) -> dict[str, Tensor]:
    """The model's weights, or their means over steps, whole on every process."""
    weights = cast("dict[str, Tensor]", stepper.model.state_dict())
    if stepper.ema is not None:
        first_names = {weight: name for name, weight in stepper.model.named_parameters()}
        for name, weight in stepper.model.named_parameters(remove_duplicate=False):
            weights[name] = stepper.ema.means.get(first_names[weight], weight)
    return {name: whole(weight) for name, weight in weights.items()}


def save_state(path: Path, stepper: Stepper, progress: Progress) -> None:
    """Write all that the next step depends on. Every process calls it, the first one writes.

    Raises:
        RunError: The file cannot be written; the one before is still there.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights, moments = get_state_dict(stepper.model, bare(stepper.optimizers), options=options)
    means = {} if stepper.ema is None else {name: whole(mean).cpu() for name, mean in stepper.ema.means.items()}
    document = {
        "version": 1,
        "step": progress.step,
        "configuration": progress.configuration,
        "best": progress.best,
        "processes": stepper.fabric.world_size,
        "weights": weights,
        "moments": moments,
        "means": means,
        "scaler": stepper.fabric.strategy.precision.state_dict(),
    }
    if stepper.fabric.is_global_zero:
        try:
            written_whole(path, lambda part: torch.save(document, part))
        except (OSError, RuntimeError) as error:  # PyTorch's writer has no error of its own for a full disk
            raise RunError(
                f"{path} cannot be written at step {progress.step}: {' '.join(str(error).split())}; the state before "
                "is intact: make room and give the same command again"
            ) from error
    stepper.fabric.barrier()


def load_state(path: Path, stepper: Stepper) -> Progress:
    """Put model, optimizers and means where :func:`save_state` found them.

    Raises:
        RunError: The file is no state of a run, or of one on another number of processes.
    """
    document = read_state(path)
    if (processes := document["processes"]) != stepper.fabric.world_size:
        raise RunError(
            f"{path} is of a run on {processes} process(es), this is one on {stepper.fabric.world_size}: it would not "
            "go on as it was; take as many, or another folder and the last checkpoint as start"
        )
    set_state_dict(
        stepper.model,
        bare(stepper.optimizers),
        model_state_dict=document["weights"],
        optim_state_dict=document["moments"],
        options=StateDictOptions(full_state_dict=True),
    )
    if stepper.ema is not None:
        stepper.ema.load({name: _shared_out(mean, stepper.ema.means[name]) for name, mean in document["means"].items()})
    stepper.fabric.strategy.precision.load_state_dict(document["scaler"])
    return Progress(document["step"], document["configuration"], document["best"])


def read_state(path: Path) -> dict[str, Any]:
    """The file's content. Nothing but tensors and plain values is read, no code is run.

    Raises:
        RunError: The file is no state of a run.
    """
    try:
        document = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise RunError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or cast("dict[str, object]", document).get("version") != 1:
        raise RunError(f"{path} is no state of a run that this version of hfbs-train knows")
    return cast("dict[str, Any]", document)


def _shared_out(mean: Tensor, like: Tensor) -> Tensor:
    return distribute_tensor(mean, like.device_mesh, like.placements) if isinstance(like, DTensor) else mean
