"""Which weights are moved by which optimizer."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ._configuration import AdamW, Muon
from ._muon import Muon as BatchedMuon


def optimizers(model: nn.Module, settings: AdamW | Muon) -> list[Optimizer]:
    """Optimizers for all weights that are trained, each weight in one; groups keep their highest learning rate."""
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if isinstance(settings, AdamW):
        built = [_adamw(trained, settings)]
    else:
        in_trunk = {
            name: weight
            for name, weight in trained.items()
            if name.startswith("layers.") and weight.ndim == 2 and _is_kernel(name, weight)
        }
        others = {name: weight for name, weight in trained.items() if name not in in_trunk}
        # Adapters have nothing but matrices of the trunk.
        built = [
            *([_muon(in_trunk, settings)] if in_trunk else []),
            *([_adamw(others, settings.others)] if others else []),
        ]
    for optimizer in built:
        for group in optimizer.param_groups:
            group["highest_lr"] = group["lr"]
    return built


def set_rates(of_run: Sequence[Optimizer], factor: float) -> None:
    """Set each group's learning rate to its highest times the factor."""
    for optimizer in of_run:
        for group in optimizer.param_groups:
            group["lr"] = group["highest_lr"] * factor


def bare(of_run: Sequence[Optimizer]) -> list[Optimizer]:
    """The optimizers themselves, without what Fabric has put around them."""
    return [getattr(optimizer, "optimizer", optimizer) for optimizer in of_run]


def _is_kernel(name: str, weight: Tensor) -> bool:
    """Whether it is what a linear layer or a convolution multiplies by, and not a gain or an offset, which may have
    several axes as well."""
    return sum(size > 1 for size in weight.shape) >= 2 and not name.endswith("bias")


def _muon(weights: Mapping[str, nn.Parameter], settings: Muon) -> Optimizer:
    return BatchedMuon(
        list(weights.values()),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
        adjust_lr_fn="match_rms_adamw",
    )


def _adamw(weights: Mapping[str, nn.Parameter], settings: AdamW) -> Optimizer:
    kernels = [weight for name, weight in weights.items() if _is_kernel(name, weight)]
    others = [weight for name, weight in weights.items() if not _is_kernel(name, weight)]
    groups = [{"params": kernels, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.betas,
        fused=all(weight.is_cuda for weight in weights.values()),
    )
