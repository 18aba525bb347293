"""The grooves of mma's library that have drums, a bass and something else, and the stem of each of their tracks."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

from ._score import Stem

# General MIDI programs, from 0.
_BASSES = frozenset(range(32, 40))
_LOW = frozenset({43, 58, 87})  # contrabass, tuba, bass and lead
_STRUCK = frozenset({115, 116, 117, 118, 119})  # wood block, taiko, toms, synthetic drum, reversed cymbal


@dataclass(frozen=True, slots=True)
class Family:
    """A file of mma's library: patterns that go together.

    Attributes:
        library: the file, such as ``stdlib/waltz``.
        beats: of a bar.
        swing: whether it has swung patterns.
        main: the patterns that last; each has drums, a bass and something else.
        fill: patterns for a section's last bar.
        end: patterns for a song's last bar.
    """

    library: str
    beats: int
    swing: bool
    main: tuple[str, ...]
    fill: tuple[str, ...]
    end: tuple[str, ...]


@cache
def families() -> tuple[Family, ...]:
    """All that are used, by name."""
    rows = cast(
        "list[dict[str, object]]", json.loads(files(__package__).joinpath("grooves.json").read_text(encoding="utf-8"))
    )

    def names(value: object) -> tuple[str, ...]:
        return tuple(cast("list[str]", value))

    return tuple(
        Family(
            str(row["library"]),
            cast("int", row["beats"]),
            bool(row["swing"]),
            names(row["main"]),
            names(row["fill"]),
            names(row["end"]),
        )
        for row in rows
    )


def stem_of(track: str, channel: int, program: int) -> Stem:
    """Where what a track of mma's plays belongs.

    Args:
        track: its name, such as ``Walk`` or ``Bass-Sax``; some files of the library name instruments instead.
        channel: of MIDI, from 0: 9 is percussion.
        program: its first General MIDI program, from 0.

    Returns:
        ``drums`` for all percussion; ``bass`` for a bass guitar, a double bass or a synthetic bass, and for bass tracks
        on a contrabass or a tuba; ``other`` for the rest, such as mma's bass lines on a piano.
    """
    if channel == 9 or program in _STRUCK:
        return "drums"
    low = program in _LOW and track.partition("-")[0].lower() in ("bass", "walk")
    return "bass" if low or program in _BASSES else "other"
