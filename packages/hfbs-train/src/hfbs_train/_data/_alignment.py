"""Whether the files of a song fit the file of its mixture in time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hfbs_separate.audio import Audio

from ._facts import SILENCE
from ._readers import Readers
from ._songs import StemFile, TrainingSong

_PLACES = 3  # of a song that are looked at
_SECONDS = 6
_MOST_LAG = 1.0  # in seconds
_ADDS_UP = 10 ** (-15 / 10)  # energy left, over the mixture's; lossy files leave -20 dB
# Of a file's energy, what taking it away takes from the mixture at the right place, and what at a wrong one.
_RIGHT, _WRONG = 0.7, 0.3


@dataclass(frozen=True, slots=True)
class Shift:
    """A file that is late.

    Attributes:
        path: the file.
        seconds: by how much; negative where it is early.
    """

    path: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class Fit:
    """How the files of a song fit its mixture.

    Attributes:
        rest: what is left of the mixture's energy without its files, in dB; None where they need not add up to it.
        shifts: the files that are late or early.
    """

    rest: float | None
    shifts: tuple[Shift, ...]

    @property
    def adds_up(self) -> bool:
        """Whether what is left is little."""
        return self.rest is None or self.rest < 10 * np.log10(_ADDS_UP)


def fit_of(song: TrainingSong, readers: Readers) -> Fit | None:
    """Compare the file of a song's mixture with its other files, at its loudest places.

    Args:
        song: one with a file of its mixture.
        readers: for all its files.

    Returns:
        None where there is nothing to compare.

    Raises:
        AudioFileError: a file cannot be read.
    """
    mixture = song.mixture
    others = [path for path in song.files if path != mixture]
    if mixture is None or not others or readers.files[mixture].is_silent:
        return None
    # Where the mixture is one of the parts, some of it has no file of its own.
    complete = not any(part.path == mixture for parts in (*song.stems.values(), song.rest) for part in parts)
    rest: float | None = None
    if complete:
        rest = _rest(mixture, others, readers)
        if rest < _ADDS_UP:
            return Fit(_decibels(rest), ())
    shifts: list[Shift] = []
    for path in others:
        if readers.files[path].is_silent:
            continue
        taken = [other for other in others if other != path] if complete else []
        lag = _lag(path, mixture, taken, readers)
        if lag:
            shifts.append(Shift(path, lag / readers.sample_rate))
    return Fit(None if rest is None else _decibels(rest), tuple(shifts))


def _rest(mixture: Path, others: Sequence[Path], readers: Readers) -> float:
    """The energy of the mixture less the other files, over the mixture's."""
    left = whole = 0.0
    length = _SECONDS * readers.sample_rate
    for start in _loudest(mixture, readers, _PLACES):
        audio = readers.read(mixture, start, length)
        whole += _energy(audio)
        left += _energy(audio - readers.total([StemFile(path) for path in others], start, length))
    return left / max(whole, np.finfo(np.float64).tiny)


def _lag(path: Path, mixture: Path, taken: Sequence[Path], readers: Readers) -> int:
    """By how many samples a file is late in the mixture; 0 where it is not, or is not found there.

    Where a file is part of a signal, taking it away at its right place takes its energy away, and at another place adds
    it. Music that repeats itself has several right places.
    """
    length = _SECONDS * readers.sample_rate
    most = int(_MOST_LAG * readers.sample_rate)
    found: list[int] = []
    for start in _loudest(path, readers, 2):
        file = readers.read(path, start, length)
        target = readers.read(mixture, start, length) - readers.total([*map(StemFile, taken)], start, length)
        products = _products(target, file, most)
        energies = _energies(file, most)
        explained = (2 * products - energies) / np.maximum(energies, length * SILENCE * len(file) / 100)
        best = int(explained.argmax())
        if explained[best] < _RIGHT or explained[most] > _WRONG:
            return 0
        found.append(best - most)
    # Chance gives no two places the same lag.
    return found[0] if len(set(found)) == 1 else 0


def _products(target: Audio, file: Audio, most: int) -> NDArray[np.float64]:
    """For each lag from -most to most, the sum of the products of both with the file moved to be that much earlier."""
    size = target.shape[1] + most
    spectrum = (np.conj(np.fft.rfft(target, size)) * np.fft.rfft(file, size)).sum(axis=0)
    circular = np.fft.irfft(spectrum, size).astype(np.float64)
    return np.concatenate([circular[-most:], circular[: most + 1]])


def _energies(file: Audio, most: int) -> NDArray[np.float64]:
    """For each lag, the energy of the part of the file that takes part."""
    sums = np.concatenate([[0.0], np.cumsum((file.astype(np.float64) ** 2).sum(axis=0))])
    late = np.arange(-most, most + 1)
    length = file.shape[1]
    return sums[np.minimum(length, length + late)] - sums[np.maximum(0, late)]


def _loudest(path: Path, readers: Readers, count: int) -> Iterator[int]:
    """Where the loudest stretches of a file begin, in samples at the common rate, apart from each other."""
    energies = readers.files[path].energies.astype(np.float64)
    if len(energies) <= _SECONDS:
        yield 0
        return
    sums = np.convolve(energies, np.ones(_SECONDS), "valid")
    for _ in range(count):
        second = int(sums.argmax())
        if sums[second] < _SECONDS * SILENCE:
            return
        yield second * readers.sample_rate
        sums[max(0, second - _SECONDS) : second + _SECONDS] = 0


def _energy(audio: Audio) -> float:
    return float(np.einsum("ct,ct->", audio, audio, dtype=np.float64))


def _decibels(ratio: float) -> float:
    return 10 * float(np.log10(max(ratio, 1e-14)))
