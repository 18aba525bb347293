"""Which files are the tracks of a page, and what must be known of all of them before any is shown."""

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ._decode import open_song
from ._errors import AudioFileError
from ._types import Audio
from .terminal import clock

_EXTENSIONS = re.compile(
    r"\.(wav|w64|rf64|flac|aiff?|aifc|caf|au|mp3|m4a|mp4|aac|og[ga]|opus|wma|wv|ape|tta|mka)", re.IGNORECASE
)
_USUAL_ORDER = ("vocals", "drums", "bass", "guitar", "piano")
_LAST = "other"
_MIXTURE = "mixture"
_HIGHEST_RATE = 384_000  # Hz
_STRETCH = 256  # samples, of which a block holds a whole number
_OVERVIEW_POINTS = 800
_NOTHING = np.empty((1, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Track:
    """One file that the page plays.

    Attributes:
        name: what the page calls it.
        path: the file.
        sample_rate: in Hz.
        channels: 1 or 2.
        is_mixture: whether it is the mixture; else it is a stem.
    """

    name: str
    path: Path
    sample_rate: int
    channels: int
    is_mixture: bool


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What the tracks are together.

    Attributes:
        samples: length of every track.
        peak: the largest magnitude in any track and in the sum of the stems.
        overview: largest magnitude of the mixture, or without one of the sum of the stems, in equal stretches of time;
            float32, shape (at most 800,).
        residual_db: energy of the mixture less the sum of the stems, relative to the mixture, in dB; None without a
            mixture, or with a silent one.
        warnings: what was odd about the files, a sentence each.
    """

    samples: int
    peak: float
    overview: Audio
    residual_db: float | None
    warnings: tuple[str, ...]


def find_tracks(folder: Path, mixture: Path | None) -> list[Track]:
    """The mixture, if there is one, and the stems of a song, in the usual order.

    Args:
        folder: every audio file in it is a stem, but for one named "mixture".
        mixture: a file of the whole song. None: the folder's file named "mixture", if there is one.

    Raises:
        AudioFileError: there is no stem, a file cannot be read, or their rates differ.
    """
    whole = None if mixture is None else _track(mixture, _MIXTURE, is_mixture=True)
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise AudioFileError(
            f"{folder}: {(error.strerror or str(error)).lower()}; name the folder of a song"
        ) from error
    files = [path for path in entries if _EXTENSIONS.fullmatch(path.suffix)]
    mixtures = [path for path in files if path.stem.casefold() == _MIXTURE]
    if whole is None and mixtures:
        whole = _track(mixtures[0], _MIXTURE, is_mixture=True)
    known = {path.resolve() for path in (*mixtures, *([whole.path] if whole else []))}
    stems = [path for path in files if path.resolve() not in known]
    if not stems:
        folders = [path.name for path in entries if os.path.isdir(path)]  # noqa: PTH112
        hint = f"; name a folder in it, such as {folders[0]}" if folders else ", such as vocals.wav"
        raise AudioFileError(f"{folder}: this folder holds no audio file of a stem{hint}")
    shared = Counter(path.stem for path in stems)
    names = {path: as_text(path.stem if shared[path.stem] == 1 else path.name) for path in stems}
    stems.sort(key=lambda path: (*_place(path.stem), path.name))
    tracks = [*([whole] if whole else []), *(_track(path, names[path]) for path in stems)]
    for track in tracks:
        if track.sample_rate != tracks[0].sample_rate:
            raise AudioFileError(
                f"{track.path} has {track.sample_rate} Hz, {tracks[0].path} {tracks[0].sample_rate} Hz: the tracks of "
                "a page need one rate, so convert one, or name the mixture that the stems were made from"
            )
    return tracks


def blocks_of(path: Path, warn: Callable[[str], None]) -> Iterator[Audio]:
    """The samples of a file, float32, (channel, time), block by block of 65536 samples; the last one may be shorter.

    Every pass over a file goes through here.
    """
    return open_song(path).blocks(warn)


def survey(tracks: Sequence[Track]) -> Survey:
    """Read all tracks once, side by side.

    Raises:
        AudioFileError: a file cannot be read to its end, or their lengths differ.
    """
    warnings: list[str] = []
    readers = [blocks_of(track.path, warnings.append) for track in tracks]
    has_mixture = tracks[0].is_mixture
    samples, peak, energy, residual = 0, 0.0, 0.0, 0.0
    envelope: list[Audio] = []
    for blocks in zip_longest(*readers, fillvalue=_NOTHING):
        lengths = [block.shape[1] for block in blocks]
        if len(set(lengths)) > 1:
            rests = [sum(block.shape[1] for block in reader) for reader in readers]
            raise AudioFileError(_unequal(tracks, [samples + sum(pair) for pair in zip(lengths, rests, strict=True)]))
        # A mono track plays on both sides.
        both = [np.broadcast_to(block, (2, lengths[0])) for block in blocks]
        stems = np.sum(both[has_mixture:], axis=0)
        whole = both[0] if has_mixture else stems
        samples += lengths[0]
        peak = max(peak, *(float(np.abs(block).max()) for block in (*blocks, stems)))
        energy += float(np.sum(whole**2, dtype=np.float64))
        residual += float(np.sum((whole - stems) ** 2, dtype=np.float64))
        padded = np.pad(np.abs(whole).max(axis=0), (0, -lengths[0] % _STRETCH))
        envelope.append(padded.reshape(-1, _STRETCH).max(axis=1))
    return Survey(
        samples=samples,
        peak=peak,
        overview=_overview(np.concatenate(envelope)),
        residual_db=10 * math.log10(max(residual / energy, 1e-20)) if has_mixture and energy else None,
        warnings=tuple(warnings),
    )


def _overview(envelope: Audio) -> Audio:
    starts = np.linspace(0, len(envelope), min(_OVERVIEW_POINTS, len(envelope)), endpoint=False).astype(int)
    return np.maximum.reduceat(envelope, starts)


def _unequal(tracks: Sequence[Track], counts: Sequence[int]) -> str:
    odd = next(index for index, count in enumerate(counts) if count != counts[0])
    rate = tracks[0].sample_rate
    (first, one), (second, other) = (
        (tracks[index].path, f"{counts[index]} samples ({clock(counts[index] / rate)})") for index in (0, odd)
    )
    return (
        f"{second} has {other}, {first} {one}: the tracks of a page must be of one song and equally long, "
        "so take the odd one out of the folder, or name the mixture that the stems were made from"
    )


def _track(path: Path, name: str, *, is_mixture: bool = False) -> Track:
    info = open_song(path)
    if info.sample_rate > _HIGHEST_RATE:
        raise AudioFileError(
            f"{path} has {info.sample_rate} Hz, but at most {_HIGHEST_RATE} Hz can be shown: convert it"
        )
    return Track(name, path, info.sample_rate, info.channels, is_mixture)


def _place(name: str) -> tuple[int, str]:
    """Sorts the usual stems as people list them, all others by name, and what is left over last."""
    low = name.casefold()
    if low in _USUAL_ORDER:
        return _USUAL_ORDER.index(low), low
    return len(_USUAL_ORDER) + (low == _LAST), low


def as_text(name: str) -> str:
    """A file's name as text that can be written; bytes in it that are none become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")
