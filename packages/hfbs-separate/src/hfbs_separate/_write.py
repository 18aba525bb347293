"""Stems to WAV files: whole or not at all."""

import io
import math
import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from ._options import SampleFormat
from ._types import Audio

_STEP = 2.0**-23  # of 24-bit PCM
_RIFF_LIMIT = 2**32 - 2**16  # bytes that a WAV header can state, less room for the header


def full_scale_gain(stems: Mapping[str, Audio]) -> float:
    """The largest factor, at most 1, by which no stem exceeds what 24-bit PCM can hold: -1 to 1 - 2**-23."""
    highest = max(float(stem.max()) for stem in stems.values())
    lowest = min(float(stem.min()) for stem in stems.values())
    return 1.0 / max(1.0, -lowest, highest / (1.0 - _STEP))


def decibels(gain: float) -> str:
    """How far a gain below 1 turns down, in dB, with as many digits as it takes to show that it does."""
    down = -20 * math.log10(gain)
    return f"{down:.2f}" if down >= 0.01 else f"{down:.1g}"


def write_stems(
    files: Mapping[str, Path], stems: Mapping[str, Audio], sample_rate: int, sample_format: SampleFormat
) -> float:
    """Write a song's stems, all of them or none.

    Each goes to a temporary file beside its place, is brought to the disk, and takes its place once all are written.
    On any failure, an interrupt included, the temporary files and the folders made for them are removed.

    Args:
        files: where each stem goes; files that are there are replaced.
        stems: float32, shape (time,) or (channel, time), finite, by the same names.
        sample_rate: in Hz.
        sample_format: ``"float"`` for 32-bit float, ``"24"`` for 24-bit PCM.

    Returns:
        The gain that every stem was multiplied by so that none clips; 1.0 for ``"float"``, which cannot clip.
    """
    gain = full_scale_gain(stems) if sample_format == "24" else 1.0
    with _new_folders({path.parent for path in files.values()}):
        temporary: dict[str, Path] = {}
        try:
            for name, path in files.items():
                temporary[name] = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.part")
                _write_wav(temporary[name], stems[name], sample_rate, sample_format, gain)
            for name, path in files.items():
                temporary[name].replace(path)
        finally:
            for path in temporary.values():
                path.unlink(missing_ok=True)
    return gain


def _write_wav(path: Path, stem: Audio, sample_rate: int, sample_format: SampleFormat, gain: float) -> None:
    frames = stem.T
    size = stem.size * (4 if sample_format == "float" else 3)
    container = "WAV" if size < _RIFF_LIMIT else "RF64"
    if sample_format == "24":
        # libsndfile scales floats by 2**23 - 1; by 2**23, a stem that came from 24 bits goes back to the same bits.
        steps = np.rint(frames * (gain / _STEP))
        frames = np.clip(steps, -1.0 / _STEP, 1.0 / _STEP - 1).astype(np.int32) << 8
    # Encoded in memory first: from a full disk, libsndfile would report an error without its reason, or none.
    encoded = io.BytesIO()
    subtype = "FLOAT" if sample_format == "float" else "PCM_24"
    soundfile.write(encoded, frames, sample_rate, format=container, subtype=subtype)
    with path.open("xb") as file:
        file.write(encoded.getbuffer())
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _new_folders(folders: set[Path]) -> Generator[None]:
    """Make these folders; where the body fails, remove again what was made and is still empty."""
    made: list[Path] = []
    try:
        for folder in folders:
            missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
            for parent in reversed(missing):
                parent.mkdir(exist_ok=True)
                made.append(parent)
        yield
    except BaseException:
        for folder in reversed(made):
            if not any(folder.iterdir()):
                folder.rmdir()
        raise
