"""English speech from flite, with the places of its syllables."""

import subprocess
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from .._errors import SynthesisError
from ._world import Syllable, Utterance, analysed

_VOWELS: Final = frozenset(
    ("aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw")
)
# Consonants that begin a syllable together: the first, and what may follow it.
_CLUSTERS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("p", "b", "k", "g", "f"), frozenset(("l", "r", "y", "w"))),
    **dict.fromkeys(("t", "d", "th", "sh"), frozenset(("r", "w"))),
    "s": frozenset(("t", "p", "k", "l", "m", "n", "w")),
    "hh": frozenset(("w", "y")),
    "m": frozenset(("y",)),
}


def spoken(text: str, voice: str, flite: str, folder: Path) -> Utterance:
    """A text, spoken.

    Args:
        text: English words.
        voice: flite's name of it.
        flite: the program.
        folder: where its files may lie.

    Raises:
        SynthesisError: flite failed; the message has what it said.
    """
    command = [flite, "-voice", voice, "-psdur", "-t", text, "-o", "words.wav"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    sound = folder / "words.wav"
    if run.returncode or not sound.exists():
        raise SynthesisError(f"flite could not say {text!r}: {run.stderr.strip()}")
    with wave.open(str(sound)) as file:
        rate = file.getframerate()
        audio = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768.0
    sound.unlink()
    return analysed(audio, rate, syllables(segments(run.stdout)))


def segments(line: str) -> list[tuple[str, float, float]]:
    """Phones with their starts and ends in seconds, as ``flite -psdur`` prints them: ``pau:0.164 hh:0.255 …``."""
    found: list[tuple[str, float, float]] = []
    start = 0.0
    for item in line.split():
        phone, _, end = item.rpartition(":")
        found.append((phone, start, float(end)))
        start = float(end)
    return found


def syllables(phones: Sequence[tuple[str, float, float]]) -> tuple[Syllable, ...]:
    """Group phones around their vowels: as many consonants go before a vowel as can begin a syllable."""
    nuclei = [index for index, (phone, _, _) in enumerate(phones) if phone in _VOWELS]
    found: list[Syllable] = []
    first = next((index for index, (phone, _, _) in enumerate(phones) if phone != "pau"), 0)
    for order, nucleus in enumerate(nuclei):
        after = nuclei[order + 1] if order + 1 < len(nuclei) else len(phones)
        between = [phone for phone, _, _ in phones[nucleus + 1 : after]]
        if "pau" in between:
            coda = between.index("pau")
            onset = coda + 1
            while onset < len(between) and between[onset] == "pau":
                onset += 1
        elif order + 1 == len(nuclei):
            coda = onset = len(between)
        else:
            two = len(between) > 1 and between[-1] in _CLUSTERS.get(between[-2], ())
            coda = onset = max(0, len(between) - (2 if two else 1))
        end = phones[nucleus + coda][2]
        found.append(Syllable(phones[first][1], phones[nucleus][1], phones[nucleus][2], end))
        first = nucleus + 1 + onset
    return tuple(found)
