"""Songs on disk for training, whose every sample says where it is from."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
_STEP = 2.0**-22
_LONGEST = 1 << 17  # samples


def telling(number: int, seconds: float, *, channels: int = 2) -> np.ndarray:
    """Audio whose samples say a number below 16 and their place, exactly: (channel, time), never silent."""
    places = number * _LONGEST + np.arange(int(seconds * RATE))
    return np.tile((places + 1) * _STEP, (channels, 1)).astype(np.float32)


def told(audio: np.ndarray) -> tuple[int, int]:
    """The number and the place of the first sample of a part of such audio, which is checked to be one."""
    places = np.rint(audio[0].astype(np.float64) / _STEP).astype(int) - 1
    np.testing.assert_array_equal(np.diff(places), 1)
    np.testing.assert_array_equal(audio, np.tile(audio[0], (len(audio), 1)))
    return divmod(int(places[0]), _LONGEST)


def noise(number: int, seconds: float, *, level: float = 0.1) -> np.ndarray:
    """Noise: (channel, time)."""
    return (level * np.random.default_rng(number).normal(size=(2, int(seconds * RATE)))).astype(np.float32)


def write_song(folder: Path, stems: Mapping[str, np.ndarray], rate: int = RATE) -> Path:
    """A WAV file of floats for each stem, (channel, time)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, audio in stems.items():
        soundfile.write(folder / f"{name}.wav", audio.T, rate, "FLOAT")
    return folder
