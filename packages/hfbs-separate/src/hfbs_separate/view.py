"""A page to hear and see a song's stems: one HTML file that needs no network, for any browser."""

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

import numpy as np

from ._encode import CODINGS, full_scale_gain
from ._errors import OptionError, OutputError
from ._output_place import check_new_file
from ._parts import write_atomically
from ._types import Audio, Progress
from ._view_audio import AUDIO_FORMATS, LEADS, AudioFormat, encode, encoded_rate
from ._view_page import page_parts
from ._view_spectrogram import Levels, Scale, Spectrogram, common_scale, frequency_range, palette, picture, stacked
from ._view_tracks import Survey, Track, as_text, blocks_of, find_tracks, survey
from ._write import decibels
from .terminal import clock

_PAGES, _PICTURES = (".html", ".htm"), (".png",)
_IN_MEMORY = 1 << 25  # bytes of an encoded track, beyond which it waits on the disk
_LARGE_PAGE = 300e6  # bytes
_LARGE_DECODED = 2e9  # bytes
_FORMAT_NAMES = {"mp3": "MP3 of the highest variable bit rate (V0)", "flac": "FLAC of 24 bits, without loss"}


@dataclass(frozen=True, slots=True)
class Page:
    """What :func:`write_page` wrote.

    Attributes:
        path: the page.
        tracks: names of the tracks, in the page's order; the mixture, if there is one, is the first.
        seconds: length of the song.
        gain: what every track was multiplied by so that nothing clips, at most 1.
        size: bytes of the page.
        warnings: what was odd about the files or may be too much for a browser, a sentence each.
    """

    path: Path
    tracks: tuple[str, ...]
    seconds: float
    gain: float
    size: int
    warnings: tuple[str, ...]


def write_page(
    folder: str | os.PathLike[str],
    page: str | os.PathLike[str] | None = None,
    *,
    mixture: str | os.PathLike[str] | None = None,
    picture_file: str | os.PathLike[str] | None = None,
    audio_format: AudioFormat = "mp3",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Page:
    """Write one HTML file that plays a song's stems in sync, beside their spectrograms.

    Args:
        folder: of one song: every audio file in it is a stem, but for one named "mixture".
        page: where the page goes, ``.html`` or ``.htm``. None: into the folder, by the folder's name.
        mixture: a file of the whole song. None: the folder's file named "mixture", if there is one.
        picture_file: where the tracks' spectrograms go by themselves, one above the other in the page's order,
            ``.png``. None: nowhere.
        audio_format: ``"mp3"``, or ``"flac"`` for lossless audio in a page several times as large.
        overwrite: whether files that are there are replaced.
        progress: called with (samples done, samples in all) while tracks are drawn and encoded.

    Raises:
        OptionError: ``audio_format`` is none.
        AudioFileError: there is no stem, a file cannot be read, or rates or lengths differ.
        OutputError: the page or the picture exists, has a name of something else, or cannot be written; what was
            there is still there.
    """
    if audio_format not in AUDIO_FORMATS:
        raise OptionError(f"audio_format is {' or '.join(AUDIO_FORMATS)}, got {audio_format!r}")
    source = Path(folder)
    name = source.resolve().name or "stems"
    target = source / f"{name}.html" if page is None else Path(page)
    tracks = find_tracks(source, None if mixture is None else Path(mixture))
    _check_place(target, _PAGES, "page", "-o", overwrite=overwrite)
    if picture_file is not None:
        _check_place(Path(picture_file), _PICTURES, "picture", "--picture", overwrite=overwrite)
    found = survey(tracks)
    gain = full_scale_gain(CODINGS[audio_format], -found.peak, found.peak)
    with ExitStack() as stack:
        audio: list[IO[bytes]] = []
        levels: list[Levels] = []
        try:
            for number, track in enumerate(tracks):
                audio.append(stack.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY)))
                spectrogram = Spectrogram(track.sample_rate, found.samples)
                blocks = _drawn(track, spectrogram, number * found.samples, len(tracks) * found.samples, progress)
                encode(blocks, audio[-1], track.sample_rate, track.channels, gain, audio_format)
                levels.append(spectrogram.levels())
            scale = common_scale(levels)
            song = _description(tracks, found, gain, audio_format, levels, scale)
            write_atomically(target, page_parts(as_text(name), song, audio))
        except OSError as error:
            raise _unwritable(target, error) from error
    if picture_file is not None:
        try:
            write_atomically(Path(picture_file), [picture(stacked(levels, scale), scale)])
        except OSError as error:
            raise _unwritable(Path(picture_file), error) from error
    size = target.stat().st_size
    seconds = found.samples / tracks[0].sample_rate
    warnings = (*found.warnings, *_too_much(target, size, tracks, found.samples))
    return Page(target, tuple(track.name for track in tracks), seconds, gain, size, warnings)


def _check_place(place: Path, suffixes: Sequence[str], kind: str, option: str, *, overwrite: bool) -> None:
    """Refuse a place for a file; the option names another, whether or not this one was named by it."""
    if place.suffix.lower() not in suffixes:
        raise OutputError(f"{place} is no name of a {kind}: let it end in {suffixes[0]}")
    check_new_file(place, f"name another place with {option}", overwrite=overwrite)


def _drawn(
    track: Track, spectrogram: Spectrogram, before: int, total: int, progress: Progress | None
) -> Iterator[Audio]:
    """A track's blocks, each of which the spectrogram takes too, so that one pass over the file serves both."""
    done = before
    for block in blocks_of(track.path, lambda _: None):  # the survey has heard its warnings
        spectrogram.add(block)
        yield block
        done += block.shape[1]
        if progress is not None:
            progress(done, total)


def _unwritable(target: Path, error: OSError) -> OutputError:
    return OutputError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}")


def _description(
    tracks: Sequence[Track],
    found: Survey,
    gain: float,
    audio_format: AudioFormat,
    levels: Sequence[Levels],
    scale: Scale,
) -> Mapping[str, object]:
    """What the page's script reads."""
    rate = tracks[0].sample_rate
    low, high = frequency_range(rate)
    heights = np.rint(255 * found.overview / max(found.peak, 1e-9))
    return {
        "about": _about(tracks, found.samples / rate),
        "seconds": found.samples / rate,
        "rate": encoded_rate(rate, audio_format),
        "lead": asdict(LEADS[audio_format]),
        "overview": [int(height) for height in heights],
        "overviewOf": "mixture" if tracks[0].is_mixture else "sum of stems",
        "frequencies": {"low": low, "high": high},
        "levels": {"bottom": scale.bottom, "top": scale.top},
        "colours": [f"#{bytes(colour).hex()}" for colour in palette()[::15]],
        "notes": _notes(found, gain, audio_format),
        "tracks": [
            {
                "name": track.name,
                "isMixture": track.is_mixture,
                "picture": f"data:image/png;base64,{base64.b64encode(picture(each, scale)).decode()}",
            }
            for track, each in zip(tracks, levels, strict=True)
        ],
    }


def _about(tracks: Sequence[Track], seconds: float) -> str:
    stems = sum(not track.is_mixture for track in tracks)
    mixture = " and the mixture" if tracks[0].is_mixture else ""
    channels = "stereo" if any(track.channels == 2 for track in tracks) else "mono"
    count = f"{stems} stem{'s' if stems > 1 else ''}{mixture}"
    return f"{count} · {clock(seconds)} · {tracks[0].sample_rate / 1000:g} kHz {channels}"


def _notes(found: Survey, gain: float, audio_format: AudioFormat) -> list[str]:
    notes: list[str] = []
    if gain < 1:
        notes.append(f"All tracks are turned down by {decibels(gain)} dB, so that neither they nor their sum clip.")
    if found.residual_db is not None:
        notes.append(f"The mixture less the sum of the stems: {found.residual_db:.0f} dB of it.".replace("-", "−"))
    notes.append(f"Audio: {_FORMAT_NAMES[audio_format]}.")
    return notes


def _too_much(page: Path, size: int, tracks: Sequence[Track], samples: int) -> list[str]:
    decoded = sum(4 * samples * track.channels for track in tracks)
    if size <= _LARGE_PAGE and decoded <= _LARGE_DECODED:
        return []
    return [
        f"{page}: {size / 1e6:.0f} MB, of which a browser makes {decoded / 1e9:.1f} GB of samples: more than some "
        "browsers take, phones' above all; view fewer stems or a part of the song"
    ]
