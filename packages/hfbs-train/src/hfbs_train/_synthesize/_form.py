"""A song's plan: how fast, in which key, from which sections, which stems rest where."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ._grooves import Family
from ._harmony import loop, tonic
from ._score import Bar, Key, Mode, Section, Song, Stem

_TAIL = 2.5  # seconds that the last chord rings


def plan(families: Sequence[Family], seconds: tuple[float, float], rng: np.random.Generator) -> Song:
    """Draw a song.

    Args:
        families: the grooves to choose from.
        seconds: the shortest and the longest that it may last, its last chord's ringing included: at least 15, and the
            longest 1.3 times the shortest or more, so that a number of bars fits.
        rng: what the draws are made from.
    """
    by_beats = {beats: [family for family in families if family.beats == beats] for beats in (3, 4, 6)}
    beats = int(rng.choice([4, 4, 4, 4, 4, 3, 6])) if all(by_beats.values()) else families[0].beats
    family = by_beats[beats][rng.integers(len(by_beats[beats]))]
    tempo = float(np.round(rng.uniform(150, 260) if beats == 6 else _tempo(rng), 1))
    mode: Mode = "major" if rng.random() < 0.6 else "minor"
    key = Key(int(rng.integers(12)), mode)
    bar_seconds = beats * 60.0 / tempo
    shortest, longest = ((limit - _TAIL) / bar_seconds for limit in seconds)
    bars = int(rng.integers(max(4, int(np.ceil(shortest))), int(longest) + 1))
    sections = _sections(key, family, bars, bar_seconds, rng)
    swing = float(rng.uniform(0.08, 0.16)) if family.swing else 0.0
    return Song(key, tempo, beats, swing, family.library, sections)


def length(song: Song) -> float:
    """Seconds from the first sample to the last, with the ringing of the last chord."""
    return song.seconds(song.beats) + _TAIL


def _tempo(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(108, 26), 60, 180))


def _sections(key: Key, family: Family, bars: int, bar_seconds: float, rng: np.random.Generator) -> tuple[Section, ...]:
    richness = float(rng.choice([0.0, 0.15, 0.4, 0.8]))
    unit = 8 if bar_seconds * 8 < 17 else 4
    unit = unit if bars >= 3 * unit else 4 if bars >= 12 else 2
    loops = {kind: loop(key, rng, richness) for kind in ("verse", "chorus", "bridge")}
    if rng.random() < 0.3:
        loops["chorus"] = loops["verse"]
    verse, chorus = (str(rng.choice(family.main)) for _ in range(2))
    grooves = {"verse": verse, "intro": verse, "break": chorus, "bridge": verse, "chorus": chorus, "outro": chorus}
    made: list[Section] = []
    first = 0
    for kind, count in _kinds(bars, unit, rng):
        chords = loops.get(kind, loops["verse" if kind == "intro" else "chorus"])
        body: list[Bar] = [chords[index % len(chords)] for index in range(count)]
        last = first + count >= bars
        if last:
            body[-1] = (tonic(key),)
        end = str(rng.choice(family.end if last and family.end else family.fill or (grooves[kind],)))
        last_groove = end if rng.random() < 0.7 else grooves[kind]
        made.append(Section(kind, first, tuple(body), grooves[kind], last_groove, _silent(kind, rng)))
        first += count
    return tuple(made)


def _kinds(bars: int, unit: int, rng: np.random.Generator) -> list[tuple[str, int]]:
    """Names and lengths of sections that add up to so many bars, most of them sung."""
    kinds: list[tuple[str, int]] = []
    left = bars
    if rng.random() < 0.85 and bars >= 3 * unit:
        kinds.append(("intro", max(1, unit // int(rng.choice([1, 1, 2, 2, 4])))))
        left -= kinds[-1][1]
    cycle = ["verse", "chorus"] if rng.random() < 0.75 else ["verse", "verse", "chorus"]
    if rng.random() < 0.2:
        cycle = ["chorus", "verse"]
    middle = str(rng.choice(["break", "bridge", "break"]))
    place = int(rng.integers(2, 4))
    sung = 0
    while left > 0:
        kind = middle if sung == place else cycle[(sung - (sung > place)) % len(cycle)]
        sung += 1
        count = min(left, unit if kind != "break" else max(2, unit // int(rng.choice([1, 1, 2]))))
        if left - count < 2:
            count = left
        kinds.append((kind, count))
        left -= count
    if len(kinds) > 3 and rng.random() < 0.4:
        kinds[-1] = ("outro", kinds[-1][1])
    return kinds


# Which stems rest besides the vocals or alone, and in how many of a hundred sections.
_RESTS: Final[Mapping[str, tuple[tuple[int, tuple[Stem, ...]], ...]]] = {
    "intro": ((30, ("drums",)), (15, ("bass",))),
    "break": ((10, ("other",)), (8, ("bass", "other")), (7, ("drums",))),
    "bridge": ((25, ("drums",)), (15, ("bass", "drums"))),
    "verse": ((8, ("bass",)), (6, ("other",)), (8, ("drums",))),
}


def _silent(kind: str, rng: np.random.Generator) -> frozenset[Stem]:
    """Which stems rest: the voice where nothing is sung, the others now and then, never all."""
    draw = 100 * rng.random()
    unsung = kind in ("intro", "break") or (kind == "outro" and draw < 70)
    rests: tuple[Stem, ...] = ()
    for share, stems in _RESTS.get(kind, ()):
        if 0 <= draw < share:
            rests = stems
        draw -= share
    return frozenset((*rests, "vocals") if unsung else rests)
