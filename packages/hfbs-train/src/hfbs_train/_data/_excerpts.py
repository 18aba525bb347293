"""Excerpts of songs to train with: which, from where, and mixed how, as a function of seed and number alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from hfbs_separate import DatasetError
from hfbs_separate.audio import Audio

from .._errors import ConfigurationError
from ._check import Report
from ._pools import Place, Pool, known, pool_of
from ._readers import Readers
from ._songs import StemFile


@dataclass(frozen=True, slots=True)
class Choice:
    """How excerpts are chosen and mixed.

    Attributes:
        remix: the probability from 0 to 1 that an excerpt's stems are of different songs or places; else they are of
            one, aligned. Stems from folders of stems can only be remixed.
        remix_stems: the probability from 0 to 1 with which each stem of a remixed excerpt is exchanged. At 1, all stems
            are drawn one by one; below, those that are not exchanged stay aligned.
        mixup: the probabilities of adding a second excerpt to a stem that is drawn for a remix, of adding a third, and
            so on.
        silent_share: the share from 0 to 1 of excerpts in which the stem that is drawn is silent (below -60 dB), where
            it is anywhere.
    """

    remix: float = 1.0
    remix_stems: float = 1.0
    mixup: tuple[float, ...] = ()
    silent_share: float = 0.1

    def __post_init__(self) -> None:
        values = {"remix": [self.remix], "remix_stems": [self.remix_stems], "silent_share": [self.silent_share]}
        for name, shares in (values | {"mixup": list(self.mixup)}).items():
            for share in shares:
                if not 0 <= share <= 1:
                    raise ConfigurationError(f"{name} is from 0 to 1, got {share}")


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """A piece to train with. Its mixture is the sum of ``stems`` and ``rest``, after whatever is done to them.

    Attributes:
        index: its number.
        stems: float32, shape (stem, channel, time); zeros where a stem is not labelled.
        known: bool, shape (stem,): whether each stem is labelled. One that is not may be in ``rest``.
        rest: float32, shape (channel, time): what the mixture holds beside these stems.
    """

    index: int
    stems: NDArray[np.float32]
    known: NDArray[np.bool_]
    rest: Audio


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a file that is a part of an excerpt.

    Attributes:
        place: the number of the stem that it is added to; the one after the last stem's is the rest's.
        file: its number among :attr:`Excerpts.files`.
        gain: what it is multiplied by, a whole number.
        start: its first sample, at the excerpts' rate.
    """

    place: int
    file: int
    gain: int
    start: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an excerpt is made of.

    Attributes:
        index: its number.
        cuts: all its pieces.
        known: whether each stem is labelled.
    """

    index: int
    cuts: tuple[Cut, ...]
    known: tuple[bool, ...]


class Excerpts(Dataset[Excerpt]):
    """Excerpts of songs, of which there are as many as are asked for: number n is the same whenever it is asked for.

    An aligned excerpt is drawn by way of a stem, each as often as the others: rare stems are heard as often as common
    ones, as with MSST's dataset type 7. Of the places where that stem plays, all are equally likely.

    Attributes:
        files: all files that excerpts are made of.
    """

    def __init__(
        self,
        report: Report,
        stems: Sequence[str],
        *,
        samples: int,
        sample_rate: int,
        channels: int = 2,
        seed: int = 0,
        choice: Choice | None = None,
    ) -> None:
        """Sort the songs' places.

        Args:
            report: on songs without errors.
            stems: the names of the stems, in the order of the model's.
            samples: the length of an excerpt.
            sample_rate: in Hz; files of other rates are resampled while they are read.
            channels: 1 or 2.
            seed: any whole number from 0 on.
            choice: how excerpts are chosen. None: :class:`Choice` as it stands.

        Raises:
            ConfigurationError: an argument has no meaning.
            DatasetError: the report has errors, a stem is nowhere or silent everywhere, or aligned excerpts are wanted
                of songs of which there are only single stems.
        """
        report.require_usable()
        for name, value, least in (("samples", samples, 1), ("sample_rate", sample_rate, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigurationError(f"{name} is a whole number from {least} on, got {value}")
        if channels not in (1, 2):
            raise ConfigurationError(f"channels are 1 or 2, got {channels}")
        self.stems = tuple(stems)
        self.samples, self.sample_rate, self.channels, self.seed = samples, sample_rate, channels, seed
        self.choice = choice or Choice()
        self._songs = report.songs
        self._readers = Readers(report.files, sample_rate, channels)
        parts = (part for song in self._songs for parts in (*song.stems.values(), song.rest) for part in parts)
        self.files = tuple(dict.fromkeys(part.path for part in parts))
        self._numbers = {path: number for number, path in enumerate(self.files)}
        self._pools = [self._pool(stem) for stem in self.stems]
        self._whole = [] if self.choice.remix == 1 == self.choice.remix_stems else self._whole_pools()
        # What the mixtures of fully labelled songs hold beside the stems, which may be nothing, goes with remixed ones.
        whole = {n: song.rest for n, song in enumerate(self._songs) if all(stem in song.stems for stem in self.stems)}
        self._rests = self._pool_of(whole) if any(whole.values()) else None

    def __getitem__(self, index: int) -> Excerpt:
        """The excerpt of this number, from 0 on.

        Raises:
            AudioFileError: a file cannot be read any more, or has changed.
        """
        recipe = self.recipe(index)
        audio = np.zeros((len(self.stems) + 1, self.channels, self.samples), np.float32)
        for cut in recipe.cuts:
            part = StemFile(self.files[cut.file], cut.gain)
            audio[cut.place] += self._readers.part(part, cut.start, self.samples)
        return Excerpt(index, audio[:-1], np.array(recipe.known), audio[-1])

    def recipe(self, index: int) -> Recipe:
        """What the excerpt of this number is made of; no file is read."""
        random = np.random.default_rng([self.seed, index])
        is_remix = random.random() < self.choice.remix
        rest, cuts = len(self.stems), list[Cut]()
        if is_remix and self.choice.remix_stems == 1:
            for number in range(len(self.stems)):
                cuts += self._drawn(number, random)
            if self._rests is not None:
                place = self._rests.draw_any(random)
                cuts += self._cuts(rest, self._songs[place.song].rest, place, random.random())
            return Recipe(index, tuple(cuts), (True,) * len(self.stems))
        place = self._whole[random.integers(len(self._whole))].draw(random, self.choice.silent_share)
        song, offset = self._songs[place.song], random.random()
        labelled = tuple(stem in song.stems for stem in self.stems)
        for number, stem in enumerate(self.stems):
            if not labelled[number]:
                continue
            if is_remix and random.random() < self.choice.remix_stems:
                cuts += self._drawn(number, random)
            else:
                cuts += self._cuts(number, song.stems[stem], place, offset)
        cuts += self._cuts(rest, song.rest, place, offset)
        return Recipe(index, tuple(cuts), labelled)

    def whole_file(self, file: int) -> Audio:
        """All of a file, at the excerpts' rate and with their channels. May be called by several threads.

        Raises:
            AudioFileError: it cannot be read any more, or has changed.
        """
        path, readers = self.files[file], copy(self._readers)
        with closing(readers):
            return readers.read(path, 0, readers.samples(path))

    def file_samples(self, file: int) -> int:
        """How long a file is, at the excerpts' rate."""
        return self._readers.samples(self.files[file])

    def close(self) -> None:
        """Let all files go; the next excerpt opens what it needs again."""
        self._readers.close()

    def _drawn(self, number: int, random: np.random.Generator) -> Iterator[Cut]:
        """A stem of any song, at any place."""
        times = 1
        for probability in self.choice.mixup:
            times += random.random() < probability
        for _ in range(times):
            place = self._pools[number].draw(random, self.choice.silent_share)
            yield from self._cuts(number, self._songs[place.song].stems[self.stems[number]], place, random.random())

    def _cuts(self, number: int, parts: Sequence[StemFile], place: Place, offset: float) -> Iterator[Cut]:
        """An excerpt that begins so much of a second after a place, or of what is left of one before the song's end."""
        length = max(map(self._readers.samples, self._songs[place.song].files), default=0)
        last, first = max(0, length - self.samples), place.second * self.sample_rate
        start = min(first + int(offset * min(self.sample_rate, last - first + 1)), last)
        for part in parts:
            yield Cut(number, self._numbers[part.path], part.gain, start)

    def _pool(self, stem: str) -> Pool:
        labelled = known(self._songs, stem)
        if not labelled:
            raise DatasetError(f"no song has a stem {stem}: name a folder that has, or leave it out of the stems")
        pool = self._pool_of(labelled)
        if not len(pool.active):
            raise DatasetError(f"the stem {stem} is silent (below -60 dB) in all songs: nothing can be learned of it")
        return pool

    def _whole_pools(self) -> list[Pool]:
        """The places in whole songs of each stem that plays in one."""
        pools = [self._pool_of(known(self._songs, stem, whole=True)) for stem in self.stems]
        found = [pool for pool in pools if len(pool.active)]
        if not found:
            raise DatasetError(
                "aligned excerpts need folders of songs, but there are only single stems: add some, or set remix to 1 "
                "and remix_stems to 1"
            )
        return found

    def _pool_of(self, parts: Mapping[int, Sequence[StemFile]]) -> Pool:
        return pool_of(self._songs, parts, self._readers.files, self.samples / self.sample_rate)
