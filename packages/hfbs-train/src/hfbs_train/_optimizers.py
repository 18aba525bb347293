"""Which weights are moved by which optimizer."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim import Optimizer

from ._configuration import AdamW, Muon
from ._muon import Muon as BatchedMuon


def optimizers(model: nn.Module, settings: AdamW | Muon) -> list[Optimizer]:
    """Optimizers for all weights that are trained, each weight in one; groups keep their highest learning rate."""
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if isinstance(settings, AdamW):
        built: list[Optimizer] = [_adamw(list(trained.values()), settings)]
    else:
        in_trunk = {name for name, weight in trained.items() if weight.ndim == 2 and name.startswith("layers.")}
        muon = BatchedMuon(
            [trained[name] for name in trained if name in in_trunk],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
            adjust_lr_fn="match_rms_adamw",
        )
        built = [muon, _adamw([trained[name] for name in trained if name not in in_trunk], settings.others)]
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


def _adamw(weights: Sequence[nn.Parameter], settings: AdamW) -> Optimizer:
    groups = [
        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.betas,
        fused=all(weight.is_cuda for weight in weights),
    )
