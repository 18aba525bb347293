"""The words that options take; here, so that the command can name them before PyTorch is loaded."""

import math
import re
from collections.abc import Mapping
from typing import Final, Literal

from ._errors import OptionError

type SampleFormat = Literal["float", "24", "16", "flac", "flac16", "mp3", "opus", "m4a"]

DEVICES: Final = ("auto", "cpu", "cuda", "mps")
CHUNKINGS: Final = ("clean", "msst", "audio-separator")
COMBINATIONS: Final = ("mean", "median", "min", "max", "mean-fft", "median-fft", "min-fft", "max-fft")
ENGINES: Final = ("local", "ray")
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

_DEVICE = re.compile(r"cpu|mps|cuda(?::(?:0|[1-9][0-9]*))?")


def device_names(text: str) -> tuple[str, ...]:
    """The devices that a person named: ``auto``, or ``cpu``, ``mps``, ``cuda`` or ``cuda:1``, of the last two several.

    Raises:
        OptionError: none of these, one named twice, or devices of several kinds, which compute differently.
    """
    names = tuple(name.strip() for name in text.split(","))
    if names == ("auto",):
        return names
    for name in names:
        if not _DEVICE.fullmatch(name):
            raise OptionError(f"device is one of {', '.join(DEVICES)}, or several such as cuda:0,cuda:1, got {text!r}")
        if names.count(name) > 1:
            raise OptionError(
                f"device {name} is named twice in {text!r}: name each once, as it gains nothing from more"
            )
    if len({name.partition(":")[0] for name in names}) > 1:
        raise OptionError(
            f"devices that work on the same songs are of one kind, or stems would depend on who does what, got {text!r}"
        )
    return names


def samples_per_chunk(seconds: float, sample_rate: int) -> int:
    """Samples in a chunk of so many seconds, at least 1."""
    if not (math.isfinite(seconds) and round(seconds * sample_rate) >= 1):
        raise OptionError(f"chunk_seconds is the length of a chunk: a positive number of seconds, got {seconds}")
    return round(seconds * sample_rate)
