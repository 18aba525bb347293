"""The learning rate as a function of the step, so that there is no state to save."""

import math

from ._configuration import Schedule


def rate_factor(step: int, steps: int, schedule: Schedule) -> float:
    """What the highest learning rate is multiplied by.

    Args:
        step: Steps taken before, from 0.
        steps: Steps in all.
        schedule: Its shape.
    """
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    fallen = min(1.0, (step - schedule.warmup_steps) / max(1, steps - 1 - schedule.warmup_steps))
    match schedule.kind:
        case "constant":
            return 1.0
        case "cosine":
            return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * fallen)) / 2
        case "linear":
            return 1 + (schedule.final - 1) * fallen
        case "exponential":
            return schedule.final**fallen
