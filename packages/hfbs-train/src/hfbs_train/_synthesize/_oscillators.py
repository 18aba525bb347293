"""A synthesiser of our own: detuned sawtooths and pulses, brighter than soundfonts are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._audio import RATE, Audio
from ._part import Part

_LOUDEST = 0.1


@dataclass(frozen=True, slots=True)
class Patch:
    """A sound.

    Attributes:
        voices: oscillators of a note, 1 to 5.
        detune: semitones between the outermost.
        pulse: 0 is a sawtooth, 1 a square wave.
        attack: seconds to the full level.
        decay: seconds in which a held note falls to a third; brightness falls twice as fast.
        release: seconds that it rings on.
        bright: 0 to 1, how much of the high frequencies is left when they have fallen.
    """

    voices: int
    detune: float
    pulse: float
    attack: float
    decay: float
    release: float
    bright: float


def draw_patch(rng: np.random.Generator, held: bool) -> Patch:
    """A sound for held chords, or for short notes."""
    return Patch(
        voices=int(rng.integers(1, 6)),
        detune=float(rng.uniform(0.05, 0.35)),
        pulse=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
        attack=float(rng.uniform(0.05, 0.4) if held else rng.uniform(0.002, 0.02)),
        decay=float(rng.uniform(2.0, 8.0) if held else rng.uniform(0.15, 1.0)),
        release=float(rng.uniform(0.2, 0.6) if held else rng.uniform(0.05, 0.25)),
        bright=float(rng.uniform(0.05, 0.6)),
    )


def oscillate(part: Part, samples: int, patch: Patch, rng: np.random.Generator) -> Audio:
    """What a part sounds like on the synthesiser.

    Args:
        part: the notes.
        samples: how many to give.
        patch: the sound.
        rng: what the oscillators' phases are drawn by.
    """
    audio = np.zeros((2, samples))
    for note in part.notes:
        first = round(note.start * RATE)
        count = min(round((note.end - note.start + 3 * patch.release) * RATE), samples - first)
        if count <= 0:
            continue
        times = np.arange(count) / RATE
        level = np.clip(times / patch.attack, 0, 1) * 3.0 ** (-times / patch.decay)
        level *= np.exp(-np.maximum(times - (note.end - note.start), 0) / (patch.release / 3))
        shine = patch.bright + (1 - patch.bright) * 3.0 ** (-2 * times / patch.decay)
        loud = _LOUDEST * note.velocity / 127 * level
        for spread in np.linspace(-1, 1, patch.voices).tolist() if patch.voices > 1 else (0.0,):
            pitch = note.pitch + spread * patch.detune / 2
            wave = _wave(440 * 2 ** ((pitch - 69) / 12), count, patch.pulse, float(rng.random()))
            dull = _smoothed(wave, 24)
            sound = (dull + shine * (wave - dull)) * loud
            angle = (spread * 0.8 + 1) * np.pi / 4
            audio[0, first : first + count] += np.cos(angle) * sound
            audio[1, first : first + count] += np.sin(angle) * sound
    return audio.astype(np.float32)


def _wave(frequency: float, count: int, pulse: float, phase: float) -> NDArray[np.float64]:
    """A sawtooth, less a copy of itself half a period later for a pulse; rounded jumps alias little."""
    step = frequency / RATE
    turns = step * np.arange(count, dtype=np.float64) + phase
    saw = _saw(turns, step)
    if pulse:
        saw = saw - pulse * _saw(turns + 0.5, step)
    return saw


def _saw(turns: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    phase: NDArray[np.float64] = turns % 1.0
    wave = 2 * phase - 1
    after, before = phase < step, phase > 1 - step
    at = phase[after] / step
    wave[after] -= 2 * at - at**2 - 1
    at = (phase[before] - 1) / step
    wave[before] -= at**2 + 2 * at + 1
    return wave


def _smoothed(wave: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    total = np.cumsum(np.pad(wave, (width, 0)))
    return (total[width:] - total[:-width]) / width
