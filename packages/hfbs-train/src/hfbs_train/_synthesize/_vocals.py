"""The vocals of a song: who sings, and each voice of the arrangement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from ._audio import RATE, Mono
from ._flite import spoken
from ._lyrics import english, kana
from ._melody import Melodist, Phrase, Range, harmony
from ._part import Struck, straight
from ._requirements import Tools
from ._score import Song
from ._singing import Delivery, Style, delivered
from ._sinsy import sung
from ._world import Timbre, Utterance, resynthesised

type Source = Literal["sinsy", "slt", "awb", "rms", "kal16"]
# The bodies of the recorded voices, by which their formants are scaled; men's first.
_MALE: Final[tuple[Source, ...]] = ("awb", "rms", "kal16")
_FEMALE: Final[tuple[Source, ...]] = ("slt", "sinsy")


@dataclass(frozen=True, slots=True)
class Singer:
    """Who sings.

    Attributes:
        source: Sinsy's voice, or one of flite's.
        male: whether the voice that comes of it is a man's.
        reach: its range.
        style: how it sings.
        scat: syllables such as la instead of words.
    """

    source: Source
    male: bool
    reach: Range
    style: Style
    scat: bool


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """One voice of the arrangement.

    Attributes:
        name: lead, double, harmony.
        audio: mono, as long as the song.
    """

    name: str
    audio: Mono


@dataclass(frozen=True, slots=True)
class Line:
    """A sung phrase, for the record: when it begins, its words, its pitches."""

    start: float
    words: str
    notes: tuple[Struck, ...]


def draw_singer(rng: np.random.Generator) -> Singer:
    """Draw a singer."""
    male = bool(rng.random() < 0.5)
    draw = rng.random()
    source: Source
    if draw < 0.4:
        source = "sinsy"
    elif draw < 0.65:
        source = "slt"
    else:
        source = _MALE[rng.integers(3)] if rng.random() < 0.85 else "kal16"
    crossing = male == (source in _FEMALE)
    formants = float(rng.uniform(0.92, 1.08))
    if crossing:
        formants = float(rng.uniform(0.8, 0.88)) if male else float(rng.uniform(1.12, 1.22))
    low = int(rng.integers(45, 51)) if male else int(rng.integers(56, 61))
    # Above 8 kHz flite's voices are made up, so less of it is heard.
    tilt = float(rng.uniform(2.0, 8.0) if source == "sinsy" else rng.uniform(0.0, 3.5))
    timbre = Timbre(formants, tilt, float(rng.choice([0.0, 0.0, 0.1, 0.25, 0.45])))
    tuned = bool(rng.random() < 0.15)  # as by a machine
    style = Style(
        timbre,
        glide=0.015 if tuned else float(rng.uniform(0.04, 0.11)),
        vibrato=0.0 if tuned else float(rng.uniform(0.0, 0.55)),
        vibrato_rate=float(rng.uniform(4.8, 6.6)),
        scoop=0.0 if tuned else float(rng.uniform(0.0, 2.2)),
        untuned=0.0 if tuned else float(rng.uniform(0.03, 0.15)),
        late=float(rng.uniform(0.0, 0.018)),
        even=float(rng.uniform(0.5, 0.95)),
    )
    return Singer(source, male, Range(low, low + int(rng.integers(13, 18))), style, bool(rng.random() < 0.12))


def arrange(
    song: Song, singer: Singer, samples: int, rng: np.random.Generator, tools: Tools, folder: Path
) -> tuple[list[Voice], list[Line]]:
    """Sing a song.

    Args:
        song: the plan.
        singer: the lead.
        samples: how many to give.
        rng: what the draws are made from.
        tools: the programs.
        folder: where their files may lie.

    Returns:
        The voices, and what the lead sings.

    Raises:
        SynthesisError: a program failed.
    """
    melodist = Melodist(song, singer.reach, rng)
    doubled = rng.random() < 0.35
    double_everywhere = rng.random() < 0.3
    harmonies = [int(each) for each in rng.choice([4, -4, 7, -5, 12, -12], 2, replace=False)][: rng.integers(0, 3)]
    speaks = "verse" if rng.random() < 0.08 else ""
    second = draw_singer(rng)
    tracks: dict[str, Mono] = {"lead": np.zeros(samples)}
    lines: list[Line] = []
    breathes = float(rng.choice([0.0, 0.02, 0.04])) * float(rng.uniform(0.5, 1.5))
    breaths: list[float] = []
    for section in song.sections:
        if "vocals" in section.silent:
            continue
        busy = section.kind == "chorus"
        for phrase in melodist.phrases(section):
            scat = singer.scat or rng.random() < 0.04
            utterance, words = _uttered(singer, phrase, song, scat, rng, tools, folder)
            if not utterance.syllables:
                continue
            notes = straight(phrase, song)
            lines.append(Line(notes[0].start, words, notes))
            talk = section.kind == speaks and singer.source != "sinsy"
            said = delivered(utterance, notes, singer.style, rng, talk)
            _add(tracks["lead"], utterance, said, singer.style.timbre)
            breaths.append(said.start)
            if doubled and (busy or double_everywhere):
                for side in ("double left", "double right"):
                    _voice(tracks, side, samples, utterance, notes, _other_take(singer.style, rng), rng)
            if busy:
                for interval in harmonies:
                    above = straight(harmony(phrase, song, interval), song)
                    style = _other_take(singer.style, rng)
                    if abs(interval) == 12:  # another body sings an octave away
                        style = replace(style, timbre=replace(style.timbre, formants=second.style.timbre.formants))
                    _voice(tracks, f"harmony {interval:+d}", samples, utterance, above, style, rng)
    lead = tracks["lead"]
    if breathes and lines:
        strength = breathes * float(np.sqrt((lead[lead != 0] ** 2).mean()))
        for before in breaths:
            _breathe(lead, before, strength, rng)
    return [Voice(name, audio) for name, audio in tracks.items()], lines


def _uttered(
    singer: Singer, phrase: Phrase, song: Song, scat: bool, rng: np.random.Generator, tools: Tools, folder: Path
) -> tuple[Utterance, str]:
    if singer.source == "sinsy":
        morae = kana(len(phrase), rng, scat)
        return sung(phrase, morae, song.tempo, folder)[0], "".join(morae)
    words = english(len(phrase), rng, scat)
    return spoken(words, singer.source, tools.flite, folder), words


def _other_take(style: Style, rng: np.random.Generator) -> Style:
    """The same person again, or nearly."""
    timbre = replace(
        style.timbre,
        formants=style.timbre.formants * float(rng.uniform(0.96, 1.04)),
        breath=min(1.0, style.timbre.breath + float(rng.uniform(0, 0.2))),
    )
    return replace(style, timbre=timbre, late=0.014, untuned=0.1)


def _voice(
    tracks: dict[str, Mono],
    name: str,
    samples: int,
    utterance: Utterance,
    notes: Sequence[Struck],
    style: Style,
    rng: np.random.Generator,
) -> None:
    track = tracks.setdefault(name, np.zeros(samples))
    _add(track, utterance, delivered(utterance, notes, style, rng, spoken=False), style.timbre)


def _add(track: Mono, utterance: Utterance, delivery: Delivery, timbre: Timbre) -> None:
    sound = resynthesised(utterance, delivery.places, delivery.f0, delivery.gain, timbre)
    first = round(delivery.start * RATE)
    piece = sound[: max(0, len(track) - first)]
    track[first : first + len(piece)] += piece


def _breathe(track: Mono, before: float, strength: float, rng: np.random.Generator) -> None:
    """Draw breath before a phrase: noise with a throat's resonances."""
    seconds = float(rng.uniform(0.18, 0.4))
    first, count = round((before - seconds - 0.05) * RATE), round(seconds * RATE)
    if first < 0 or np.any(track[first : first + count]):
        return
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    shape = sum(
        height * np.exp(-(((frequencies - centre) / width) ** 2))
        for centre, width, height in ((1700, 600, 1.0), (3400, 900, 0.6), (6500, 2500, 0.35))
    )
    noise = np.fft.irfft(spectrum * shape, count)
    swell = np.sin(np.pi * np.linspace(0, 1, count) ** 1.5) ** 2
    track[first : first + count] += noise * swell * (strength / max(float(noise.std()), 1e-9))
