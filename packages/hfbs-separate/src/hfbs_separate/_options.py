"""The words that options take; here, so that the command can name them before PyTorch is loaded."""

import math
from collections.abc import Mapping
from typing import Final, Literal

from ._errors import OptionError

type SampleFormat = Literal["float", "24", "16", "flac", "flac16", "mp3", "opus", "m4a"]

DEVICES: Final = ("auto", "cpu", "cuda", "mps")
CHUNKINGS: Final = ("clean", "msst", "audio-separator")
COMBINATIONS: Final = ("mean", "median", "min", "max", "mean-fft", "median-fft", "min-fft", "max-fft")
PRECISIONS: Final = ("auto", "float32", "bfloat16", "float16")

# How the files of each format's stems end.
EXTENSIONS: Final[Mapping[SampleFormat, str]] = {
    "float": ".wav",
    "24": ".wav",
    "16": ".wav",
    "flac": ".flac",
    "flac16": ".flac",
    "mp3": ".mp3",
    "opus": ".opus",
    "m4a": ".m4a",
}
SAMPLE_FORMATS: Final = tuple(EXTENSIONS)


def samples_per_chunk(seconds: float, sample_rate: int) -> int:
    """Samples in a chunk of so many seconds, at least 1."""
    if not (math.isfinite(seconds) and round(seconds * sample_rate) >= 1):
        raise OptionError(f"chunk_seconds is the length of a chunk: a positive number of seconds, got {seconds}")
    return round(seconds * sample_rate)
