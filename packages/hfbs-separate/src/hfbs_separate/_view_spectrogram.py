"""Spectrograms of whole songs in little memory: levels of narrow bands over time, on a logarithmic frequency axis."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from ._types import Audio

type Levels = NDArray[np.float32]

ROWS: Final = 256
COLUMNS: Final = 1600
RANGE_DB: Final = 80

_LINE = 3  # rows

_LOWEST, _HIGHEST = 30.0, 20_000.0  # Hz
# Long windows tell the low notes apart, short ones the beats: seconds of each window, shared out around _CROSSOVER.
_LONG, _SHORT = 8192 / 44100, 2048 / 44100
_CROSSOVER = 700.0  # Hz
_SILENCE = 1e-12  # power, -120 dB
_MAGMA = ("000004", "1c1044", "4f127b", "812581", "b5367a", "e55064", "fb8761", "fec287", "fcfdbf")


@dataclass(frozen=True, slots=True)
class Scale:
    """What colours mean, the same for every track: ``top`` dB is the brightest, ``bottom`` dB the darkest."""

    top: int
    bottom: int


def frequency_range(sample_rate: int) -> tuple[float, float]:
    """The frequencies in Hz of the lower edge and the upper edge of a spectrogram."""
    return _LOWEST, min(_HIGHEST, sample_rate / 2)


class Spectrogram:
    """Levels of a track that comes block by block.

    A row is a band, its level the power in it: a sine of full scale is near 0 dB at any frequency, and pink noise is
    as bright in one wide row as in another. A column is a stretch of time, its level the mean over it and the channels.
    """

    def __init__(self, sample_rate: int, samples: int) -> None:
        """Prepare for a track.

        Args:
            sample_rate: in Hz, at least 1000.
            samples: length of the track, at least 1.
        """
        self._columns = min(COLUMNS, -(-samples // (sample_rate // 200)))  # a column is no shorter than 5 ms
        self._span = samples / self._columns
        self._resolutions = [_Resolution.of(seconds, sample_rate, self._span) for seconds in (_LONG, _SHORT)]
        self._reach = max(resolution.size for resolution in self._resolutions) // 2
        self._held: Audio | None = None
        self._first = -self._reach  # where what is held begins
        self._levels: list[Levels] = []
        self._done = 0

    def add(self, block: Audio) -> None:
        """Take the next samples: float32, shape (channel, time)."""
        if self._held is None:
            self._held = np.zeros((len(block), self._reach), np.float32)
        self._held = np.concatenate((self._held, block), axis=1)
        ready = math.floor((self._first + self._held.shape[1] - self._reach) / self._span)
        self._measure(min(ready, self._columns))

    def levels(self) -> Levels:
        """Once all samples are there: dB, shape (row, column), the highest frequency first."""
        if self._held is None:
            raise ValueError("no block was added")
        self._held = np.pad(self._held, ((0, 0), (0, self._reach + 1)))
        self._measure(self._columns)
        return np.concatenate(self._levels, axis=1)[::-1]

    def _measure(self, until: int) -> None:
        """Columns from those done up to ``until``, as far as samples are held."""
        held = self._held
        if held is None or until <= self._done:
            return
        columns = np.arange(self._done, until)
        power = sum(resolution.power(held, self._first, columns, self._span) for resolution in self._resolutions)
        self._levels.append((10 * np.log10(np.maximum(power, _SILENCE))).astype(np.float32))
        self._done = until
        keep_from = max(self._first, math.floor(until * self._span) - self._reach)
        self._held = held[:, keep_from - self._first :]
        self._first = keep_from


@dataclass(frozen=True, slots=True, eq=False)
class _Resolution:
    """One length of the window, and its part of each row."""

    size: int
    window: NDArray[np.float32]
    weights: NDArray[np.float32]  # (row, bin)
    frames: int  # per column

    @classmethod
    def of(cls, seconds: float, sample_rate: int, span: float) -> "_Resolution":
        size = 1 << round(math.log2(seconds * sample_rate))
        window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
        window /= window.sum() / 2  # a sine of full scale has the power 1 in its bin
        weights = _row_weights(size, sample_rate) * _share(seconds, sample_rate)[:, None]
        return cls(size, window, weights.astype(np.float32), math.ceil(2 * span / size))

    def power(self, held: Audio, first: int, columns: NDArray[Any], span: float) -> NDArray[Any]:
        """(row, column): the mean over the frames of each column and over the channels."""
        places = columns[:, None] + (np.arange(self.frames) + 0.5) / self.frames
        starts = np.floor(places.ravel() * span).astype(np.int64) - self.size // 2 - first
        total = np.zeros((len(columns), self.weights.shape[1]), np.float32)
        frames_at_once = -(-256 // self.frames) * self.frames  # whole columns, a few MB of frames
        for begin in range(0, len(starts), frames_at_once):
            some = starts[begin : begin + frames_at_once]
            for channel in held:
                frames = np.lib.stride_tricks.sliding_window_view(channel, self.size)[some] * self.window
                spectrum = np.fft.rfft(frames)
                power = spectrum.real**2 + spectrum.imag**2
                done = slice(begin // self.frames, (begin + len(some)) // self.frames)
                total[done] += power.reshape(-1, self.frames, power.shape[1]).mean(axis=1)
        return self.weights @ total.T / len(held)


def _centres(sample_rate: int) -> NDArray[Any]:
    """The middle frequency of each row, in Hz, the lowest first."""
    low, high = frequency_range(sample_rate)
    return low * (high / low) ** ((np.arange(ROWS) + 0.5) / ROWS)


def _row_weights(size: int, sample_rate: int) -> NDArray[Any]:
    """How much of each bin's power belongs to each row, shape (row, bin).

    A row wider than a bin is a triangle over its bins, whose weights sum to its width in bins, less what the window
    spreads (3/2 bins, Hann). A narrower one is read between two bins.
    """
    low, high = frequency_range(sample_rate)
    middle = _centres(sample_rate)[:, None] * size / sample_rate
    width = middle * math.log(high / low) / ROWS
    distance = np.abs(np.arange(size // 2 + 1) - middle)
    weights = np.maximum(0, 1 - distance / np.maximum(width, 1))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights * np.maximum(1, width / 1.5)


def _share(seconds: float, sample_rate: int) -> NDArray[Any]:
    """The part of each row that the window of this length has: a crossfade over two octaves."""
    rise = np.clip(0.5 + np.log2(_centres(sample_rate) / _CROSSOVER) / 2, 0, 1)
    return rise if seconds == _SHORT else 1 - rise


def common_scale(spectrograms: Sequence[Levels]) -> Scale:
    """The scale whose top is just above the loudest of all, and at least -40 dB, so that silence stays dark."""
    loudest = max(float(levels.max()) for levels in spectrograms)
    top = max(-40, 5 * math.ceil(loudest / 5))
    return Scale(top, top - RANGE_DB)


def palette() -> NDArray[np.uint8]:
    """256 colours, shape (256, 3), whose lightness rises evenly: matplotlib's magma, from nine of its own."""
    stops = np.frombuffer(bytes.fromhex("".join(_MAGMA)), np.uint8).reshape(-1, 3)
    places = np.linspace(0, len(stops) - 1, 256)
    colours = [np.interp(places, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    return np.rint(np.stack(colours, axis=1)).astype(np.uint8)


def stacked(tracks: Sequence[Levels], scale: Scale) -> Levels:
    """Tracks of one length one above the other, with a bright line between."""
    line = np.full((_LINE, tracks[0].shape[1]), scale.top, np.float32)
    return np.concatenate([part for levels in tracks for part in (line, levels)][1:])


def picture(levels: Levels, scale: Scale) -> bytes:
    """A PNG file with a pixel per level."""
    place = (levels - scale.bottom) / (scale.top - scale.bottom)
    index = np.rint(255 * np.clip(place, 0, 1)).astype(np.uint8)
    opaque: Any = (index, np.insert(palette(), 0, 255, axis=1))  # its type is not what PyAV's stubs say
    file = io.BytesIO()
    container: Any = av.open(file, "w", format="image2pipe")
    with container:
        stream = container.add_stream("png", rate=1, pix_fmt="pal8", width=index.shape[1], height=index.shape[0])
        container.mux(stream.encode(av.VideoFrame.from_ndarray(opaque, format="pal8")))
        container.mux(stream.encode(None))
    return file.getvalue()
