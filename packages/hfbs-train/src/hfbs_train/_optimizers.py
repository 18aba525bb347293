"""Which weights are moved by which optimizer."""

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.optim import Optimizer

from ._configuration import AdamW, Muon


def optimizers(model: nn.Module, settings: AdamW | Muon) -> list[Optimizer]:
    """Optimizers for all weights that are trained, each weight in one."""
    trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    if isinstance(settings, AdamW):
        return [_adamw(trained, settings)]
    matrices = [(name, weight) for name, weight in trained if _is_trunk_matrix(name, weight)]
    others = [(name, weight) for name, weight in trained if not _is_trunk_matrix(name, weight)]
    muon = torch.optim.Muon(
        [weight for _, weight in matrices],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, _adamw(others, settings.others)]


def set_rates(of_run: Sequence[Optimizer], factor: float) -> None:
    """Set each group's learning rate to its highest times the factor."""
    for optimizer in of_run:
        for group in optimizer.param_groups:
            group["lr"] = group["highest_lr"] * factor


def remember_highest_rates(of_run: Sequence[Optimizer]) -> None:
    """Keep in each group the learning rate that it was built with."""
    for optimizer in of_run:
        for group in optimizer.param_groups:
            group["highest_lr"] = group["lr"]


def _adamw(weights: Iterable[tuple[str, nn.Parameter]], settings: AdamW) -> Optimizer:
    listed = [weight for _, weight in weights]
    groups = [
        {"params": [weight for weight in listed if weight.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in listed if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=settings.learning_rate, betas=settings.betas
    )


def _is_trunk_matrix(name: str, weight: nn.Parameter) -> bool:
    return weight.ndim == 2 and name.removeprefix("module.").startswith("layers.")
