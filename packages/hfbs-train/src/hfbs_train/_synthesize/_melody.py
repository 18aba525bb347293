"""Melodies that follow the chords, phrase by phrase, with rests to breathe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._score import Note, Section, Song

_SHORTEST = 0.13  # seconds of a note that can still be sung
_USUAL = 0.29  # seconds of a usual one


@dataclass(frozen=True, slots=True)
class Range:
    """What a voice or an instrument reaches: its lowest and highest pitch, as MIDI counts."""

    low: int
    high: int


type Rhythm = tuple[tuple[float, float], ...]
"""Starts and lengths of a phrase's notes, in beats from the phrase's first bar."""
type Phrase = tuple[Note, ...]


class Melodist:
    """Makes the melodies of one song: sections of a kind have the same rhythms, so that they are known again."""

    def __init__(self, song: Song, reach: Range, rng: np.random.Generator) -> None:
        self._song = song
        self._range = reach
        self._rng = rng
        bar_seconds = song.beats_per_bar * 60.0 / song.tempo
        self._bars = 1 if bar_seconds > 3.2 else 2 if bar_seconds > 1.5 else 4
        self._busy = float(rng.uniform(0.75, 1.35))
        self._rhythms: dict[str, tuple[Rhythm, Rhythm]] = {}
        self._seeds: dict[str, int] = {}

    def phrases(self, section: Section) -> list[Phrase]:
        """The melody of a section; a section of the same kind and chords gets the same."""
        kind = section.kind
        if kind not in self._rhythms:
            self._rhythms[kind] = (self._rhythm(), self._rhythm())
            self._seeds[kind] = int(self._rng.integers(1 << 31))
        draws = np.random.default_rng(self._seeds[kind])
        first, second = self._rhythms[kind]
        lift = 0.62 if kind == "chorus" else 0.42
        made: list[Phrase] = []
        for number, bar in enumerate(range(0, len(section.bars), self._bars)):
            beats = min(self._bars, len(section.bars) - bar) * self._song.beats_per_bar
            start = (section.first_bar + bar) * self._song.beats_per_bar
            rhythm = [(at, length) for at, length in (second if number % 4 == 2 else first) if at + length <= beats]
            if rhythm:
                made.append(self._sung(start, rhythm, lift, number % 2 == 1, draws))
        return made

    def _rhythm(self) -> Rhythm:
        """Durations around the usual one, on a grid of halves or quarters of a beat."""
        rng, song = self._rng, self._song
        beat_seconds = 60.0 / song.tempo
        grid = 0.25 if beat_seconds > 0.85 else 0.5 if beat_seconds > 0.3 else 1.0
        total = self._bars * song.beats_per_bar
        rest = float(rng.choice([0.5, 1.0, 1.5, 2.0, 2.0])) * max(1.0, round(0.45 / beat_seconds * 2) / 2)
        last = round((total - min(rest, total / 3)) / grid) * grid
        held = max(grid, 0.6 / beat_seconds)
        lengths = np.array([1, 2, 3, 4, 6, 8]) * grid
        weights = np.exp(-np.abs(np.log(lengths * beat_seconds * self._busy / _USUAL)) * 2.0)
        weights *= lengths * beat_seconds >= _SHORTEST
        weights *= np.array([1.0, 1.3, 0.35, 1.0, 0.2, 0.4])
        weights /= weights.sum()
        at = float(rng.choice([0.0, 0.0, 0.5, 1.0, grid]))
        notes: list[tuple[float, float]] = []
        while at < last - grid / 2:
            length = float(rng.choice(lengths, p=weights))
            if last - at - length < held:  # the phrase's last note is held
                length = last - at
            notes.append((at, min(length, 6.0)))
            at += length
            if rng.random() < 0.06:
                at += grid
        return tuple(notes)

    def _sung(
        self, start: float, rhythm: Sequence[tuple[float, float]], lift: float, closing: bool, rng: np.random.Generator
    ) -> Phrase:
        """Pitches for a rhythm: chord notes where it weighs, steps of the scale between, along an arch."""
        song, reach = self._song, self._range
        span = reach.high - reach.low
        middle = reach.low + span * lift
        arch = float(rng.uniform(-0.12, 0.3)) * span
        previous = middle + float(rng.normal(0, 2))
        notes: list[Note] = []
        pitches = np.arange(reach.low, reach.high + 1)
        for index, (at, length) in enumerate(rhythm):
            beat = start + at
            chord = song.chord_at(beat).pitch_classes
            strong = at % 2 == 0 or length * 60 / song.tempo > 0.5 or index == len(rhythm) - 1
            place = index / max(1, len(rhythm) - 1)
            target = middle + arch * np.sin(np.pi * place) - (2.0 if closing and place == 1 else 0.0)
            in_chord = np.isin(pitches % 12, list(chord))
            in_scale = np.isin(pitches % 12, list(song.key.scale))
            weights = np.where(in_chord, 1.0, np.where(in_scale, 0.0 if strong else 0.7, 0.0))
            leap = np.abs(pitches - previous)
            weights = weights * np.exp(-leap / 2.2) * np.exp(-((pitches - target) ** 2) / (2 * (span / 4) ** 2))
            weights[leap < 0.5] *= 0.6
            if closing and index == len(rhythm) - 1:
                weights[pitches % 12 == song.chord_at(beat).root] *= 4
            pitch = int(rng.choice(pitches, p=weights / weights.sum()))
            velocity = int(np.clip(rng.normal(92 if strong else 82, 7), 50, 120))
            notes.append(Note(beat, length, pitch, velocity))
            previous = pitch
        return tuple(notes)


def harmony(phrase: Phrase, song: Song, interval: int) -> Phrase:
    """A second voice: for each note, the nearest note of its chord about so many semitones above (or below)."""
    made: list[Note] = []
    for note in phrase:
        chord = song.chord_at(note.start).pitch_classes
        allowed = [note.pitch + step for step in range(interval - 2, interval + 3) if (note.pitch + step) % 12 in chord]
        if not allowed:
            allowed = [
                note.pitch + step
                for step in range(interval - 1, interval + 2)
                if (note.pitch + step) % 12 in song.key.scale
            ]
        pitch = min(allowed, key=lambda each: abs(each - note.pitch - interval), default=note.pitch)
        made.append(Note(note.start, note.length, pitch, note.velocity))
    return tuple(made)
