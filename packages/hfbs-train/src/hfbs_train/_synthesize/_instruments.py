"""Which General MIDI programs, from 0, may play what. Sampled voices are for the vocals alone."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from ._melody import Range

_VOICES: Final = frozenset({52, 53, 54, 85})
KITS: Final = (0, 0, 0, 8, 8, 16, 16, 24, 25, 32, 40)
BASS_PROGRAMS: Final = (32, 33, 33, 33, 34, 34, 35, 36, 37, 38, 38, 39, 39, 87)
CHOIRS: Final = (52, 53)
PADS: Final = (48, 49, 50, 51, 88, 89, 90, 92, 93, 94, 95, 16, 18, 19, 61, 91)

_BY_KIND: Final[Mapping[str, tuple[int, ...]]] = {
    "chord": (
        *(0, 0, 1, 2, 4, 4, 5, 5, 7),
        *(16, 17, 18, 18, 21, 22),
        *(24, 25, 25, 26, 27, 27, 28, 29, 29, 30, 30),
        *(48, 49, 50, 51, 61, 62, 63, 81, 88, 89, 90),
    ),
    "arpeggio": (0, 4, 5, 8, 10, 11, 12, 24, 25, 26, 27, 46, 80, 81, 88, 98, 99, 104, 107),
    "plectrum": (24, 25, 26, 27, 28, 29, 30, 104, 105, 107),
    "scale": (0, 4, 24, 26, 40, 56, 65, 73, 80, 81),
    "bass": (0, 2, 4, 21, 24, 26, 27, 28, 48, 57, 66, 67, 70),
    "walk": (0, 24, 26, 57, 66, 70),
}
# Lead instruments, and what they reach well.
LEADS: Final[Mapping[int, Range]] = {
    **dict.fromkeys((0, 4, 5, 11, 12), Range(60, 86)),
    **dict.fromkeys((16, 18, 21, 22), Range(57, 81)),
    **dict.fromkeys((24, 25, 26, 27, 28, 29, 30), Range(52, 79)),
    **dict.fromkeys((40, 41, 42, 48), Range(55, 84)),
    **dict.fromkeys((56, 57, 60, 61, 59), Range(53, 77)),
    **dict.fromkeys((64, 65, 66), Range(52, 76)),
    **dict.fromkeys((68, 71, 73, 75, 79), Range(62, 86)),
    **dict.fromkeys((80, 81, 84, 86, 87), Range(55, 84)),
}


def program_for(track: str, original: int, rng: np.random.Generator) -> int:
    """A program for a track that belongs to ``other``: mma's own as often as not, else another of its kind."""
    if rng.random() < 0.45 and original not in _VOICES:
        return original
    kind = track.partition("-")[0].lower()
    return int(rng.choice(_BY_KIND.get(kind, _BY_KIND["chord"])))


def bass_for(original: int, rng: np.random.Generator) -> int:
    """A bass, mma's own in one of three songs."""
    return original if rng.random() < 0.33 else int(rng.choice(BASS_PROGRAMS))
