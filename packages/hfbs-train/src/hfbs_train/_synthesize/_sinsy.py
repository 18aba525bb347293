"""Japanese singing from Sinsy, with the voice that pysinsy brings."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np

from .._errors import SynthesisError
from ._melody import Phrase
from ._requirements import compiled
from ._world import Syllable, Utterance, analysed

_VOICE: Final = "nitech_jp_song070_f001.htsvoice"
_DIVISIONS: Final = 48  # of a quarter
_REST: Final = 1.0  # quarters before and after a phrase
_LOW, _HIGH = 56, 77  # that the voice sings well
_STEPS = (("C", 0), ("C", 1), ("D", 0), ("D", 1), ("E", 0), ("F", 0), ("F", 1), ("G", 0), ("G", 1), ("A", 0), ("A", 1))


@cache
def _singer() -> Any:
    module, folder = compiled("pysinsy", "sinsy")
    singer = module.Sinsy()
    if not singer.setLanguages("j", str(folder / "_dic")) or not singer.loadVoices(str(folder / "htsvoice" / _VOICE)):
        raise SynthesisError(f"{folder} lacks Sinsy's dictionary or voice: install pysinsy again")
    return singer


def sung(phrase: Phrase, morae: Sequence[str], tempo: float, folder: Path) -> tuple[Utterance, int]:
    """A phrase as the voice sings it, in the octave that suits it.

    Args:
        phrase: the notes; swing is left to the caller.
        morae: one for each note.
        tempo: beats a minute.
        folder: where its files may lie.

    Returns:
        What was sung, its syllables' vowels beginning with the notes; and by how many semitones it lies higher than
        the phrase.
    """
    middle = (min(note.pitch for note in phrase) + max(note.pitch for note in phrase)) / 2
    shift = 12 * round(((_LOW + _HIGH) / 2 - middle) / 12)
    # Very fast beats are eighths.
    scale = 0.5 if tempo > 150 else 1.0
    tempo = tempo * scale
    score = music_xml(phrase, morae, tempo, shift, scale)
    file = folder / "phrase.xml"
    file.write_text(score, encoding="utf-8")
    singer = _singer()
    singer.loadScoreFromMusicXML(str(file))
    wave, rate = singer.synthesize()
    singer.clearScore()
    quarter = 60.0 / tempo
    starts = [(_REST + (note.start - phrase[0].start) * scale) * quarter for note in phrase]
    ends = [start + note.length * scale * quarter for start, note in zip(starts, phrase, strict=True)]
    syllables = tuple(
        Syllable(max(0.0, start - 0.06), start, max(start + 0.03, end - 0.06), end - 0.03)
        for start, end in zip(starts, ends, strict=True)
    )
    peak = float(np.abs(wave).max(initial=1.0))
    return analysed(wave * (0.5 / peak), int(rate), syllables), shift


def music_xml(phrase: Phrase, morae: Sequence[str], tempo: float, shift: int, scale: float) -> str:
    """A phrase between two rests as one measure of MusicXML.

    Args:
        phrase: the notes.
        morae: one for each.
        tempo: quarters a minute.
        shift: semitones up.
        scale: quarters of a beat.
    """
    items: list[str] = [_rest(_REST)]
    at = phrase[0].start
    for note, mora in zip(phrase, morae, strict=True):
        if note.start - at > 1e-6:
            items.append(_rest((note.start - at) * scale))
        step, alter = _STEPS[pitch] if (pitch := (note.pitch + shift) % 12) < 11 else ("B", 0)
        octave, units = (note.pitch + shift) // 12 - 1, _units(note.length * scale)
        items.append(
            f"<note><pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>"
            f"<duration>{units}</duration><lyric><text>{escape(mora)}</text></lyric></note>"
        )
        at = note.end
    total = sum(_units(each) for each in [_REST, _REST, (at - phrase[0].start) * scale])
    quarters = -(-total // _DIVISIONS)
    items.append(_rest(_REST + quarters - total / _DIVISIONS))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<score-partwise version="2.0"><part-list><score-part id="P1">'
        '<part-name>voice</part-name></score-part></part-list><part id="P1"><measure number="1"><attributes>'
        f"<divisions>{_DIVISIONS}</divisions><key><fifths>0</fifths></key><time><beats>{quarters}</beats>"
        f'<beat-type>4</beat-type></time></attributes><direction><sound tempo="{tempo:.3f}"/></direction>'
        f"{''.join(items)}</measure></part></score-partwise>\n"
    )


def _rest(quarters: float) -> str:
    return f"<note><rest/><duration>{_units(quarters)}</duration></note>"


def _units(quarters: float) -> int:
    return max(1, round(quarters * _DIVISIONS))
