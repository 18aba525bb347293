"""How the latency of a live separation is made up, and which chunks fit it."""

import math
from dataclasses import dataclass
from typing import Self

from ._errors import OptionError
from ._options import samples_per_chunk

COST = 5
"""Samples that the model is given for each new one, at most, where nobody says how long chunks are."""


@dataclass(frozen=True, slots=True)
class LivePlan:
    """Chunk after chunk, each ending ``hop`` samples after the one before; of each, what lies near its end is kept.

    A chunk is, from its oldest sample to its newest: context that was given out before, ``hop`` new samples,
    ``crossfade`` samples that fade into the next chunk's, and ``look_ahead`` samples of which the model only hears.

    Attributes:
        hop: samples from one chunk to the next. Computing a chunk may take as long as they last.
        look_ahead: samples of a chunk after the last that is kept, 0 or more.
        crossfade: samples over which one chunk's estimates fade into the next one's, from 0 to ``hop``.
        chunk_size: samples that the model sees at once.
    """

    hop: int
    look_ahead: int
    crossfade: int
    chunk_size: int

    def __post_init__(self) -> None:
        if self.hop < 1 or self.look_ahead < 0 or not 0 <= self.crossfade <= self.hop:
            raise OptionError(
                "a live plan has a hop of at least 1 sample, a look_ahead of at least 0 and a crossfade from 0 to the "
                f"hop, got {self.hop}, {self.look_ahead} and {self.crossfade}"
            )
        if self.chunk_size < self.latency:
            raise OptionError(
                f"a chunk holds hop, crossfade and look-ahead, {self.latency} samples here, and has {self.chunk_size}: "
                "choose longer chunks or a lower latency"
            )

    @property
    def latency(self) -> int:
        """Samples from when one goes in to when its stems come out, the sum of hop, crossfade and look-ahead."""
        return self.hop + self.crossfade + self.look_ahead

    @property
    def cost(self) -> float:
        """Samples that the model is given for each new one, as by an overlap of so many chunks."""
        return self.chunk_size / self.hop

    @classmethod
    def within(
        cls,
        latency: float,
        *,
        sample_rate: int,
        hop_length: int,
        longest_chunk: int,
        chunk_seconds: float | None = None,
    ) -> Self:
        """The plan for a budget, by rule: nothing is measured, so that stems do not depend on the machine.

        The hop is as much of seven tenths of the budget as whole ``hop_length`` fill, so that all chunks have their
        frames in the same places. A quarter of the rest is crossfade, the others look-ahead. A chunk has
        ``chunk_seconds``, or else five hops (as much work as an overlap of five), but no more than ``longest_chunk``.
        Of a budget of more than two thirds of a chunk, that much is used.

        Args:
            latency: the budget in seconds.
            sample_rate: the model's, in Hz.
            hop_length: distance of the model's frames in samples.
            longest_chunk: samples that the model was trained on at once.
            chunk_seconds: length of a chunk. None: by the rule.

        Raises:
            OptionError: the budget is below two of the model's frames, or the chunk is too short for it.
        """
        least = 2 * hop_length / sample_rate
        if not (math.isfinite(latency) and latency >= least):
            raise OptionError(
                f"latency is in seconds, at least {math.ceil(1000 * least) / 1000:g} for this model, whose frames are "
                f"{hop_length} samples apart at {sample_rate} Hz, got {latency:g}"
            )
        longest = longest_chunk if chunk_seconds is None else samples_per_chunk(chunk_seconds, sample_rate)
        whole = longest - longest % hop_length
        if whole < 3 * hop_length:
            raise OptionError(
                f"a chunk for live separation has at least {3 * hop_length} samples, three of the model's frames, "
                f"got {longest}: give chunk_seconds of {math.ceil(3000 * hop_length / sample_rate) / 1000:g} or more"
            )
        budget = math.floor(min(latency * sample_rate, 2 * whole // 3))
        hop = max(7 * budget // (10 * hop_length), 1) * hop_length
        crossfade = min((budget - hop) // 4, hop)
        chunk_size = whole if chunk_seconds is not None else min(whole, COST * hop)
        return cls(hop, budget - hop - crossfade, crossfade, chunk_size)
