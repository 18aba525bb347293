"""The words that options take; here, so that the command can name them before PyTorch is loaded."""

from collections.abc import Mapping
from typing import Final, Literal

type SampleFormat = Literal["float", "24", "16", "flac", "flac16", "mp3", "opus", "m4a"]

DEVICES: Final = ("auto", "cpu", "cuda", "mps")
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
