"""Devices, processes and precision, by Lightning Fabric."""

import resource
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.plugins.precision import Precision
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from hfbs_model import BandSplitRotator

from ._configuration import Machines
from ._errors import ConfigurationError
from ._precision import AudioMixedPrecision


def launched(settings: Machines) -> Fabric:
    """The devices of a run; where several are wanted and nobody has started processes for them, they are started.

    Raises:
        ConfigurationError: This machine has no such devices, or they cannot compute in that precision.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    accelerator = _accelerator(settings.accelerator)
    several = _processes(settings) > 1
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=settings.devices or "auto",
            num_nodes=settings.nodes,
            strategy=_strategy(settings) if several else "auto",
            plugins=_precision(settings.precision, accelerator),
        )
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(f"machines: {' '.join(str(error).split())}") from error
    fabric.launch()
    return fabric


def memory(device: torch.device) -> int:
    """The most bytes held so far: on CUDA by tensors, elsewhere by the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or the whole of one that is shared out among processes, all of which must call this."""
    return cast("Tensor", cast("Any", tensor).full_tensor()) if isinstance(tensor, DTensor) else tensor


def mean_over_processes(fabric: Fabric, value: Tensor) -> float:
    """The mean of a number that each process has."""
    return float(cast("Any", fabric).all_reduce(value, reduce_op="mean"))


def sum_over_processes(fabric: Fabric, table: Tensor) -> Tensor:
    """The sum of tables of one shape, on the processor."""
    return cast("Any", fabric).all_reduce(table.to(fabric.device), reduce_op="sum").cpu()


def _accelerator(name: str) -> str:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(kind for kind in there if there[kind])
    if not there[name]:
        raise ConfigurationError(f"machines.accelerator is {name}, but PyTorch sees none on this machine")
    return name


def _precision(name: str, accelerator: str) -> Precision:
    if name == "auto":
        name = "bfloat16" if accelerator == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"
    if name == "float32":
        return Precision()
    return AudioMixedPrecision(torch.bfloat16 if name == "bfloat16" else torch.float16, accelerator)


def _strategy(settings: Machines) -> Strategy:
    if settings.strategy == "ddp":
        return DDPStrategy()
    return ModelParallelStrategy(
        _sharded, data_parallel_size=_processes(settings), tensor_parallel_size=1, save_distributed_checkpoint=False
    )


def _sharded(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Share out each transformer of the trunk and each mask estimator by itself, then the rest.

    What gives positions is one for the transformers of an axis. Where it is not trained, as RoPE's frequencies are not,
    every process has the whole of it; where it is, as PoPE's offsets are, these transformers are shared out together.
    """
    separator = cast("BandSplitRotator", model)
    axes = [list(axis) for axis in zip(*cast("Iterable[nn.ModuleList]", separator.layers), strict=True)]
    uses = Counter(weight for axis in axes for transformer in axis for weight in transformer.parameters())
    shared = {weight for weight, count in uses.items() if count > 1}
    for weight in shared:
        weight.data = weight.to(mesh.device_type)
    together = any(weight.requires_grad for weight in shared)
    in_trunk = axes if together else [[transformer] for axis in axes for transformer in axis]
    estimators: list[list[nn.Module]] = [[estimator] for estimator in separator.mask_estimators]
    for modules in (*in_trunk, *estimators, model):
        fully_shard(modules, mesh=mesh["data_parallel"], ignored_params=None if together else shared)
    return model


def _processes(settings: Machines) -> int:
    """Those that torchrun or Slurm have started, else those to be started."""
    for environment in (TorchElasticEnvironment, SLURMEnvironment):
        if environment.detect():
            return environment().world_size()
    return settings.nodes * (settings.devices or torch.cuda.device_count())
