"""Raw PCM on pipes: interleaved samples without a header, as ``ffmpeg -f f32le`` and ``sox -t f32`` write them."""

from collections.abc import Iterator
from typing import Final, Literal, Protocol

import numpy as np

from ._types import Audio

type PcmFormat = Literal["f32le", "s16le"]

PCM_FORMATS: Final = ("f32le", "s16le")
_TYPES: Final = {"f32le": np.dtype("<f4"), "s16le": np.dtype("<i2")}
_FULL_SCALE = 1 << 15


class _Readable(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class _Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> None: ...


class PcmReader:
    """Samples of a pipe, as they come.

    Attributes:
        left_over: bytes after the last whole frame; what a stream ends with besides is left out.
    """

    def __init__(self, pipe: _Readable, sample_format: PcmFormat, channels: int) -> None:
        self.left_over = b""
        self._pipe = pipe
        self._type = _TYPES[sample_format]
        self._channels = channels

    def blocks(self, most: int) -> Iterator[Audio]:
        """Float32, (channel, time), of up to ``most`` samples: whatever has come, without waiting for more.

        Raises:
            OSError: the pipe cannot be read.
        """
        frame = self._type.itemsize * self._channels
        while data := self._pipe.read1(most * frame - len(self.left_over)):
            data = self.left_over + data
            kept = len(data) - len(data) % frame
            self.left_over = data[kept:]
            samples = np.frombuffer(data[:kept], self._type).reshape(-1, self._channels).T
            if samples.shape[1]:
                yield samples.astype(np.float32) / np.float32(_FULL_SCALE if self._type.kind == "i" else 1)


class PcmWriter:
    """Samples to a pipe, at once.

    Attributes:
        clipped: samples that were beyond what the format holds.
    """

    def __init__(self, pipe: _Writable, sample_format: PcmFormat) -> None:
        self.clipped = 0
        self._pipe = pipe
        self._type = _TYPES[sample_format]

    def write(self, audio: Audio) -> None:
        """Write float32, (channel, time).

        Raises:
            OSError: the pipe cannot be written; BrokenPipeError: nobody reads any more.
        """
        if self._type.kind == "i":
            scaled = np.rint(audio * _FULL_SCALE)
            held = scaled.clip(-_FULL_SCALE, _FULL_SCALE - 1)
            # Full scale itself, 1.0, is one step beyond the highest integer, and no fault.
            self.clipped += int(np.count_nonzero(np.abs(scaled) > _FULL_SCALE))
            audio = held
        self._pipe.write(np.ascontiguousarray(audio.T.astype(self._type)).tobytes())
        self._pipe.flush()
