"""From a part's notes to sound: a General MIDI soundfont through fluidsynth."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import SynthesisError
from ._audio import RATE, Audio
from ._part import Part
from ._requirements import imported

_TICKS = 960  # a second: 480 a beat, 120 beats a minute
_GAIN = 0.4  # float samples do not clip


def write_midi(part: Part, file: Path) -> None:
    """A part as a MIDI file of one track."""
    mido = imported("mido")
    channel = 9 if part.percussion else 0
    events: list[tuple[int, int, Any]] = []
    for note in part.notes:
        start = round(note.start * _TICKS)
        end = max(start + 1, round(note.end * _TICKS))
        events.append((start, 1, mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)))
        events.append((end, 0, mido.Message("note_off", channel=channel, note=note.pitch)))
    events.sort(key=lambda each: (each[0], each[1], each[2].note))
    track = mido.MidiTrack()
    track.append(mido.Message("program_change", channel=channel, program=part.program))
    ticks = 0
    for at, _, message in events:
        track.append(message.copy(time=at - ticks))
        ticks = at
    midi = mido.MidiFile(ticks_per_beat=_TICKS // 2)
    midi.tracks.append(track)
    midi.save(file)


def play(part: Part, samples: int, fluidsynth: str, soundfont: Path, folder: Path) -> Audio:
    """What a part sounds like, dry.

    Args:
        part: the notes.
        samples: how many to give.
        fluidsynth: the program.
        soundfont: the file.
        folder: where its files may lie.

    Returns:
        float32, shape (2, samples), at 44100 Hz.

    Raises:
        SynthesisError: fluidsynth failed; the message has what it said.
    """
    write_midi(part, folder / "part.mid")
    sound = folder / "part.raw"
    command = [fluidsynth, "-n", "-i", "-q", "-r", str(RATE), "-g", str(_GAIN), "-R", "0", "-C", "0"]
    # Loading all samples of a soundfont takes longer than playing those that sound.
    command += ["-o", "synth.dynamic-sample-loading=1", "-T", "raw", "-O", "float", "-E", "little"]
    run = subprocess.run(
        [*command, "-F", sound.name, str(soundfont), "part.mid"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode or not sound.exists():
        raise SynthesisError(f"fluidsynth could not play {part.name} with {soundfont}: {run.stderr.strip()}")
    audio = np.fromfile(sound, "<f4").reshape(-1, 2).T[:, :samples]
    sound.unlink()
    return np.pad(audio, ((0, 0), (0, samples - audio.shape[1]))).astype(np.float32)
