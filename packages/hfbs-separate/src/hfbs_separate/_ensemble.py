"""Several models on one song, whose estimates of a stem are put together."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from ._audio_source import AudioSource
from ._combine import combined
from ._crossover import LOWEST, merged
from ._errors import OptionError
from ._estimate import unheard
from ._options import COMBINATIONS
from ._separator import Separator
from ._types import Audio, Progress


class Ensemble:
    """Separators that work on the same songs, used as one is.

    Attributes:
        stems: names of what is given: the stems that all separators have, in the first one's order.
    """

    def __init__(
        self,
        separators: Sequence[Separator],
        *,
        combine: str = "mean",
        weights: Sequence[float] | None = None,
        crossover: Sequence[float] | None = None,
    ) -> None:
        """Take over separators.

        Args:
            separators: at least two, three for a median; their rates may differ.
            combine: ``"mean"``; ``"median"``, which leaves out what only one model hears; ``"min"`` or ``"max"``: for
                each sample of each channel the one nearest to 0 or farthest from it. ``"mean-fft"`` and so on: the same
                for each complex value of their short-time Fourier transforms, by its magnitude. The median of an even
                number is the mean of the two in the middle; of models that tie, the first counts.
            weights: how much each separator counts in ``"mean"`` and ``"mean-fft"``, relative to the others, above 0.
                None: all the same.
            crossover: instead of that, share the spectrum out: ascending frequencies in Hz, one fewer than separators,
                at which each separator gives way to the next. They fade over a fifth of the frequency, at most 500 Hz,
                by filters of linear phase whose gains sum to 1. None: do not.

        Raises:
            OptionError: too few separators for that, no stem in common, weights that are none, or frequencies that a
                separator has nothing to give at.
        """
        if combine not in COMBINATIONS:
            raise OptionError(f"combine is one of {', '.join(COMBINATIONS)}, got {combine!r}")
        if crossover is not None and (combine != COMBINATIONS[0] or weights is not None):
            raise OptionError(
                "a crossover gives each model its own frequencies, so nothing is combined or weighted: "
                "leave out combine and weights, or the crossover"
            )
        least = 3 if combine.startswith("median") else 2
        if len(separators) < least:
            raise OptionError(f"the {combine} is of at least {least} models, got {len(separators)}")
        if weights is not None and not combine.startswith("mean"):
            raise OptionError(f"weights are of the mean, got them with combine={combine!r}; leave them out")
        given = [1.0] * len(separators) if weights is None else list(weights)
        if len(given) != len(separators) or not all(np.isfinite(given)) or min(given) <= 0:
            raise OptionError(f"weights are a number above 0 for each of {len(separators)} models, got {given}")
        self.stems = tuple(
            stem for stem in separators[0].stems if all(stem in separator.stems for separator in separators)
        )
        if not self.stems:
            told = "; ".join(", ".join(separator.stems) for separator in separators)
            raise OptionError(f"the models have no stem in common, but {told}; rename one with --set stems=[…]")
        self._separators = tuple(separators)
        self._combine = combine
        self._weights = [weight / sum(given) for weight in given]
        self._crossover = None if crossover is None else _checked_crossover(crossover, separators)

    @property
    def computes_on(self) -> str:
        """As of the first separator."""
        return self._separators[0].computes_on

    @property
    def settings(self) -> dict[str, object]:
        """As of a :class:`Separator`, for each of them."""
        how: dict[str, object] = {"combine": self._combine, "weights": self._weights}
        if self._crossover is not None:
            how = {"crossover": self._crossover}
        return {**how, "models": [separator.settings for separator in self._separators]}

    def stream(
        self, source: AudioSource, *, progress: Progress | None = None, note: Callable[[str], None] = unheard
    ) -> Iterator[dict[str, Audio]]:
        """As :meth:`Separator.stream`; the song is read by each separator."""
        estimates = self._estimates(source, note)
        if self._crossover is None:
            blocks = combined(estimates, self._combine, self._weights, source.sample_rate)
        else:
            blocks = merged(estimates, self._crossover, source.sample_rate)
        given = 0
        if progress is not None:
            progress(0, source.samples)
        for block in blocks:
            given += block.shape[-1]
            if progress is not None:
                progress(given, source.samples)
            yield dict(zip(self.stems, block, strict=True))

    def _estimates(self, source: AudioSource, note: Callable[[str], None]) -> Iterator[Audio]:
        """(model, stem, channel, time), in blocks of any length."""
        queues = [_Queue(separator.stream(source, note=note), self.stems) for separator in self._separators]
        while all(queue.fill() for queue in queues):
            count = min(queue.samples for queue in queues)
            yield np.stack([queue.take(count) for queue in queues])


def _checked_crossover(crossover: Sequence[float], separators: Sequence[Separator]) -> list[float]:
    frequencies = [float(frequency) for frequency in crossover]
    rule = f"a crossover is {len(separators) - 1} ascending frequencies in Hz for {len(separators)} models"
    ascending = all(low < high for low, high in pairwise(frequencies))
    if len(frequencies) != len(separators) - 1 or not ascending or not all(np.isfinite(frequencies)):
        raise OptionError(f"{rule}, got {frequencies}")
    for number, frequency in enumerate(frequencies):
        rate = min(separator.sample_rate for separator in separators[number : number + 2])
        if not LOWEST <= frequency < rate / 2:
            raise OptionError(
                f"{rule}, each from {LOWEST:g} Hz to below half the rate of the models on either side, "
                f"{rate / 2:g} Hz, got {frequency:g}"
            )
    return frequencies


class _Queue:
    """What one separator has given and the others have not yet."""

    def __init__(self, blocks: Iterator[dict[str, Audio]], stems: Sequence[str]) -> None:
        self._blocks = blocks
        self._stems = stems
        self._held: Audio | None = None

    @property
    def samples(self) -> int:
        return 0 if self._held is None else self._held.shape[-1]

    def fill(self) -> bool:
        """Have at least one sample; False at the song's end."""
        if self.samples == 0:
            block = next(self._blocks, None)
            self._held = None if block is None else np.stack([block[stem] for stem in self._stems])
        return self.samples > 0

    def take(self, count: int) -> Audio:
        """The next samples, (stem, channel, time)."""
        if self._held is None:
            raise ValueError("nothing is held: fill() tells whether there is something to take")
        taken, self._held = self._held[..., :count], self._held[..., count:]
        return taken
