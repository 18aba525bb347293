"""A voice as WORLD :cite:p:`morise2016world` has it: pitch, spectral envelope and aperiodicity, frame by frame."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ._audio import RATE, Mono
from ._requirements import compiled

PERIOD: Final = 0.005
_BINS: Final = 1025  # of the FFT that WORLD resynthesises with at 44100 Hz
_FLOOR: Final = -32.0  # of the envelope's natural logarithm

type Frames = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Syllable:
    """Where a syllable lies in an utterance, in seconds: its consonants, its vowel, the consonants after it."""

    start: float
    vowel: float
    vowel_end: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """What was said or sung, taken apart.

    Attributes:
        rate: of the recording, in Hz.
        f0: in Hz, shape (frame,); 0 where nothing is voiced.
        envelope: natural logarithm of the power, shape (frame, bin).
        aperiodicity: 0 to 1, shape (frame, bin).
        syllables: in their order.
    """

    rate: int
    f0: Frames
    envelope: Frames
    aperiodicity: Frames
    syllables: tuple[Syllable, ...]


@dataclass(frozen=True, slots=True)
class Timbre:
    """How one voice is made into another.

    Attributes:
        formants: what the envelope's frequencies are multiplied by; below 1 is a larger body.
        tilt: decibels an octave that are added above 2 kHz.
        breath: 0 to 1, how much of the voice is breath.
    """

    formants: float
    tilt: float
    breath: float


@cache
def _world() -> Any:
    return compiled("pyworld", "pyworld")[0]


def analysed(audio: Mono, rate: int, syllables: tuple[Syllable, ...]) -> Utterance:
    """Take a recording apart.

    Args:
        audio: shape (time,), one voice.
        rate: in Hz.
        syllables: where they lie.
    """
    world = _world()
    audio = np.ascontiguousarray(audio, np.float64)
    coarse, times = world.dio(audio, rate, f0_floor=71.0, f0_ceil=1000.0, frame_period=1000 * PERIOD)
    f0: Frames = world.stonemask(audio, coarse, times, rate)
    known = np.flatnonzero(f0)
    if known.size:
        # Vowels whose voice creaks or fades are voiced all the same.
        frames = np.arange(len(f0))
        vowel = np.zeros(len(f0), bool)
        for each in syllables:
            vowel |= (frames * PERIOD >= each.vowel) & (frames * PERIOD <= each.vowel_end)
        f0 = np.where((f0 == 0) & vowel, np.interp(frames, known, f0[known]), f0)
    envelope = world.cheaptrick(audio, f0, times, rate)
    aperiodicity = world.d4c(audio, f0, times, rate, threshold=0.0)
    return Utterance(rate, f0, np.log(np.maximum(envelope, np.exp(_FLOOR))), aperiodicity, syllables)


def resynthesised(utterance: Utterance, places: Frames, f0: Frames, gain: Frames, timbre: Timbre) -> Mono:
    """The utterance with other timing, pitch, loudness and timbre.

    Args:
        utterance: what is sung.
        places: for each new frame, the time of the utterance that sounds there, in seconds.
        f0: of the new frames, in Hz; 0 where nothing is voiced.
        gain: of the new frames, in decibels.
        timbre: of the new voice.

    Returns:
        The voice at 44100 Hz, as long as the frames.
    """
    at = np.clip(places / PERIOD, 0, len(utterance.f0) - 1.001)
    first, part = at.astype(np.int64), (at % 1.0)[:, None]
    frequencies = np.linspace(0, RATE / 2, _BINS)
    source = frequencies / timbre.formants
    nyquist = utterance.rate / 2
    # The last octave's end of a recording is its low-pass filter's.
    known = min(0.87 * nyquist, 20000.0)
    bins = np.clip(np.minimum(source, known) / nyquist * (utterance.envelope.shape[1] - 1), 0, None)
    low = np.minimum(bins.astype(np.int64), utterance.envelope.shape[1] - 2)
    share = bins - low

    def warped(frames: Frames) -> Frames:
        between = frames[first] * (1 - part) + frames[first + 1] * part
        return between[:, low] * (1 - share) + between[:, low + 1] * share

    envelope, aperiodicity = warped(utterance.envelope), warped(utterance.aperiodicity)
    voiced = (f0 > 0)[:, None]
    above = source > known
    if above.any():
        # Above what the recording holds: the level below its edge, falling on, all of it breath.
        edge = (source > 0.78 * known) & ~above
        octaves = np.log2(source[above] / known)
        fall = np.where(voiced, 3.4, 1.2)  # natural logarithm of the power, an octave
        level = envelope[:, edge].mean(axis=1, keepdims=True)
        envelope[:, above] = level - np.where(voiced, 0.8, 0.0) - fall * octaves
        aperiodicity[:, above] = np.maximum(aperiodicity[:, edge].mean(axis=1, keepdims=True), 0.7)
    octaves = np.clip(np.log2(np.maximum(frequencies, 1.0) / 2000.0), 0.0, 3.0)
    envelope += (gain[:, None] + timbre.tilt * octaves) * (np.log(10) / 10)
    clear = np.clip((frequencies / 7000.0) ** 1.5, 0.03, 1.0)
    aperiodicity = np.where(voiced, np.minimum(aperiodicity, clear), aperiodicity)
    rough = timbre.breath * np.clip(frequencies / 6000.0, 0.05, 1.0)
    aperiodicity = np.clip(aperiodicity + rough * (1 - aperiodicity), 0.001, 0.999)
    sound: Mono = _world().synthesize(
        np.ascontiguousarray(f0),
        np.ascontiguousarray(np.exp(np.clip(envelope, _FLOOR, 12.0))),
        np.ascontiguousarray(aperiodicity),
        RATE,
        1000 * PERIOD,
    )
    return sound
