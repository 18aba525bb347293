"""Songs that are rendered: composed in time and in key, sung where the notes are, mixed so that stems add up."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hfbs_train import SynthesisError
from hfbs_train._synthesize import _requirements, _work
from hfbs_train._synthesize._accompaniment import _tracks, score
from hfbs_train._synthesize._audio import RATE
from hfbs_train._synthesize._effects import (
    compressed,
    convolved,
    echoes,
    equaliser,
    limiter_gain,
    placed,
    room,
    saturated,
)
from hfbs_train._synthesize._flite import segments, syllables
from hfbs_train._synthesize._form import length, plan
from hfbs_train._synthesize._grooves import families, stem_of
from hfbs_train._synthesize._lyrics import _lists, english, kana
from hfbs_train._synthesize._melody import Melodist, Range, harmony
from hfbs_train._synthesize._mix import PEAK, at_level, loudness, mastered
from hfbs_train._synthesize._oscillators import draw_patch, oscillate
from hfbs_train._synthesize._part import Part, Struck, humanised, resting, straight
from hfbs_train._synthesize._requirements import Tools, find_tools
from hfbs_train._synthesize._score import QUALITIES, STEMS, Chord, Key, Note, Song, Stem
from hfbs_train._synthesize._singing import Style, assigned, contour, delivered
from hfbs_train._synthesize._sinsy import music_xml
from hfbs_train._synthesize._song import Rendered
from hfbs_train._synthesize._soundfont import play
from hfbs_train._synthesize._vocals import Line, Singer, draw_singer
from hfbs_train._synthesize._world import PERIOD, Syllable, Timbre, Utterance, analysed, resynthesised
from hfbs_train.cli import main

SEEDS = st.integers(0, 2**32 - 1)
PLAIN = Style(Timbre(1.0, 0.0, 0.0), 0.05, 0.0, 5.5, 0.0, 0.0, 0.0, 0.8)


def song_of(seed: int, seconds: tuple[float, float] = (40.0, 90.0)) -> Song:
    return plan(families(), seconds, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def tools() -> Tools:
    try:
        return find_tools()
    except SynthesisError as error:
        pytest.skip(str(error))


# The plan


@given(SEEDS, st.floats(15, 400))
@settings(max_examples=60, deadline=None)
def test_a_song_is_as_long_as_asked_for_and_its_sections_follow_each_other(seed: int, shortest: float):
    song = song_of(seed, (shortest, 1.3 * shortest))
    assert shortest - 1e-9 <= length(song) <= 1.3 * shortest + 1e-9
    assert song.beats_per_bar in (3, 4, 6)
    assert 60 <= song.tempo <= (260 if song.beats_per_bar == 6 else 180)
    first = 0
    for section in song.sections:
        assert section.first_bar == first
        first += len(section.bars)
        assert not section.silent >= {"drums", "bass", "other"}
    assert any("vocals" not in section.silent for section in song.sections)


def test_songs_differ_in_what_makes_music():
    songs = [song_of(seed) for seed in range(150)]
    assert len({song.key for song in songs}) > 20
    assert len({song.library for song in songs}) > 60
    assert {song.beats_per_bar for song in songs} == {3, 4, 6}
    assert {section.kind for song in songs for section in song.sections} == {
        "intro", "verse", "chorus", "bridge", "break", "outro",
    }  # fmt: skip
    unsung = [
        sum(len(section.bars) for section in song.sections if "vocals" in section.silent) / song.bars for song in songs
    ]
    assert 0.15 < np.mean(unsung) < 0.5
    assert len({section.bars for song in songs for section in song.sections}) > 300


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_mma_gets_every_bar_with_chords_that_it_knows(seed: int):
    song = song_of(seed)
    lines = score(song, 5).splitlines()
    bars = [line.split() for line in lines if line[0].isdigit()]
    playing = ""
    assert [int(bar[0]) for bar in bars] == list(range(1, song.bars + 1))
    for bar in bars:
        assert len(bar) == song.beats_per_bar + 1
        number = int(bar[0]) - 1
        for beat, written in enumerate(bar[1:]):  # the melody is in the chords that the band plays
            playing = written if written != "/" else playing
            assert song.chord_at(number * song.beats_per_bar + beat).named(song.key) == playing
        for chord in (each for each in bar[1:] if each != "/"):
            root = chord[:2] if chord[1:2] in ("#", "b") else chord[:1]
            assert root[0] in "ABCDEFG"
            assert chord.removeprefix(root) in QUALITIES
    assert lines[0] == "RndSeed 5"
    assert lines[1] == f"Tempo {song.tempo}"


def test_a_chord_is_spelled_as_its_key_has_it():
    assert Chord(10, "m7").named(Key(5, "major")) == "Bbm7"
    assert Chord(10, "").named(Key(4, "major")) == "A#"
    assert Key(9, "minor").scale == Key(0, "major").scale


# Melodies


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_melody_keeps_to_its_range_its_section_and_one_note_at_a_time(seed: int):
    song, reach = song_of(seed), Range(57, 72)
    melodist = Melodist(song, reach, np.random.default_rng(seed))
    for section in song.sections:
        first = section.first_bar * song.beats_per_bar
        last = first + len(section.bars) * song.beats_per_bar
        phrases = melodist.phrases(section)
        notes = [note for phrase in phrases for note in phrase]
        assert all(reach.low <= note.pitch <= reach.high for note in notes)
        assert all(first <= note.start and note.end <= last + 1e-6 for note in notes)
        assert all(a.end <= b.start + 1e-6 for a, b in pairwise(notes))
        assert melodist.phrases(section) == phrases  # a section that comes again is known again
        for phrase in phrases:
            assert phrase[-1].pitch % 12 in song.chord_at(phrase[-1].start).pitch_classes


@given(SEEDS, st.sampled_from([4, -4, 7, -5, 12, -12]))
@settings(max_examples=30, deadline=None)
def test_a_second_voice_sings_with_the_first_in_its_chords_or_its_scale(seed: int, interval: int):
    song = song_of(seed)
    phrase = Melodist(song, Range(57, 72), np.random.default_rng(seed)).phrases(song.sections[0])[0]
    for first, second in zip(phrase, harmony(phrase, song, interval), strict=True):
        assert (first.start, first.length) == (second.start, second.length)
        chord = song.chord_at(first.start).pitch_classes
        assert second.pitch % 12 in chord | song.key.scale or second.pitch == first.pitch
        assert abs(second.pitch - first.pitch - interval) <= 2 or second.pitch == first.pitch


def test_swing_delays_second_halves_of_beats_alone():
    song = replace(song_of(1), tempo=60.0, swing=0.1)
    assert [round(song.seconds(beat), 6) for beat in (0, 0.25, 0.5, 0.75, 1, 7)] == [0, 0.3, 0.6, 0.8, 1, 7]
    assert replace(song, swing=0.0).seconds(2.75) == 2.75


# The band


@pytest.mark.parametrize(
    ("track", "channel", "program", "stem"),
    [
        ("Drum", 9, 0, "drums"),
        ("SplashCymbal", 9, 25, "drums"),
        ("Chord-Tom", 3, 117, "drums"),
        ("Walk", 2, 32, "bass"),
        ("Bass-Syn", 2, 38, "bass"),
        ("FingeredBass", 2, 33, "bass"),
        ("Bass-Tuba", 2, 58, "bass"),
        ("Bass-Sax", 2, 66, "other"),
        ("Walk-Piano", 2, 0, "other"),
        ("Chord-Brass", 2, 58, "other"),
        ("Arpeggio", 2, 46, "other"),
    ],
)
def test_a_track_belongs_to_the_stem_of_its_instrument(track: str, channel: int, program: int, stem: Stem):
    assert stem_of(track, channel, program) == stem


@pytest.mark.parametrize("start", range(0, len(families()), 37))
def test_the_grooves_have_drums_a_bass_and_something_else(start: int, tools: Tools, tmp_path: Path):
    family = families()[start]
    for groove in family.main:
        bars = [
            f"{number} {chord}{' /' * (family.beats - 1)}" for number, chord in enumerate(("C", "Am", "F", "G7"), 1)
        ]
        text = "\n".join(["RndSeed 1", "Tempo 120", f"Groove {family.library}:{groove}", *bars]) + "\n"
        (tmp_path / "all.mma").write_text(text)
        subprocess.run([tools.mma, "-f", "all.mid", "all.mma"], cwd=tmp_path, check=True, capture_output=True)
        stems = {stem_of(*track[:3]) for track in _tracks(tmp_path / "all.mid", 0.5)}
        assert stems == {"drums", "bass", "other"}, groove


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_stem_is_silent_where_it_rests(seed: int):
    song = song_of(seed)
    bar = song.beats_per_bar * 60 / song.tempo
    everywhere = tuple(Struck(bar * at / 2, bar * (at + 3) / 2, 40, 90) for at in range(2 * song.bars))
    rng = np.random.default_rng(seed)
    for stem in ("drums", "bass", "other"):
        part = humanised(resting(Part("x", stem, 0, False, everywhere), song), song, rng)
        for section in song.sections:
            first, last = section.first_bar * bar, (section.first_bar + len(section.bars)) * bar
            inside = [note for note in part.notes if first + 0.05 < note.start < last - 0.1 * bar - 0.05]
            if stem in section.silent:
                assert not inside
                assert not [note for note in part.notes if note.start < first - 0.1 * bar and note.end > first + 0.1]
            else:
                assert inside


def test_a_note_sounds_when_the_part_says(tools: Tools, tmp_path: Path):
    starts = (0.5, 1.25, 2.0)
    part = Part("x", "other", 0, False, tuple(Struck(at, at + 0.3, 60, 110) for at in starts))
    font = next(iter(tools.soundfonts.values()))
    audio = play(part, 3 * RATE, tools.fluidsynth, font, tmp_path)
    assert audio.shape == (2, 3 * RATE)
    assert np.abs(audio[:, : round(0.499 * RATE)]).max() < 1e-6
    for at in starts:
        before, after = (np.abs(audio[:, round(t * RATE) : round((t + 0.02) * RATE)]).max() for t in (at - 0.02, at))
        assert after > 4 * before
    assert np.array_equal(audio, play(part, 3 * RATE, tools.fluidsynth, font, tmp_path))


def test_parts_are_played_in_a_folder_that_is_named_from_here(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("work").mkdir()
    part = Part("x", "other", 0, False, (Struck(0.1, 0.3, 60, 110),))
    assert play(part, RATE, tools.fluidsynth, next(iter(tools.soundfonts.values())), Path("work")).any()


@given(st.integers(36, 90), SEEDS, st.booleans())
@settings(max_examples=15, deadline=None)
def test_oscillators_play_their_notes_and_nothing_before_or_long_after(pitch: int, seed: int, held: bool):
    rng = np.random.default_rng(seed)
    patch = replace(draw_patch(rng, held), detune=0.1)
    audio = oscillate(Part("x", "other", 0, False, (Struck(1.0, 2.0, pitch, 100),)), 5 * RATE, patch, rng)
    assert not audio[:, : RATE - 1].any()
    assert not audio[:, round((2.1 + 3 * patch.release) * RATE) :].any()
    spectrum = np.abs(np.fft.rfft(audio[:, RATE : 2 * RATE].sum(axis=0) * np.hanning(RATE)))
    octaves = np.log2(spectrum.argmax() / (440 * 2 ** ((pitch - 69) / 12)))
    assert abs(octaves - round(octaves * 12) / 12) < 0.02


# Singing


def test_phones_are_grouped_around_their_vowels():
    phones = segments("pau:0.2 s:0.3 t:0.35 aa:0.5 n:0.6 s:0.7 t:0.75 r:0.8 iy:1.0 t:1.1 pau:1.3 ay:1.5 pau:1.6 ")
    assert phones[1] == ("s", 0.2, 0.3)
    first, second, third = syllables(phones)
    assert (first.start, first.vowel, first.vowel_end, first.end) == (0.2, 0.35, 0.5, 0.7)
    assert (second.start, second.vowel, second.end) == (0.7, 0.8, 1.1)
    assert (third.start, third.vowel, third.vowel_end, third.end) == (1.3, 1.3, 1.5, 1.5)


@given(st.integers(1, 30), st.integers(1, 30))
def test_every_note_is_sung_by_one_syllable(count: int, given_syllables: int):
    groups = assigned(count, given_syllables)
    assert [note for first, after in groups for note in range(first, after)] == list(range(count))


@given(st.integers(1, 25), st.booleans(), SEEDS)
@settings(max_examples=40, deadline=None)
def test_there_are_as_many_syllables_as_asked_for(count: int, scat: bool, seed: int):
    rng = np.random.default_rng(seed)
    assert len(kana(count, rng, scat)) == count
    sizes = {word: size for size in (3, 2, 1) for word in _lists()[f"words_{size}"]} | dict.fromkeys(
        _lists()["scat"], 1
    )
    assert sum(sizes[word] for word in english(count, rng, scat).split()) == count


def utterance(count: int) -> Utterance:
    """Syllables of 0.3 s: 0.08 s of consonants, 0.18 s of vowel, 0.04 s of consonants."""
    frames = round(0.3 * count / PERIOD)
    places = np.arange(frames) * PERIOD % 0.3
    f0 = np.where((places >= 0.08) & (places < 0.26), 120.0, 0.0)
    bins = np.arange(513)
    envelope = np.tile(-8 - 0.01 * bins, (frames, 1))
    parts = tuple(Syllable(0.3 * n, 0.3 * n + 0.08, 0.3 * n + 0.26, 0.3 * n + 0.3) for n in range(count))
    return Utterance(16000, f0, envelope, np.full((frames, 513), 0.1), parts)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_vowels_begin_with_their_notes_and_pitches_are_the_notes(seed: int):
    song = song_of(seed)
    phrase = Melodist(song, Range(57, 72), np.random.default_rng(seed)).phrases(song.sections[-1])[0]
    notes = [replace(note, start=note.start + 1, end=note.end + 1) for note in straight(phrase, song)]
    said = delivered(utterance(len(notes)), notes, PLAIN, np.random.default_rng(seed), spoken=False)
    times = said.start + PERIOD * np.arange(len(said.places))
    assert np.all(np.diff(said.places) >= 0)
    assert said.start <= notes[0].start
    assert times[-1] <= notes[-1].end + 0.1
    for order, note in enumerate(notes):
        assert np.interp(note.start, times, said.places) == pytest.approx(0.3 * order + 0.08, abs=0.02)
        middle = (times > note.start + 0.06) & (times < note.end - 0.08) & (said.f0 > 0)
        if middle.any():
            sung = 69 + 12 * np.log2(said.f0[middle] / 440)
            assert np.abs(np.median(sung) - note.pitch) < 0.5


def test_vibrato_sways_around_the_note_at_its_rate():
    times = np.arange(0, 3, PERIOD)
    note = Struck(0.0, 3.0, 60, 90)
    style = replace(PLAIN, vibrato=0.5, vibrato_rate=5.0)
    pitch = contour(times, [note], [0.0], style, np.random.default_rng(3))[200:500]
    spectrum = np.abs(np.fft.rfft(pitch - pitch.mean()))
    assert 4.0 < np.fft.rfftfreq(300, PERIOD)[spectrum.argmax()] < 6.0
    assert 0.2 < np.ptp(pitch) / 2 < 1.0
    assert abs(pitch.mean() - 60) < 0.3


def test_sinsy_gets_whole_measures_and_every_note():
    phrase = (Note(8.0, 0.5, 60, 90), Note(8.5, 1.0, 61, 90), Note(10.0, 2.25, 71, 90))
    root = ElementTree.fromstring(music_xml(phrase, ["か", "き", "く"], 100.0, 12, 1.0).partition("\n")[2])
    durations = [int(each.text or "") for each in root.iter("duration")]
    divisions, beats = (int(root.findtext(f".//{name}") or "") for name in ("divisions", "beats"))
    assert sum(durations) == divisions * beats
    assert [each.text for each in root.iter("text")] == ["か", "き", "く"]
    pitches = [(p.findtext("step"), p.findtext("alter"), p.findtext("octave")) for p in root.iter("pitch")]
    assert pitches == [("C", "0", "5"), ("C", "1", "5"), ("B", "0", "5")]
    notes = list(root.iter("note"))
    assert notes[0].find("rest") is not None
    assert notes[-1].find("rest") is not None


@pytest.mark.skipif(find_spec("pyworld") is None, reason="pyworld is not installed: the extra synthesize")
def test_a_voice_gets_the_pitch_and_the_length_that_are_asked_for():
    rate = 16000
    times = np.arange(rate) / rate
    saw = sum(np.sin(2 * np.pi * 130 * n * times) / n for n in range(1, 40)) * 0.2
    voice = analysed(saw, rate, (Syllable(0.0, 0.0, 1.0, 1.0),))
    frames = 200
    places = np.linspace(0.2, 0.8, frames)
    for formants in (0.85, 1.0, 1.2):
        sound = resynthesised(voice, places, np.full(frames, 220.0), np.zeros(frames), Timbre(formants, 1.0, 0.1))
        assert len(sound) == pytest.approx(frames * PERIOD * RATE, abs=2 * PERIOD * RATE)
        spectrum = np.abs(np.fft.rfft(sound[4000:36000] * np.hanning(32000)))
        assert spectrum.argmax() * RATE / 32000 == pytest.approx(220.0, abs=3)
        again = resynthesised(voice, places, np.full(frames, 220.0), np.zeros(frames), Timbre(formants, 1.0, 0.1))
        assert np.array_equal(sound, again)


# Effects and the mix


def noise(seed: int, seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    audio = np.random.default_rng(seed).normal(0, level, (2, round(seconds * RATE)))
    return audio.astype(np.float32)


@given(st.integers(1, 5000), st.integers(1, 60000), SEEDS)
@settings(max_examples=12, deadline=None)
def test_convolution_is_that_of_numpy(taps: int, samples: int, seed: int):
    rng = np.random.default_rng(seed)
    audio = rng.normal(0, 1, (2, samples)).astype(np.float32)
    response = rng.normal(0, 1 / np.sqrt(taps), (2, taps))
    last = audio.astype(np.float64)[:, -9000:]
    expected = [np.convolve(a, r)[: min(9000, samples)] for a, r in zip(last, response, strict=True)]
    got = convolved(audio, response)
    assert got.shape == audio.shape
    if samples <= 9000:
        assert np.abs(got - expected).max() < 1e-3
    else:  # what is heard of the last 9000 alone, without what rang before
        rest = audio.copy()
        rest[:, -9000:] = 0
        assert np.abs((got - convolved(rest, response))[:, -9000:] - expected).max() < 1e-3


def test_an_effect_begins_no_sooner_than_its_sound_and_gives_silence_for_silence():
    silence = np.zeros((2, RATE), np.float32)
    late = silence.copy()
    late[:, RATE // 2 :] = noise(2, 0.5)
    for effect in (
        lambda audio: convolved(audio, equaliser(np.random.default_rng(5), 3.0, 80.0)),
        lambda audio: convolved(audio, room(np.random.default_rng(5), 0.8, 0.4, 0.02, 5000.0)),
        lambda audio: convolved(audio, echoes(0.1, 0.4, 0.3, True)),
        lambda audio: compressed(audio, 0.0, 4.0, 0.005, 0.1),
        lambda audio: saturated(audio, 3.0),
        lambda audio: placed(audio, 0.5, 1.5),
        lambda audio: at_level(audio, -3.0),
    ):
        assert not effect(silence).any()
        early = effect(late)[:, : RATE // 2]
        assert np.abs(early).max() < 1e-5
        assert effect(late).any()


def test_an_equaliser_of_no_strength_changes_nothing():
    audio = noise(3)
    assert np.abs(convolved(audio, equaliser(np.random.default_rng(1), 0.0)) - audio).max() < 1e-4


def test_a_room_dies_away_as_fast_as_its_time_says():
    response = room(np.random.default_rng(4), 0.6, 1.0, 0.0, 20000.0)[0, 1:]
    power = np.array([(response[at : at + 2205] ** 2).mean() for at in (0, 6615, 13230)])
    fall = 10 * np.log10(power)
    assert fall[0] - fall[1] == pytest.approx(15, abs=3)  # a quarter of the time, a quarter of 60 dB
    assert fall[0] - fall[2] == pytest.approx(30, abs=4)


def test_placing_moves_and_narrows():
    audio = noise(6)
    mono = placed(audio, 0.0, 0.0)
    assert np.allclose(mono[0], mono[1])
    right = placed(audio, 1.0, 0.0)
    assert np.abs(right[0]).max() < 1e-6 < np.abs(right[1]).max()
    assert np.allclose(placed(audio, 0.0, 1.0), audio, atol=1e-6)


def test_a_compressor_brings_loud_and_soft_nearer_to_each_other():
    audio = noise(7, 2.0, 0.01)
    audio[:, RATE:] *= 20
    out = compressed(audio, 0.0, 4.0, 0.005, 0.05)
    loud = [loudness(each[:, RATE + 8000 :]) / loudness(each[:, : RATE - 8000]) for each in (audio, out)]
    assert loud[1] < 0.95 * loud[0]


@given(SEEDS, st.floats(0.0, 12.0))
@settings(max_examples=10, deadline=None)
def test_stems_add_up_to_a_mixture_below_the_ceiling_by_one_curve_for_all(seed: int, drive: float):
    rng = np.random.default_rng(seed)
    stems: dict[Stem, np.ndarray] = {stem: noise(seed + order, 0.7, 0.05) for order, stem in enumerate(STEMS)}
    stems["drums"][:, rng.integers(20000, size=5)] += 3.0
    levels: dict[Stem, float] = {stem: float(rng.uniform(-6, 6)) for stem in STEMS}
    out = mastered(stems, levels, drive)
    rounded = sum(np.rint(audio.astype(np.float64) * 32768) / 32768 for audio in out.values())
    assert np.abs(rounded).max() <= PEAK
    assert np.abs(rounded).max() > 0.5 * PEAK
    curves = [out[stem] / np.where(stems[stem] == 0, 1, at_level(stems[stem], levels[stem])) for stem in STEMS]
    for curve in curves[1:]:
        assert np.allclose(curve, curves[0], rtol=1e-3)


def test_a_stem_that_another_cancels_stays_below_the_ceiling_too():
    loud = noise(0, 0.7, 0.2)
    stems: dict[Stem, np.ndarray] = {"drums": loud, "bass": -0.9 * loud, "vocals": noise(1, 0.7, 0.02)}
    stems["other"] = noise(2, 0.7, 0.02)
    out = mastered(stems, dict.fromkeys(STEMS, 0.0), 6.0)
    assert max(np.abs(audio).max() for audio in out.values()) <= PEAK


def test_the_limiter_leaves_what_is_below_the_ceiling():
    assert np.all(limiter_gain(noise(1, level=0.05), 0.9) == 1.0)
    audio = noise(1, level=0.5)
    assert np.abs(audio * limiter_gain(audio, 0.6)).max() <= 0.6 + 1e-6


def test_silent_stems_stay_silent():
    silent: dict[Stem, np.ndarray] = {stem: np.zeros((2, 1000), np.float32) for stem in STEMS}
    assert not any(audio.any() for audio in mastered(silent, dict.fromkeys(STEMS, 0.0), 3.0).values())


# Many songs


def rendered(seed: int, number: int, seconds: tuple[float, float], tools: Tools, folder: Path) -> Rendered:
    """What takes a song's place where none is rendered."""
    assert folder.is_dir()
    (folder / "left.mid").write_bytes(b"x")
    song = song_of(1000 * seed + number, seconds)
    singer = draw_singer(np.random.default_rng(number))
    stems: dict[Stem, np.ndarray] = {stem: noise(number + order, 0.1) for order, stem in enumerate(STEMS)}
    lines = [Line(1.0, "la la", (Struck(1.0, 1.5, 60, 90),))]
    return Rendered(
        song, stems, [(Part("Walk", "bass", 33, False, ()), "font")], singer, lines, dict.fromkeys(STEMS, 0.0)
    )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Tools:
    tools = Tools("true", "true", "true", {"font": Path("font.sf3")})
    monkeypatch.setattr(_work, "find_tools", lambda: tools)
    monkeypatch.setattr(_requirements, "find_tools", lambda: tools)
    monkeypatch.setattr(_work, "render", rendered)
    monkeypatch.setattr(_work, "versions", lambda tools: {"mma": "1"})
    monkeypatch.setattr(_work, "_FONTS", {"font": "somebody"})
    return tools


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["synthesize", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_songs_have_a_file_per_stem_and_a_record_and_are_kept(fake: Tools, tmp_path: Path):
    code, stdout, _ = run(tmp_path, "--songs", 2, "--seed", 3)
    assert code == 0
    assert stdout.splitlines() == [str(tmp_path / "seed3-00001"), str(tmp_path / "seed3-00002")]
    for song in tmp_path.iterdir():
        assert {path.name for path in song.iterdir()} == {*(f"{stem}.flac" for stem in STEMS), "synthesis.json"}
        record = json.loads((song / "synthesis.json").read_text())
        assert record["request"]["seed"] == 3
        assert record["attributions"][1] == "somebody"
        assert record["lines"][0]["words"] == "la la"
    before = contents(tmp_path)
    code, stdout, stderr = run(tmp_path, "--songs", 3, "--seed", 3)
    assert (code, stdout) == (0, f"{tmp_path / 'seed3-00003'}\n")
    assert "2 of 3 songs are there already" in stderr
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before


def test_a_song_asked_for_otherwise_is_not_taken_for_the_same(fake: Tools, tmp_path: Path):
    assert run(tmp_path, "--songs", 1)[0] == 0
    code, _, stderr = run(tmp_path, "--songs", 1, "--seconds", 20, 40)
    assert code == 2
    assert (
        "seed0-00001 is there, but not as a song of seed 0 that lasts 20 to 40 seconds: name another folder" in stderr
    )


def test_a_failure_leaves_no_half_song_and_the_others_are_made(
    fake: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def failing(seed: int, number: int, *rest: object) -> Rendered:
        if number == 1:
            raise SynthesisError("mma could not play stdlib/waltz: it said so")
        return rendered(seed, number, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(_work, "render", failing)
    code, stdout, stderr = run(tmp_path, "--songs", 2)
    assert code == 2
    assert stdout == f"{tmp_path / 'seed0-00002'}\n"
    assert "hfbs-train: error: seed0-00001: mma could not play stdlib/waltz: it said so" in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["seed0-00002"]


def test_a_worker_that_is_killed_is_told_of_in_a_line(fake: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int, mp_context: object) -> None:
            super().__init__(workers)

        def submit(self, *_: object) -> Future[Any]:  # type: ignore[override]
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool("A process in the process pool was terminated abruptly"))
            return future

    monkeypatch.setattr(_work, "ProcessPoolExecutor", Pool)
    code, _, stderr = run(tmp_path, "--songs", 2, "--workers", 2)
    assert code == 2
    assert "a process that renders songs was ended from outside" in stderr


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_makes_is_kept(fake: Tools, tmp_path: Path):
    dead, alive = tmp_path / ".seed0-00001-abc.part", tmp_path / ".seed0-00002-def.part"
    dead.mkdir()
    alive.mkdir()
    (dead / "drums.flac").write_bytes(b"half")
    hold = (
        f"import fcntl, os, time; fcntl.flock(os.open({str(alive)!r}, os.O_RDONLY), fcntl.LOCK_EX); "
        "print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert run(tmp_path, "--songs", 1)[0] == 0
        process.send_signal(signal.SIGKILL)
    assert not dead.exists()
    assert alive.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", 5, 60], "a song lasts 15 to 600 seconds"),
        (["--seconds", 60, 60], "the longest must be at least 1.3 times the shortest"),
        (["--seconds", "nan", 60], "a song lasts 15 to 600 seconds"),
        (["--songs", 0], "0 is not in the range x>=1"),
    ],
)
def test_a_wrong_option_is_named(fake: Tools, tmp_path: Path, arguments: list[object], message: str):
    code, _, stderr = run(tmp_path, "--songs", 1, *arguments)
    assert code == 2
    assert message in stderr
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("mma", "flite") else f"/bin/{name}")
    monkeypatch.setattr(_requirements, "find_spec", lambda name: None if name == "pyworld" else object())
    with pytest.raises(SynthesisError) as error:
        find_tools((tmp_path,))
    message = str(error.value)
    assert message.startswith("synthesize needs mma, flite, fluidr3mono-gm-soundfont, pyworld: ")
    assert "apt-get install mma flite fluidr3mono-gm-soundfont" in message
    assert 'pip install "hfbs-train[synthesize]"' in message
    assert "\n" not in message


def test_a_song_is_the_same_in_another_process_and_silent_where_nothing_sounds(tools: Tools, tmp_path: Path):
    """And its stems add up to less than the ceiling."""
    for name, workers in (("one", 1), ("pool", 2)):
        wanted = _work.requests(1, 31, 4, (15.0, 19.5))
        assert [made for _, made in _work.make_all(tmp_path / name, wanted, workers)] == [
            tmp_path / name / "seed4-00031"
        ]
    assert contents(tmp_path / "one") == contents(tmp_path / "pool")
    song = tmp_path / "one" / "seed4-00031"
    record = json.loads((song / "synthesis.json").read_text())
    stems = {stem: soundfile.read(song / f"{stem}.flac")[0].T for stem in STEMS}
    assert np.abs(sum(stems.values())).max() <= PEAK
    assert len({audio.shape for audio in stems.values()}) == 1
    assert all(audio.any() for audio in stems.values())
    first = min(line["notes"][0][0] for line in record["lines"])
    assert not stems["vocals"][:, : max(0, round((first - 0.6) * RATE))].any()


def test_the_record_of_a_song_names_its_singer(fake: Tools):
    song = rendered(1, 1, (40.0, 90.0), fake, Path(tempfile.gettempdir()))
    for source, named in (("sinsy", "CC BY 3.0"), ("slt", "Carnegie Mellon")):
        singer = Singer(source, False, Range(57, 72), PLAIN, False)
        made = _work.record(_work.Request(1, 1, (40.0, 90.0)), replace(song, singer=singer), fake)
        assert named in str(made["attributions"])
