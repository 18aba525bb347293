"""Several models on one song, whose estimates of a stem are put together sample by sample."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ._audio_source import AudioSource
from ._errors import OptionError
from ._options import COMBINATIONS
from ._separator import Separator, unheard
from ._types import Audio, Progress


class Ensemble:
    """Separators that work on the same songs, used as one is.

    Attributes:
        stems: names of what is given: the stems that all separators have, in the first one's order.
    """

    def __init__(
        self, separators: Sequence[Separator], *, combine: str = "mean", weights: Sequence[float] | None = None
    ) -> None:
        """Take over separators.

        Args:
            separators: at least two; their rates may differ.
            combine: ``"mean"`` of the waveforms, or their ``"median"``, which leaves out what only one model hears.
            weights: how much each separator counts in the mean, relative to the others, above 0. None: all the same.

        Raises:
            OptionError: too few separators for that, no stem in common, or weights that are none.
        """
        if combine not in COMBINATIONS:
            raise OptionError(f"combine is one of {', '.join(COMBINATIONS)}, got {combine!r}")
        least = 3 if combine == "median" else 2
        if len(separators) < least:
            raise OptionError(f"the {combine} is of at least {least} models, got {len(separators)}")
        if weights is not None and combine != "mean":
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
        self._weights = np.asarray(given, np.float64) / sum(given)

    @property
    def computes_on(self) -> str:
        """As of the first separator."""
        return self._separators[0].computes_on

    @property
    def settings(self) -> dict[str, object]:
        """As of a :class:`Separator`, for each of them."""
        return {
            "combine": self._combine,
            "weights": self._weights.tolist(),
            "models": [separator.settings for separator in self._separators],
        }

    def stream(
        self, source: AudioSource, *, progress: Progress | None = None, note: Callable[[str], None] = unheard
    ) -> Iterator[dict[str, Audio]]:
        """As :meth:`Separator.stream`; the song is read by each separator."""
        queues = [_Queue(separator.stream(source, note=note), self.stems) for separator in self._separators]
        given = 0
        if progress is not None:
            progress(0, source.samples)
        while all(queue.fill() for queue in queues):
            count = min(queue.samples for queue in queues)
            estimates = np.stack([queue.take(count) for queue in queues])
            combined = self._combined(estimates)
            given += count
            if progress is not None:
                progress(given, source.samples)
            yield dict(zip(self.stems, combined, strict=True))

    def _combined(self, estimates: Audio) -> Audio:
        """(model, stem, channel, time) → (stem, channel, time)."""
        if self._combine == "median":
            return np.median(estimates, axis=0)
        return np.tensordot(self._weights, estimates, axes=1).astype(np.float32)


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
