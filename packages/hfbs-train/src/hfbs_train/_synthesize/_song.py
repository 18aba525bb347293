"""One song, from a seed and a number to its stems and the record of how they were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._accompaniment import band
from ._audio import RATE, Audio
from ._form import length, plan
from ._grooves import families
from ._instruments import CHOIRS, LEADS, PADS
from ._melody import Melodist
from ._mix import Desk, at_level, mastered
from ._oscillators import draw_patch, oscillate
from ._part import Part, Struck, humanised, resting, straight
from ._requirements import Tools
from ._score import STEMS, Song, Stem
from ._soundfont import play
from ._vocals import Line, Singer, Voice, arrange, draw_singer

_OWN = "Oscillators"


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """A song that sounds.

    Attributes:
        song: its plan.
        stems: float32, shape (2, time) each, at 44100 Hz.
        parts: what the instruments play, and the soundfont of each, empty for our own synthesiser.
        singer: the lead.
        lines: what is sung.
        levels: decibels of each stem's loudness before the limiter.
    """

    song: Song
    stems: Mapping[Stem, Audio]
    parts: Sequence[tuple[Part, str]]
    singer: Singer
    lines: Sequence[Line]
    levels: Mapping[Stem, float]


def render(seed: int, number: int, seconds: tuple[float, float], tools: Tools, folder: Path) -> Rendered:
    """Compose, play, sing and mix a song; the same arguments and versions give the same samples.

    Args:
        seed: of all songs.
        number: of this one, from 1.
        seconds: the shortest and the longest that it may last.
        tools: the programs.
        folder: where their files may lie.

    Raises:
        SynthesisError: a program failed.
    """
    # A stream of draws for each matter, so that one that draws more shifts no other.
    form, playing, singing, mixing = (
        np.random.default_rng(each) for each in np.random.SeedSequence([seed, number]).spawn(4)
    )
    song = plan(families(), seconds, form)
    samples = round(length(song) * RATE)
    parts = [part for part in _parts(song, playing, tools, folder) if part.notes]
    fonts = sorted(tools.soundfonts)
    chosen = [(part, "" if part.name.startswith(_OWN) else str(playing.choice(fonts))) for part in parts]
    singer = draw_singer(singing)
    voices, lines = arrange(song, singer, samples, singing, tools, folder)
    desk = Desk(song.tempo, mixing)
    stems: dict[Stem, Audio] = {stem: np.zeros((2, samples), np.float32) for stem in STEMS}
    for part, font in chosen:
        if part.name.startswith(_OWN):
            patch = draw_patch(playing, held=part.name.endswith("Pad"))
            dry = oscillate(part, samples, patch, playing)
        else:
            dry = play(part, samples, tools.fluidsynth, tools.soundfonts[font], folder)
        if dry.any():
            stems[part.stem] += _instrument(part, dry, desk, mixing)
    for voice in voices:
        if voice.audio.any():
            stems["vocals"] += _voice(voice, desk, mixing)
    levels = _levels(mixing)
    mixed = mastered(stems, levels, float(mixing.uniform(0, 7)))
    return Rendered(song, mixed, chosen, singer, lines, levels)


def _parts(song: Song, rng: np.random.Generator, tools: Tools, folder: Path) -> list[Part]:
    """The band, and what is added to it: a lead where nobody sings, a pad, a choir in the choruses."""
    parts = band(song, rng, tools.mma, folder)
    if rng.random() < 0.8:
        parts.append(_lead(song, rng))
    if rng.random() < 0.35:
        everywhere = tuple(section.kind for section in song.sections)
        parts.append(Part("Pad", "other", int(rng.choice(PADS)), False, _chords(song, everywhere, 52)))
    if rng.random() < 0.4:
        parts.append(_synthesiser(song, rng))
    if rng.random() < 0.15:
        parts.append(Part("Choir", "vocals", int(rng.choice(CHOIRS)), False, _chords(song, ("chorus",), 58)))
    return [humanised(resting(part, song), song, rng) for part in parts]


def _synthesiser(song: Song, rng: np.random.Generator) -> Part:
    """Chords or broken chords, for our own synthesiser."""
    kinds = [section.kind for section in song.sections if rng.random() < 0.8]
    if rng.random() < 0.4:
        return Part(f"{_OWN} Pad", "other", 0, False, _chords(song, kinds, int(rng.integers(48, 62))))
    step = float(rng.choice([0.5, 0.5, 0.25, 1.0])) * (2.0 if song.tempo > 140 else 1.0)
    low = int(rng.integers(50, 66))
    order: list[int] = rng.permutation(8).tolist()
    notes: list[Struck] = []
    for section in (each for each in song.sections if each.kind in kinds):
        first = section.first_bar * song.beats_per_bar
        for index in range(int(len(section.bars) * song.beats_per_bar / step)):
            beat = first + index * step
            chord = song.chord_at(beat).pitch_classes
            pitches = [pitch for pitch in range(low, low + 20) if pitch % 12 in chord]
            times = song.seconds(beat), song.seconds(beat + 0.8 * step)
            notes.append(Struck(*times, pitches[order[index % 8] % len(pitches)], 100 if index % 4 == 0 else 82))
    return Part(f"{_OWN} Arpeggio", "other", 0, False, tuple(notes))


def _lead(song: Song, rng: np.random.Generator) -> Part:
    program = int(rng.choice(list(LEADS)))
    melodist = Melodist(song, LEADS[program], rng)
    notes = [
        note
        for section in song.sections
        if "vocals" in section.silent
        for phrase in melodist.phrases(section)
        for note in phrase
    ]
    return Part("Lead", "other", program, False, straight(notes, song))


def _chords(song: Song, kinds: Sequence[str], low: int) -> tuple[Struck, ...]:
    """Each chord of these sections, held, within the octave and a half above a pitch."""
    notes: list[Struck] = []
    for section in song.sections:
        for index, bar in enumerate(section.bars if section.kind in kinds else ()):
            first = (section.first_bar + index) * song.beats_per_bar
            for order, chord in enumerate(bar):
                start = first + order * ((song.beats_per_bar + 1) // 2)
                end = first + song.beats_per_bar if order == len(bar) - 1 else first + (song.beats_per_bar + 1) // 2
                pitches = [pitch for pitch in range(low, low + 16) if pitch % 12 in chord.pitch_classes][:4]
                times = start * 60 / song.tempo, end * 60 / song.tempo
                notes += [Struck(*times, pitch, 72) for pitch in pitches]
    return tuple(notes)


def _instrument(part: Part, dry: Audio, desk: Desk, rng: np.random.Generator) -> Audio:
    match part:
        case Part(stem="drums"):
            return at_level(desk.drums(dry), 0.0 if part.percussion else -9.0)
        case Part(stem="bass"):
            return at_level(desk.bass(dry), 0.0)
        case Part(stem="vocals"):
            return at_level(desk.voice(dry, 0.0), float(rng.uniform(-12, -6)))
        case _:
            usual = {"Pad": -5.0, "Lead": 2.0, f"{_OWN} Pad": -4.0}.get(part.name, 0.0)
            return at_level(desk.instrument(dry), usual + float(rng.normal(0, 3)))


def _voice(voice: Voice, desk: Desk, rng: np.random.Generator) -> Audio:
    stereo = np.stack([voice.audio, voice.audio]).astype(np.float32)
    match voice.name.partition(" ")[0]:
        case "lead":
            return at_level(desk.voice(stereo, float(np.clip(rng.normal(0, 0.05), -0.2, 0.2))), 0.0)
        case "double":
            side = -1.0 if voice.name.endswith("left") else 1.0
            return at_level(desk.voice(stereo, side * float(rng.uniform(0.3, 0.9))), float(rng.uniform(-10, -4)))
        case _:
            return at_level(desk.voice(stereo, float(rng.uniform(-0.6, 0.6))), float(rng.uniform(-9, -3)))


def _levels(rng: np.random.Generator) -> dict[Stem, float]:
    return {
        "vocals": float(rng.uniform(-3, 6)),
        "drums": float(np.clip(rng.normal(0, 2), -5, 5)),
        "bass": float(np.clip(rng.normal(-0.5, 2), -5, 5)),
        "other": float(np.clip(rng.normal(0, 2), -5, 5)),
    }
