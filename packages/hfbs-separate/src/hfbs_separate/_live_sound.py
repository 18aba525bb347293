"""A live separation between the input and the output of a sound device."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import OptionError
from ._live_separator import LiveSeparator
from ._types import Audio

_HELD_SECONDS = 10.0  # of input while the model is late, before it is lost
_BLOCK = 512  # samples that a device asks for at once; no more than a hop lies ready


def sound_module() -> Any:
    """The module ``sounddevice``.

    Raises:
        OptionError: it, or the library that it needs, is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise OptionError('sound devices need the extra live: pip install "hfbs-separate[live]"') from error
    except OSError as error:
        raise OptionError(
            f"sound devices need the PortAudio library, which was not found ({error}): install it, by "
            "apt install libportaudio2 on Debian and Ubuntu"
        ) from error
    return sounddevice


class _Queue:
    """Samples that wait, in a buffer of fixed size."""

    def __init__(self, channels: int, size: int) -> None:
        self._held = np.zeros((channels, size), np.float32)
        self._first = 0
        self.count = 0

    @property
    def room(self) -> int:
        return self._held.shape[1] - self.count

    def put(self, samples: Audio) -> None:
        """Append samples, for which there is room."""
        size = self._held.shape[1]
        begin = (self._first + self.count) % size
        straight = min(samples.shape[1], size - begin)
        self._held[:, begin : begin + straight] = samples[:, :straight]
        self._held[:, : samples.shape[1] - straight] = samples[:, straight:]
        self.count += samples.shape[1]

    def take(self, count: int) -> Audio:
        """The first of the samples, of which there are at least so many."""
        places = np.arange(self._first, self._first + count) % self._held.shape[1]
        self._first = (self._first + count) % self._held.shape[1]
        self.count -= count
        return self._held[:, places]


class SoundLoop:
    """What a device's callback and the thread that runs the model hand to each other.

    The output is one hop later than the separator's latency: that is the time in which a chunk is computed. Where it
    does not suffice, silence is played, and the samples that come too late are left out, so that the latency stays the
    same.

    Args:
        separator: at the rate of the device.
        stem: which of its stems is played.

    Attributes:
        latency: samples from the device's input to its output, without the device's own buffers.
        drop_outs: how often there was nothing to play.
        missing: samples of silence that were played then.
        lost: samples of input for which there was no room any more.
    """

    def __init__(self, separator: LiveSeparator, stem: str) -> None:
        self.latency = separator.latency + separator.plan.hop
        self.drop_outs = self.missing = self.lost = 0
        self._separator = separator
        self._stem = stem
        held = round(_HELD_SECONDS * separator.sample_rate) + 2 * separator.plan.hop
        self._heard = _Queue(separator.audio_channels, held)
        self._coming = _Queue(separator.audio_channels, held)
        self._coming.put(np.zeros((separator.audio_channels, separator.plan.hop), np.float32))
        self._too_late = 0  # samples to leave out, as silence was played in their place
        self._changed = threading.Condition()

    def callback(self, indata: NDArray[np.float32], outdata: NDArray[np.float32], *_told: object) -> None:
        """What ``sounddevice.Stream`` calls, with (time, channel)."""
        with self._changed:
            there = min(len(outdata), self._coming.count)
            outdata[:there] = self._coming.take(there).T
            outdata[there:] = 0
            if missing := len(outdata) - there:
                self.drop_outs += 1
                self.missing += missing
                self._too_late += missing
            taken = min(len(indata), self._heard.room)
            self._heard.put(indata[:taken].T)
            # What is not heard does not come out either.
            self.lost += len(indata) - taken
            self._too_late -= len(indata) - taken
            self._changed.notify()

    def work(self, seconds: float = 0.1) -> int:
        """Separate what has come, at most a hop, waiting for it so long; gives how many samples these were."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._heard.count > 0, seconds):
                return 0
            heard = self._heard.take(min(self._heard.count, self._separator.plan.hop))
        stem = self._separator.process(heard)[self._stem]
        with self._changed:
            left_out = min(max(self._too_late, 0), stem.shape[1])
            self._too_late -= left_out
            self._coming.put(stem[:, left_out:])
        return heard.shape[1]


@contextmanager
def opened(
    loop: SoundLoop, separator: LiveSeparator, sound_input: int | str | None, sound_output: int | str | None
) -> Generator[Any]:
    """A running ``sounddevice.Stream`` between two devices, each by number, part of its name, or None: the system's.

    Raises:
        OptionError: sounddevice is not installed, or a device cannot be opened so.
    """
    sounddevice = sound_module()
    try:
        stream = sounddevice.Stream(
            samplerate=separator.sample_rate,
            device=(sound_input, sound_output),
            channels=separator.audio_channels,
            dtype="float32",
            blocksize=min(_BLOCK, separator.plan.hop),
            callback=loop.callback,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        channels = f"{separator.audio_channels} channel{'s' if separator.audio_channels > 1 else ''}"
        raise OptionError(
            f"no sound device opens at {separator.sample_rate} Hz with {channels}: {error}; name others by "
            "--sound-input and --sound-output, from the list of python -m sounddevice"
        ) from error
    with stream:
        yield stream
