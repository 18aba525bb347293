"""Chord progressions: common functional patterns, with substitutions."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from ._score import SCALES, Bar, Chord, Key, Mode

# Degrees of the scale from 1, a bar each; a degree with "b" is a semitone lower, as bVII in major.
_LOOPS: Final[Mapping[Mode, tuple[str, ...]]] = {
    "major": (
        "1 5 6 4",
        "1 6 4 5",
        "6 4 1 5",
        "1 4 5 5",
        "1 4 1 5",
        "1 3 4 5",
        "1 5 4 5",
        "4 5 3 6",
        "2 5 1 6",
        "1 6 2 5",
        "1 b7 4 1",
        "1 2 4 1",
        "4 1 5 6",
        "1 5 2 4",
        "6 5 4 5",
        "1 1 4 5",
        "1 4 6 5",
        "3 6 2 5",
        "1 3 6 4",
        "1 5 6 3 4 1 4 5",
        "1 1 4 4 5 4 1 5",
        "1 6 4 2 1 6 5 5",
        "4 4 1 1 5 5 6 6",
    ),
    "minor": (
        "1 6 3 7",
        "1 7 6 7",
        "1 4 7 3",
        "1 6 7 1",
        "1 4 5 1",
        "6 7 1 1",
        "1 3 7 4",
        "1 7 6 5",
        "4 1 6 5",
        "1 5 6 4",
        "2 5 1 1",
        "1 6 4 5",
        "1 1 6 7",
        "1 3 6 5",
        "1 4 7 3 6 2 5 1",
        "1 1 4 4 6 5 1 5",
        "1 7 1 7 6 7 1 1",
    ),
}
_TRIADS: Final[Mapping[Mode, tuple[str, ...]]] = {
    "major": ("", "m", "m", "", "", "m", "dim"),
    "minor": ("m", "dim", "", "m", "", "", ""),  # the fifth is major: its leading note is the harmonic scale's
}
_RICHER: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("add9", "sus2", "6", "sus4"),
    "m": ("m7", "m7", "m9", "m6"),
    "dim": ("m7b5",),
    "7": ("9", "7sus"),
}


def loop(key: Key, rng: np.random.Generator, richness: float) -> tuple[Bar, ...]:
    """Four or eight bars of chords.

    Args:
        key: of the song.
        rng: what the draws are made from.
        richness: 0 gives triads, 1 sevenths and substitutions nearly everywhere.
    """
    degrees = str(rng.choice(_LOOPS[key.mode])).split()
    chords = [_chord(key, degree) for degree in degrees]
    bars: list[Bar] = []
    for index, chord in enumerate(chords):
        after = chords[(index + 1) % len(chords)]
        chord = _enriched(key, chord, rng, richness)
        if rng.random() < 0.12 + 0.15 * richness and index % 2:
            bars.append((chord, _approach(key, after, rng)))
        else:
            bars.append((chord,))
    return tuple(bars)


def tonic(key: Key) -> Chord:
    """The chord that a song ends on."""
    return Chord(key.tonic, "" if key.mode == "major" else "m")


def _chord(key: Key, degree: str) -> Chord:
    number = int(degree.removeprefix("b")) - 1
    root = (key.tonic + SCALES[key.mode][number] - degree.startswith("b")) % 12
    return Chord(root, "" if degree.startswith("b") else _TRIADS[key.mode][number])


def _enriched(key: Key, chord: Chord, rng: np.random.Generator, richness: float) -> Chord:
    if rng.random() >= richness:
        return chord
    fifth = (key.tonic + 7) % 12
    if chord.quality == "" and chord.root == fifth:
        return Chord(chord.root, str(rng.choice(["7", "7", "9", "7sus"])))
    draw = rng.random()
    if draw < 0.15 and chord.quality == "":  # its relative
        return Chord((chord.root + 9) % 12, "m7")
    if draw < 0.25 and chord.quality == "m":
        return Chord((chord.root + 3) % 12, "M7")
    if draw < 0.6 and chord.quality == "":
        major_seventh = (chord.root + 11) % 12 in key.scale
        return Chord(chord.root, "M7" if major_seventh else "7")
    return Chord(chord.root, str(rng.choice(_RICHER[chord.quality])))


def _approach(key: Key, after: Chord, rng: np.random.Generator) -> Chord:
    """A chord that leads to the next: its dominant, the tritone's substitute, a diminished one, or from the key."""
    draw = rng.random()
    if draw < 0.4:
        return Chord((after.root + 7) % 12, "7")
    if draw < 0.5:
        return Chord((after.root + 1) % 12, "7")
    if draw < 0.6:
        return Chord((after.root + 11) % 12, "dim7")
    return _chord(key, str(rng.choice(["4", "5", "6"])))
