"""How a phrase is sung: when each syllable sounds, how the pitch moves from note to note, how loud it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._part import Struck
from ._world import PERIOD, Frames, Timbre, Utterance

_LEVEL = -30.0  # decibels of an envelope's mean power that vowels are brought to
_CODA = 0.12  # seconds that consonants after a vowel get at most


@dataclass(frozen=True, slots=True)
class Style:
    """A singer's habits.

    Attributes:
        timbre: of the voice.
        glide: seconds that the pitch takes from a note to the next, about.
        vibrato: its depth in semitones.
        vibrato_rate: in Hz.
        scoop: semitones below the first note of a phrase that the voice begins at.
        untuned: standard deviation of a note's pitch, in semitones.
        late: standard deviation of a note's beginning, in seconds.
        even: 0 to 1, how far loudness is brought to one level.
    """

    timbre: Timbre
    glide: float
    vibrato: float
    vibrato_rate: float
    scoop: float
    untuned: float
    late: float
    even: float


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A phrase in frames of five milliseconds: what of the utterance sounds when, at which pitch, how loud.

    Attributes:
        start: of the first frame, in seconds of the song.
        places: the time of the utterance, in seconds.
        f0: in Hz; 0 where nothing is voiced.
        gain: in decibels.
    """

    start: float
    places: Frames
    f0: Frames
    gain: Frames


def assigned(count: int, syllables: int) -> list[tuple[int, int]]:
    """For each syllable that is sung, its first note and the one after its last: the last holds what is left over."""
    used = min(count, syllables)
    return [(index, index + 1 if index < used - 1 else count) for index in range(used)]


def delivered(
    utterance: Utterance, notes: Sequence[Struck], style: Style, rng: np.random.Generator, spoken: bool
) -> Delivery:
    """Lay an utterance onto notes.

    Args:
        utterance: what is sung; at least one syllable.
        notes: what it is sung to, at least one.
        style: how.
        rng: what is different each time.
        spoken: keep the melody of speech, as rap does, around the notes' mean pitch.
    """
    groups = assigned(len(notes), len(utterance.syllables))
    shifts = np.clip(rng.normal(0, style.late, len(notes)), -0.05, 0.05) if style.late else np.zeros(len(notes))
    starts = [max(0.0, note.start + shift) for note, shift in zip(notes, shifts, strict=True)]
    new, old = _anchors(utterance, notes, starts, groups)
    start = max(0.0, new[0])
    frames = int(np.ceil((new[-1] - start) / PERIOD)) + 1
    times: Frames = start + PERIOD * np.arange(frames, dtype=np.float64)
    places = np.interp(times, new, old)
    voiced = np.interp(places / PERIOD, np.arange(len(utterance.f0)), (utterance.f0 > 0).astype(float)) > 0.5
    for syllable in utterance.syllables[: len(groups)]:
        voiced |= (places > syllable.vowel + 0.01) & (places < syllable.vowel_end - 0.01)
    if spoken:
        own = np.where(utterance.f0 > 0, utterance.f0, np.nan)
        known = np.flatnonzero(~np.isnan(own))
        if known.size:
            line = np.interp(places / PERIOD, known, np.log2(own[known]))
            middle = np.mean([note.pitch for note in notes])
            semitones = middle + 12 * (line - line.mean())
        else:
            semitones = np.full(frames, float(notes[0].pitch))
    else:
        semitones = contour(times, notes, starts, style, rng)
    f0 = np.where(voiced, 440.0 * 2.0 ** ((semitones - 69) / 12), 0.0)
    return Delivery(start, places, f0, _loudness(utterance, times, notes, starts, groups, style))


def contour(
    times: Frames, notes: Sequence[Struck], starts: Sequence[float], style: Style, rng: np.random.Generator
) -> Frames:
    """The pitch of a sung phrase, in semitones as MIDI counts: glides, scoops, vibrato, and a human's unsteadiness."""
    semitones = np.full(len(times), float(notes[0].pitch))
    for note, start in zip(notes, starts, strict=True):
        semitones[times >= start - 0.4 * style.glide] = note.pitch + rng.normal(0, style.untuned)
    reach = max(1, round(style.glide / PERIOD))
    window = np.hanning(2 * reach + 1)[1:-1]
    padded = np.pad(semitones, len(window) // 2, mode="edge")
    semitones = np.convolve(padded, window / window.sum(), "valid")[: len(times)]
    phase = 2 * np.pi * np.cumsum(style.vibrato_rate * (1 + 0.05 * _drift(len(times), 0.4, rng))) * PERIOD
    for note, start in zip(notes, starts, strict=True):
        length = note.end - start
        if length > 0.3 and style.vibrato > 0:
            ramp = np.clip((times - start - 0.12 - 0.2 * min(length, 1.0)) / 0.35, 0, 1)
            ramp *= np.clip((note.end - times) / 0.08, 0, 1)
            semitones = semitones + style.vibrato * rng.uniform(0.6, 1.2) * ramp * np.sin(phase)
        if note is notes[0] or rng.random() < 0.15:
            semitones = semitones - style.scoop * np.exp(-np.maximum(times - start, 0) / 0.07) * (times >= start - 0.1)
    if rng.random() < 0.3:
        semitones = semitones - rng.uniform(0.5, 2.0) * np.clip((times - notes[-1].end + 0.12) / 0.15, 0, 1) ** 2
    wobble: Frames = semitones + 0.06 * _drift(len(times), 0.25, rng) + 0.025 * _drift(len(times), 0.02, rng)
    return wobble


def _anchors(
    utterance: Utterance, notes: Sequence[Struck], starts: Sequence[float], groups: Sequence[tuple[int, int]]
) -> tuple[Frames, Frames]:
    """Times of the song, and those of the utterance that sound then; both ascend."""
    new: list[float] = []
    old: list[float] = []
    for order, (first, after) in enumerate(groups):
        syllable = utterance.syllables[order]
        last_end = notes[after - 1].end
        begin = starts[first]
        room = begin - (new[-1] if new else begin - 0.3)
        onset = min(syllable.vowel - syllable.start, max(0.02, 0.8 * room))
        end = last_end
        if order + 1 < len(groups):
            following = utterance.syllables[order + 1]
            next_start = starts[groups[order + 1][0]]
            pause = next_start - last_end
            needed = min(following.vowel - following.start, 0.35 * (next_start - begin))
            end = min(last_end, next_start - needed) if pause < 0.12 else last_end
        coda = min(syllable.end - syllable.vowel_end, _CODA, 0.3 * max(end - begin, 0.03))
        end = max(end, begin + 0.04)
        vowel = syllable.vowel_end - syllable.vowel
        # The vowel's beginning and end pass as they were spoken; its middle is stretched.
        edge = min(0.3 * vowel, 0.3 * max(end - coda - begin, 0.02))
        points = [
            (begin - onset, syllable.start),
            (begin, syllable.vowel),
            (begin + edge, syllable.vowel + edge),
            (end - coda - edge, syllable.vowel_end - edge),
            (end - coda, syllable.vowel_end),
            (end, syllable.end),
        ]
        for at, place in points:
            new.append(max(at, (new[-1] + 1e-4) if new else max(at, 0.0)))
            old.append(max(place, old[-1] if old else place))
    return np.array(new), np.array(old)


def _loudness(
    utterance: Utterance,
    times: Frames,
    notes: Sequence[Struck],
    starts: Sequence[float],
    groups: Sequence[tuple[int, int]],
    style: Style,
) -> Frames:
    """Vowels brought towards one level, louder notes louder; fading in and out at the phrase's ends and in its gaps."""
    power = 10 / np.log(10) * np.log(np.exp(utterance.envelope).mean(axis=1))
    centres: list[float] = []
    gains: list[float] = []
    for order, (first, after) in enumerate(groups):
        syllable = utterance.syllables[order]
        begin = int(syllable.vowel / PERIOD)
        inside = power[begin : max(int(syllable.vowel_end / PERIOD), begin + 1)]
        level = float(np.max(inside, initial=-80.0)) if inside.size else _LEVEL
        wanted = _LEVEL + 0.12 * (notes[first].velocity - 90)
        centres.append((starts[first] + notes[after - 1].end) / 2)
        own = style.even * (wanted - level) + (1 - style.even) * (wanted + 5 - float(power.max()))
        gains.append(float(np.clip(own, -30, 40)))
    gain = np.interp(times, centres, gains)
    audible = np.zeros(len(times))
    for first, after in groups:
        begin, end = starts[first] - 0.25, notes[after - 1].end
        audible = np.maximum(
            audible, np.clip((times - begin) / 0.01, 0, 1) * np.clip((end + 0.03 - times) / 0.06, 0, 1)
        )
    fade: Frames = gain + 20 * np.log10(np.maximum(audible, 1e-4))
    return fade


def _drift(count: int, seconds: float, rng: np.random.Generator) -> Frames:
    """Smooth noise of variance about 1."""
    step = max(1, round(seconds / PERIOD))
    knots = rng.normal(0, 1, count // step + 3)
    noise: Frames = np.interp(np.arange(count) / step, np.arange(len(knots)), knots)
    return noise
