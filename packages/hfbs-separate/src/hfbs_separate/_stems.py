"""Which stems are computed, and what is made of them and the mixture."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ._errors import OptionError
from ._types import Audio


class Outputs:
    """What is given for each song.

    Args:
        model_stems: the model's stems, in its order.
        chosen: those wanted; None means all.
        residuals: further outputs by name, each the mixture less the stems listed.

    Attributes:
        names: of what is given: the stems chosen, then the residuals.
        computed: indices of the stems that the model has to compute; None means all.

    Raises:
        OptionError: a stem that the model does not have, nothing chosen, or a name given twice.
    """

    def __init__(
        self, model_stems: Sequence[str], chosen: Sequence[str] | None, residuals: Mapping[str, Sequence[str]]
    ) -> None:
        given = tuple(model_stems if chosen is None else chosen)
        for stem in (*given, *(stem for listed in residuals.values() for stem in listed)):
            if stem not in model_stems:
                raise OptionError(f"the model has no stem {stem!r}, but {', '.join(model_stems)}")
        self.names = (*given, *residuals)
        if not self.names:
            raise OptionError(f"no stem was chosen: name at least one of {', '.join(model_stems)}")
        for name in self.names:
            if self.names.count(name) > 1:
                raise OptionError(f"the stem {name!r} would be given twice: name it once, and a residual otherwise")
        needed = [stem for stem in model_stems if stem in given or any(stem in listed for listed in residuals.values())]
        self.computed = None if len(needed) == len(model_stems) else [model_stems.index(stem) for stem in needed]
        self._chosen = [needed.index(stem) for stem in given]
        self._subtracted = [[needed.index(stem) for stem in listed] for listed in residuals.values()]

    def of_song(self, gain: np.float32) -> "SongOutputs":
        """The same at work on one song, whose mixture the model gets multiplied by ``gain``."""
        return SongOutputs(self.names, self._chosen, self._subtracted, gain)

    def into(self, given: Audio, stems: Audio, mixture: Audio) -> None:
        """Write what is given of computed stems, (stem, channel, time), and their mixture, as ``names`` have it."""
        for output, index in zip(given, self._chosen, strict=False):
            output[:] = stems[index]
        for output, listed in zip(given[len(self._chosen) :], self._subtracted, strict=True):
            output[:] = mixture
            for index in listed:
                output -= stems[index]


class SongOutputs:
    """What is given for one song; keeps of its mixture what residuals still need.

    Attributes:
        given: samples given so far.
    """

    def __init__(
        self, names: Sequence[str], chosen: Sequence[int], subtracted: Sequence[Sequence[int]], gain: np.float32
    ) -> None:
        self.given = 0
        self._names = names
        self._chosen = chosen
        self._subtracted = subtracted
        self._gain = gain
        self._read = 0
        self._mixture: list[Audio] = []

    def heard(self, blocks: Iterable[Audio]) -> Iterator[Audio]:
        """The mixture's blocks, (channel, time), as they are."""
        for block in blocks:
            self._read += block.shape[-1]
            if self._subtracted:
                self._mixture.append(block)
            yield block

    def named(self, stems: Audio) -> dict[str, Audio]:
        """Computed stems, (stem, channel, time), to what is given of them, without samples after the song's end.

        Nothing where no sample is left.
        """
        stems = stems[..., : self._read - self.given]
        if stems.shape[-1] == 0:
            return {}
        self.given += stems.shape[-1]
        outputs = [stems[index] for index in self._chosen]
        if self._subtracted:
            mixture = self._taken(stems.shape[-1]) * self._gain
            outputs += [mixture - sum(stems[index] for index in listed) for listed in self._subtracted]
        return dict(zip(self._names, outputs, strict=True))

    def _taken(self, count: int) -> Audio:
        """The mixture's next samples."""
        pieces: list[Audio] = []
        while count:
            block = self._mixture.pop(0)
            if block.shape[-1] > count:
                self._mixture.insert(0, block[:, count:])
            pieces.append(block[:, :count])
            count -= pieces[-1].shape[-1]
        return np.concatenate(pieces, axis=-1)
