"""What one instrument plays in a song, as notes in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ._score import Note, Song, Stem

_LOUDER = {"chorus": 1.08, "intro": 0.92, "bridge": 0.95}


@dataclass(frozen=True, slots=True)
class Struck:
    """A note in time: where it begins and ends, in seconds; pitch and velocity as MIDI counts."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Part:
    """One instrument's notes.

    Attributes:
        name: mma's track, or what else it is.
        stem: that it belongs to.
        program: General MIDI's, from 0; of percussion, the drum kit.
        percussion: whether pitches are drums.
        notes: in the order of their starts.
    """

    name: str
    stem: Stem
    program: int
    percussion: bool
    notes: tuple[Struck, ...]


def straight(notes: Sequence[Note], song: Song) -> tuple[Struck, ...]:
    """The notes of a melody at the song's tempo and swing."""
    return tuple(Struck(song.seconds(each.start), song.seconds(each.end), each.pitch, each.velocity) for each in notes)


def resting(part: Part, song: Song) -> Part:
    """The part without its notes in sections where its stem rests; a note that reaches into one ends there."""
    bar = song.beats_per_bar * 60.0 / song.tempo
    kept = list(part.notes)
    for section in song.sections:
        if part.stem in section.silent:
            first, last = section.first_bar * bar, (section.first_bar + len(section.bars)) * bar
            # A note played a little before its bar belongs to it.
            early = 0.04 * bar
            kept = [
                replace(note, end=min(note.end, first)) if note.start < first - early else note
                for note in kept
                if not first - early <= note.start < last - early
            ]
    return replace(part, notes=tuple(kept))


def humanised(part: Part, song: Song, rng: np.random.Generator) -> Part:
    """The part as a person plays it: late or early on the whole, uneven in each note, louder in choruses."""
    bar = song.beats_per_bar * 60.0 / song.tempo
    late = float(rng.normal(0, 0.005))
    uneven = float(rng.uniform(0.001, 0.006))
    touch = float(rng.uniform(0.85, 1.1))
    played: list[Struck] = []
    for note in part.notes:
        index = int((note.start + 0.04 * bar) / bar)
        kind = next((each.kind for each in song.sections if index < each.first_bar + len(each.bars)), "")
        shift = late + float(np.clip(rng.normal(0, uneven), -0.015, 0.015))
        start = max(0.0, note.start + shift)
        loud = note.velocity * touch * _LOUDER.get(kind, 1.0) + rng.normal(0, 3)
        played.append(Struck(start, max(start + 0.02, note.end + shift), note.pitch, int(np.clip(loud, 12, 127))))
    return replace(part, notes=tuple(sorted(played, key=lambda each: (each.start, each.pitch))))
