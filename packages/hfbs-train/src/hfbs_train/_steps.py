"""One step of training: from a batch of excerpts to moved weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from ._ema import Ema
from ._machines import whole
from ._optimizers import set_rates
from ._precision import renew_scale, scales
from .data import Batch
from .losses import Loss, LossTerms

type Augment = Callable[[Float[Tensor, "batch stem channel time"], Int[Tensor, " batch"]], Tensor]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step came to.

    Attributes:
        losses: The total and its terms by name, means over this process's excerpts.
        gradient_norm: Length of the gradient before it was scaled down.
        moved: Whether the weights were moved: not where the gradient is not finite.
    """

    losses: Mapping[str, Tensor]
    gradient_norm: Tensor
    moved: bool


@dataclass(frozen=True, slots=True)
class Stepper:
    """What takes the steps of a run.

    Attributes:
        fabric: The devices.
        model: The model, its weights perhaps shared out among devices.
        forward: The model as it is to be called, under the run's precision.
        optimizers: As the devices have them.
        loss: What is minimised.
        augment: What is done to the stems of excerpts on the device.
        ema: The mean of weights, if there is one.
        rate_factor: What the highest learning rates are multiplied by, by the step.
        clip_norm: Longest gradient.
        accumulate: Passes that a batch is split into.
        seed: Of what the model draws at random, with the step and the process.
    """

    fabric: Fabric
    model: nn.Module
    forward: nn.Module
    optimizers: list[Optimizer]
    loss: Loss
    augment: Augment
    ema: Ema | None
    rate_factor: Callable[[int], float]
    clip_norm: float | None
    accumulate: int
    seed: int

    def take(self, step: int, batch: Batch) -> Taken:
        """Move the weights once.

        Args:
            step: Steps taken before, from 0.
            batch: This process's excerpts.
        """
        # Nothing is drawn from where an earlier step left off: so a run goes on as if it had never ended.
        torch.manual_seed(_seed_of(self.seed, step, self.fabric.global_rank))  # pyright: ignore[reportUnknownMemberType]
        set_rates(self.optimizers, self.rate_factor(step))
        losses: dict[str, Tensor] = {}
        parts = batch.split(self.accumulate)
        for number, part in enumerate(parts, start=1):
            share = len(part.indices) / len(batch.indices)
            with cast("Any", self.fabric).no_backward_sync(self.forward, enabled=number < len(parts)):
                told = self._loss(part.to(self.fabric.device, non_blocking=True))
                self.fabric.backward(share * told.total)
            for name, value in {"loss": told.total.detach(), **told.terms}.items():
                losses[name] = losses.get(name, 0) + share * value
        norm = self._clipped()
        moved = bool(norm.isfinite())
        self._move(moved)
        if self.ema is not None and moved:
            self.ema.update(step)
        return Taken(losses, norm, moved)

    def _loss(self, batch: Batch) -> LossTerms:
        # What the mixture holds beside the stems is changed as if it were one more.
        heard = self.augment(torch.cat((batch.stems, batch.rest[:, None]), dim=1), batch.indices)
        stems, mixture = heard[:, :-1], heard.sum(dim=1)
        # Which stems are known may differ between processes, which then could not wait for each other.
        known = batch.known.any(dim=0) if self.fabric.world_size == 1 else torch.ones(stems.shape[1], dtype=torch.bool)
        if known.all():
            return self.loss(self.forward(mixture), stems, mixture, batch.known)
        estimates = self.forward(mixture, active_stem_ids=[stem for stem in range(len(known)) if known[stem]])
        return self.loss(estimates, stems[:, known], mixture, batch.known[:, known])

    def _clipped(self) -> Tensor:
        """Length of the gradient of all weights, which is scaled down where it is longer than is wanted."""
        for optimizer in self.optimizers:
            self.fabric.strategy.precision.unscale_gradients(optimizer)  # pyright: ignore[reportArgumentType]
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        for weight in weights:
            if weight.grad is None:  # of a stem that no excerpt has: as if its gradient had been 0
                weight.grad = torch.zeros_like(weight)
        norm = torch.nn.utils.clip_grad_norm_(weights, float("inf") if self.clip_norm is None else self.clip_norm)
        return whole(norm)

    def _move(self, moved: bool) -> None:
        precision = self.fabric.strategy.precision
        for optimizer in self.optimizers:
            if moved or scales(precision):
                optimizer.step()
            optimizer.zero_grad()
        renew_scale(precision)


def _seed_of(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])
