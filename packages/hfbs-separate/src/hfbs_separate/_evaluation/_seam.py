"""The two places where scoring meets decoding and separation, so that either can change without it."""

from pathlib import Path
from typing import TYPE_CHECKING

from .._decode import decode
from .._types import Audio, Progress

if TYPE_CHECKING:
    from .._separator import Separator


def read_audio(path: Path) -> tuple[Audio, int, tuple[str, ...]]:
    """A file's samples, float32, shape (channel, time), their rate in Hz, and what was odd about the file.

    Raises:
        AudioFileError: As :func:`hfbs_separate._decode.decode`.
    """
    recording = decode(path)
    return recording.audio, recording.sample_rate, recording.warnings


def stems_of(
    separator: "Separator", mixture: Audio, sample_rate: int, progress: Progress | None = None
) -> dict[str, Audio]:
    """What a model makes of a mixture (channel, time): for each stem, float32 of the same shape and rate.

    Raises:
        SeparationError: As :meth:`hfbs_separate.Separator.separate`.
    """
    return separator.separate(mixture, sample_rate, progress=progress)
