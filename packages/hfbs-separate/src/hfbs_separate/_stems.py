"""Which stems are computed, and what is made of them and the mixture."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ._errors import OptionError
from ._types import Audio


class Outputs:
    """What is given for each song.

    Args:
        model_stems: the model's stems, in its order.
        residual: name of the mixture less all of them, as the checkpoint has it; None where it has none.
        chosen: those wanted, the residual among them or not; None means all, and last the residual, unless another has
            its name.
        residuals: further outputs by name, each the mixture less the stems listed.

    Attributes:
        names: of what is given: what was chosen, then the further residuals.
        computed: indices of the stems that the model has to compute; None means all.

    Raises:
        OptionError: a stem that the model does not have, nothing chosen, or a name given twice.
    """

    def __init__(
        self,
        model_stems: Sequence[str],
        residual: str | None,
        chosen: Sequence[str] | None,
        residuals: Mapping[str, Sequence[str]],
    ) -> None:
        own = () if residual is None else (residual,)
        known = (*model_stems, *own)
        given = (*model_stems, *(name for name in own if name not in residuals)) if chosen is None else tuple(chosen)
        _refuse_unknown(given, known)
        _refuse_unknown((stem for listed in residuals.values() for stem in listed), model_stems)
        self.names = (*given, *residuals)
        if not self.names:
            raise OptionError(f"no stem was chosen: name at least one of {', '.join(known)}")
        for name in self.names:
            if self.names.count(name) > 1:
                raise OptionError(f"the stem {name!r} would be given twice: name it once, and a residual otherwise")
        subtracted = {name: model_stems for name in given if name in own} | dict(residuals)
        needed = [stem for stem in model_stems if stem in given or any(stem in each for each in subtracted.values())]
        self.computed = None if len(needed) == len(model_stems) else [model_stems.index(stem) for stem in needed]
        self._chosen = {stem: needed.index(stem) for stem in given if stem not in own}
        self._subtracted = {name: [needed.index(stem) for stem in listed] for name, listed in subtracted.items()}

    def of_song(self, gain: np.float32) -> "SongOutputs":
        """The same at work on one song, whose mixture the model gets multiplied by ``gain``."""
        return SongOutputs(self.names, self._chosen, self._subtracted, gain)

    def into(self, given: Audio, stems: Audio, mixture: Audio) -> None:
        """Write what is given of computed stems, (stem, channel, time), and their mixture, as ``names`` have it."""
        outputs = dict(zip(self.names, given, strict=True))
        for name, index in self._chosen.items():
            outputs[name][:] = stems[index]
        for name, listed in self._subtracted.items():
            outputs[name][:] = mixture
            for index in listed:
                outputs[name] -= stems[index]


class SongOutputs:
    """What is given for one song; keeps of its mixture what residuals still need.

    Attributes:
        given: samples given so far.
    """

    def __init__(
        self,
        names: Sequence[str],
        chosen: Mapping[str, int],
        subtracted: Mapping[str, Sequence[int]],
        gain: np.float32,
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
        outputs = {name: stems[index] for name, index in self._chosen.items()}
        if self._subtracted:
            mixture = self._taken(stems.shape[-1]) * self._gain
            for name, listed in self._subtracted.items():
                outputs[name] = mixture - sum(stems[index] for index in listed)
        return {name: outputs[name] for name in self._names}

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


def _refuse_unknown(names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise OptionError(f"the model has no stem {name!r}, but {', '.join(known)}")
