"""What a song is before it sounds: keys, chords, sections, notes. Times are in beats from the song's beginning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

type Stem = Literal["vocals", "drums", "bass", "other"]
STEMS: Final[tuple[Stem, ...]] = ("vocals", "drums", "bass", "other")

type Mode = Literal["major", "minor"]
SCALES: Final[Mapping[Mode, tuple[int, ...]]] = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}

# The names are mma's; semitones above the root.
QUALITIES: Final[Mapping[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "M7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "9": (0, 4, 7, 10, 2),
    "add9": (0, 4, 7, 2),
    "m9": (0, 3, 7, 10, 2),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "7sus": (0, 5, 7, 10),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "aug": (0, 4, 8),
}
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic (0 is C, 11 is B) and a mode."""

    tonic: int
    mode: Mode

    @property
    def scale(self) -> frozenset[int]:
        """Its pitch classes."""
        return frozenset((self.tonic + step) % 12 for step in SCALES[self.mode])

    @property
    def name(self) -> str:
        """As musicians write it."""
        return f"{self.spelled(self.tonic)} {self.mode}"

    def spelled(self, pitch_class: int) -> str:
        """The name of a pitch class in this key: with flats where the key signature has them."""
        major = (self.tonic + (3 if self.mode == "minor" else 0)) % 12
        return (_FLATS if major in (5, 10, 3, 8, 1) else _SHARPS)[pitch_class % 12]


@dataclass(frozen=True, slots=True)
class Chord:
    """A root (pitch class) and one of ``QUALITIES``."""

    root: int
    quality: str

    @property
    def pitch_classes(self) -> frozenset[int]:
        """What may sound while it lasts."""
        return frozenset((self.root + step) % 12 for step in QUALITIES[self.quality])

    def named(self, key: Key) -> str:
        """As mma reads it."""
        return key.spelled(self.root) + self.quality


type Bar = tuple[Chord, ...]
"""One chord for the whole bar, or two for its halves."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of bars that sound alike.

    Attributes:
        kind: intro, verse, chorus, bridge, break or outro.
        first_bar: the number of its first bar, from 0.
        bars: their chords.
        groove: mma's name of the pattern that is played.
        last_groove: the pattern of the last bar, a fill or an ending.
        silent: the stems that rest throughout.
    """

    kind: str
    first_bar: int
    bars: tuple[Bar, ...]
    groove: str
    last_groove: str
    silent: frozenset[Stem]


@dataclass(frozen=True, slots=True)
class Note:
    """A note: where it begins and how long it lasts, in beats; its pitch as MIDI counts, and its velocity, 1 to 127."""

    start: float
    length: float
    pitch: int
    velocity: int

    @property
    def end(self) -> float:
        """Where it ends."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Song:
    """The plan of a song.

    Attributes:
        key: of the whole song.
        tempo: beats a minute.
        beats_per_bar: 3, 4 or 6.
        swing: how far the second half of a beat comes late, as a share of the beat.
        library: mma's library file that the grooves are in.
        sections: from the first bar to the last, without gaps.
    """

    key: Key
    tempo: float
    beats_per_bar: int
    swing: float
    library: str
    sections: tuple[Section, ...]

    @property
    def bars(self) -> int:
        """How many."""
        return sum(len(section.bars) for section in self.sections)

    @property
    def beats(self) -> int:
        """How many."""
        return self.bars * self.beats_per_bar

    def seconds(self, beat: float) -> float:
        """When a beat comes; the second half of a swung beat comes late."""
        whole, part = divmod(beat, 1.0)
        middle = 0.5 + self.swing
        part = part * middle / 0.5 if part < 0.5 else middle + (part - 0.5) * (1 - middle) / 0.5
        return (whole + part) * 60.0 / self.tempo

    def chord_at(self, beat: float) -> Chord:
        """What is played at a beat; after the end, the last chord."""
        bar = int(beat // self.beats_per_bar)
        for section in self.sections:
            if bar < section.first_bar + len(section.bars):
                chords = section.bars[max(bar - section.first_bar, 0)]
                late = beat % self.beats_per_bar >= (self.beats_per_bar + 1) // 2
                return chords[-1] if late else chords[0]
        return self.sections[-1].bars[-1][-1]
