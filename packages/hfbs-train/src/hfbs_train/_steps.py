"""One step of training: from a batch of excerpts to moved weights.

It comes in three parts, so that the next batch can be made ready while the device is at work on the one before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from ._ema import Ema
from ._errors import RunError
from ._machines import whole
from ._optimizers import bare, set_rates
from ._precision import renew_scale
from ._transfer import sent
from .data import Batch
from .losses import Loss, LossTerms

_COMPILED_DIFFERS = 0.1  # of the stems' norm; bfloat16's rounding alone comes to some thousandths

type Augment = Callable[[Float[Tensor, "batch stem channel time"], Int[Tensor, " batch"]], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A part of a batch as the model hears it: on the device, and changed at random.

    Attributes:
        stems: float32, shape (excerpt, stem, channel, time).
        mixture: float32, shape (excerpt, channel, time).
        known: bool, shape (excerpt, stem): which stems are labelled.
        wanted: the stems that are labelled in any excerpt.
        share: of the batch's excerpts.
    """

    stems: Tensor
    mixture: Tensor
    known: Tensor
    wanted: tuple[int, ...]
    share: float


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

    def hear(self, batch: Batch) -> list[Heard]:
        """Bring this process's excerpts to the device, change them at random, and split them up.

        Nothing of this waits for the device, which may still be at work on the batch before.
        """
        return [self._hear(part, len(part.indices) / len(batch.indices)) for part in batch.split(self.accumulate)]

    def require_like_uncompiled(self, heard: Heard) -> None:
        """Refuse a compiled model that gives anything else than the same one without: its weights would be of no use.

        Nothing is said of a model with dropout, which draws otherwise when it is compiled.

        Raises:
            RunError: Their stems differ by more than half precision's rounding can.
        """
        if any(isinstance(module, nn.Dropout) and module.p > 0 for module in self.model.modules()):
            return
        with cast("Any", self.fabric).no_backward_sync(self.forward):
            compiled = self.forward(heard.mixture).detach()
            with torch.compiler.set_stance("force_eager"), torch.no_grad():
                plain = self.forward(heard.mixture)
        difference = float((compiled - plain).norm() / plain.norm().clamp(min=1e-12))
        if not difference <= _COMPILED_DIFFERS:
            raise RunError(
                f"the compiled model's stems differ by {difference:.1%} from the model's own, so that weights trained "
                "so would not fit it: set machines.compile to false, or take another version of PyTorch"
            )

    def gradients(self, step: int, heard: Sequence[Heard]) -> Mapping[str, Tensor]:
        """Have the device compute the losses, which are returned, and their gradients.

        Args:
            step: Steps taken before, from 0.
            heard: All parts of a batch.
        """
        # Nothing is drawn from where an earlier step left off: so a run goes on as if it had never ended.
        torch.manual_seed(_seed_of(self.seed, step, self.fabric.global_rank))  # pyright: ignore[reportUnknownMemberType]
        losses: dict[str, Tensor] = {}
        for number, part in enumerate(heard, start=1):
            with cast("Any", self.fabric).no_backward_sync(self.forward, enabled=number < len(heard)):
                told = self._loss(part)
                self.fabric.backward(part.share * told.total)
            for name, value in {"loss": told.total.detach(), **told.terms}.items():
                losses[name] = losses.get(name, 0) + part.share * value
        return losses

    def move(self, step: int, losses: Mapping[str, Tensor]) -> Taken:
        """Move the weights once by the gradients that there are; this waits for the device."""
        norm = self._clipped()
        moved = bool(norm.isfinite())
        set_rates(self.optimizers, self.rate_factor(step))
        self._move(moved)
        if self.ema is not None and moved:
            self.ema.update(step)
        return Taken(losses, norm, moved)

    def _hear(self, batch: Batch, share: float) -> Heard:
        batch = batch.to(self.fabric.device, non_blocking=True)
        # What the mixture holds beside the stems is changed as if it were one more.
        changed = self.augment(torch.cat((batch.stems, batch.rest[:, None]), dim=1), batch.indices)
        # Which stems are known may differ between processes, which then could not wait for each other.
        alone = self.fabric.world_size == 1
        wanted = tuple(stem for stem in range(batch.known.shape[1]) if not alone or batch.known[:, stem].any())
        return Heard(changed[:, :-1], changed.sum(dim=1), sent(batch.known, self.fabric.device), wanted, share)

    def _loss(self, heard: Heard) -> LossTerms:
        if len(heard.wanted) == heard.stems.shape[1]:
            return self.loss(self.forward(heard.mixture), heard.stems, heard.mixture, heard.known)
        estimates = self.forward(heard.mixture, active_stem_ids=heard.wanted)
        stems, known = (tensor[:, heard.wanted] for tensor in (heard.stems, heard.known))
        return self.loss(estimates, stems, heard.mixture, known)

    def _clipped(self) -> Tensor:
        """Length of the gradient of all weights, which is scaled down where it is longer than is wanted."""
        for optimizer in bare(self.optimizers):
            self.fabric.strategy.precision.unscale_gradients(optimizer)
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        for weight in weights:
            if weight.grad is None:  # of a stem that no excerpt has: as if its gradient had been 0
                weight.grad = torch.zeros_like(weight)
        norm = torch.nn.utils.clip_grad_norm_(weights, float("inf") if self.clip_norm is None else self.clip_norm)
        return whole(norm)

    def _move(self, moved: bool) -> None:
        for optimizer in self.optimizers:
            if moved:
                optimizer.step()
            optimizer.zero_grad()
        renew_scale(self.fabric.strategy.precision)


def _seed_of(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])
