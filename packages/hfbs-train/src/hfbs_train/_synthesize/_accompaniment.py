"""The band: what mma plays to a song's chords, track by track."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import SynthesisError
from ._grooves import stem_of
from ._instruments import KITS, bass_for, program_for
from ._part import Part, Struck
from ._requirements import imported
from ._score import Song


def score(song: Song, seed: int) -> str:
    """A song as mma reads it.

    Args:
        song: the plan.
        seed: of mma's own draws.
    """
    lines = [f"RndSeed {seed}", f"Tempo {song.tempo}"]
    number = 1
    playing = ""
    for section in song.sections:
        for index, bar in enumerate(section.bars):
            groove = section.last_groove if index == len(section.bars) - 1 else section.groove
            if groove != playing:
                lines.append(f"Groove {song.library}:{groove}")
                playing = groove
            beats = ["/"] * song.beats_per_bar
            beats[0] = bar[0].named(song.key)
            if len(bar) > 1:
                beats[(song.beats_per_bar + 1) // 2] = bar[1].named(song.key)
            lines.append(f"{number} {' '.join(beats)}")
            number += 1
    return "\n".join(lines) + "\n"


def band(song: Song, rng: np.random.Generator, mma: str, folder: Path) -> list[Part]:
    """Let mma play a song.

    Args:
        song: the plan.
        rng: what instruments and mma's own draws depend on.
        mma: the program.
        folder: where its files may lie.

    Raises:
        SynthesisError: mma failed; the message has what it said.
    """
    text = score(song, int(rng.integers(1 << 30)))
    (folder / "band.mma").write_text(text, encoding="ascii")
    # No settings of this user's, and sets in one order.
    environment = {**os.environ, "HOME": str(folder), "PYTHONHASHSEED": "0"}
    run = subprocess.run(
        [mma, "-f", "band.mid", "band.mma"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if run.returncode or not (folder / "band.mid").exists():
        raise SynthesisError(f"mma could not play {song.library}: {run.stdout.strip()} {run.stderr.strip()}")
    parts: list[Part] = []
    for name, channel, program, notes in _tracks(folder / "band.mid", 60.0 / song.tempo):
        stem = stem_of(name, channel, program)
        if stem == "drums":
            chosen = int(rng.choice(KITS)) if channel == 9 else program
        else:
            chosen = bass_for(program, rng) if stem == "bass" else program_for(name, program, rng)
        if stem == "bass" and np.mean([note.pitch for note in notes]) > 42 and rng.random() < 0.5:
            notes = tuple(replace(note, pitch=note.pitch - 12) for note in notes if note.pitch >= 36)
        parts.append(Part(name, stem, chosen, channel == 9, notes))
    return parts


def _tracks(file: Path, beat_seconds: float) -> Iterator[tuple[str, int, int, tuple[Struck, ...]]]:
    """Name, channel, first program and notes of each track that plays any."""
    midi: Any = imported("mido").MidiFile(file)
    for track in midi.tracks:
        ticks, channel, program = 0, 0, None
        sounding: dict[int, list[tuple[int, int]]] = {}
        notes: list[Struck] = []
        for event in track:
            ticks += event.time
            if event.type == "program_change" and program is None:
                program = int(event.program)
            elif event.type == "note_on" and event.velocity > 0:
                channel = int(event.channel)
                sounding.setdefault(event.note, []).append((ticks, event.velocity))
            elif event.type in ("note_off", "note_on") and sounding.get(event.note):
                start, velocity = sounding[event.note].pop(0)
                scale = beat_seconds / midi.ticks_per_beat
                notes.append(Struck(start * scale, max(ticks, start + 1) * scale, int(event.note), int(velocity)))
        if notes:
            notes.sort(key=lambda each: (each.start, each.pitch, each.end))
            yield str(track.name), channel, program or 0, tuple(notes)
