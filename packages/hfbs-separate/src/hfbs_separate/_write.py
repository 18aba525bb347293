"""A song's stems to files, block by block: never clipped in silence, all of them or none."""

import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from ._encode import CODINGS, Coding, Encoder, Floats, check_encoder, encoded_rate, full_scale_gain
from ._options import SampleFormat
from ._parts import Part, new_folders, sync_folder
from ._resample import resampled
from ._types import Audio, Progress

_BLOCK = 1 << 16  # samples that are read back at once


def decibels(gain: float) -> str:
    """How far a gain below 1 turns down, in dB, with as many digits as it takes to show that it does."""
    down = -20 * math.log10(gain)
    return f"{down:.2f}" if down >= 0.01 else f"{down:.1g}"


@contextmanager
def stems_writer(
    files: Mapping[str, Path], *, sample_rate: int, channels: int, sample_format: SampleFormat
) -> Generator["StemsWriter"]:
    """Write a song's stems, all of them or none, in memory that does not grow with the song (M4A: by 13 MB an hour).

    Each stem goes to a temporary file beside its place. In every format but ``"float"``, which cannot clip, that file
    holds float32 samples until the peak of all stems is known, and :meth:`StemsWriter.encode` reads them back.
    :meth:`StemsWriter.put` puts the stems in their places. Where the body ends without it, by an interrupt too, the
    temporary files and the folders made for them are removed; what a killed process leaves,
    :func:`~._parts.clear_leftovers` removes.

    A lossy format that lacks the song's rate has its next higher one (Opus has 48000 Hz only), else its highest. Files
    are as long as the song, to the sample; an MP3 has at least 47, and FFmpeg before 9 decodes an M4A up to a multiple
    of 1024 samples, though the file states its length.

    Args:
        files: where each stem goes; files that are there are replaced.
        sample_rate: of the song, in Hz.
        channels: of the song, 1 or 2.
        sample_format: what the files hold, one of ``SAMPLE_FORMATS``.

    Raises:
        OutputError: the format cannot be encoded here.
        OSError: a file cannot be written, here or in the writer's methods; the reason is the system's.
    """
    coding = CODINGS[sample_format]
    check_encoder(coding)
    with new_folders({path.parent for path in files.values()}) as changed, ExitStack() as cleanup:
        yield StemsWriter(files, sample_rate, channels, coding, changed, cleanup)


class StemsWriter:
    """Takes a song's stems; made by :func:`stems_writer`."""

    def __init__(
        self,
        files: Mapping[str, Path],
        sample_rate: int,
        channels: int,
        coding: Coding,
        folders: set[Path],
        cleanup: ExitStack,
    ) -> None:
        self._files = files
        self._sample_rate = sample_rate
        self._channels = channels
        self._coding = coding
        self._folders = folders
        self._cleanup = cleanup
        self._length = 0
        self._lowest = self._highest = 0.0
        self._parts: dict[str, Part] = {}  # those that take the stems' places
        self._sinks: dict[str, Encoder | _Spool] = {
            name: self._encoder(name, 1.0) if isinstance(coding, Floats) else _Spool(self._part(path), channels)
            for name, path in files.items()
        }

    def write(self, blocks: Mapping[str, Audio]) -> None:
        """Append a block to every stem.

        Args:
            blocks: for each stem float32, shape (channel, time), finite; the time is any, but the same for all.
        """
        if blocks.keys() != self._files.keys():
            raise ValueError(f"each stem needs its block: expected {list(self._files)}, got {list(blocks)}")
        length = next(iter(blocks.values())).shape[-1]
        for name, block in blocks.items():
            if block.shape != (self._channels, length):
                raise ValueError(f"blocks must have shape {(self._channels, length)}, got {block.shape} for {name}")
            lowest, highest = float(block.min(initial=0)), float(block.max(initial=0))
            if not (math.isfinite(lowest) and math.isfinite(highest)):
                raise ValueError(f"samples must be finite, got {lowest} to {highest} for {name}")
            self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
            self._sinks[name].write(block)
        self._length += length

    def encode(self, progress: Progress | None = None) -> float:
        """Encode what is still to be encoded, and bring all files to the disk.

        Args:
            progress: called with (samples encoded, samples in all stems); never in the format ``"float"``, which is
                encoded as it comes.

        Returns:
            The gain, at most 1, that every stem was multiplied by so that none clips; see
            :func:`~._encode.full_scale_gain`.
        """
        gain = full_scale_gain(self._coding, self._lowest, self._highest)
        rate = encoded_rate(self._coding, self._sample_rate)
        done, total = 0, len(self._files) * -(-self._length * rate // self._sample_rate)
        for name, sink in self._sinks.items():
            if isinstance(sink, Encoder):
                encoder = sink
            else:
                encoder = self._encoder(name, gain)
                for block in resampled(sink.blocks(), self._sample_rate, rate):
                    encoder.write(block)
                    done += block.shape[1]
                    if progress is not None:
                        progress(done, total)
                sink.part.discard()
            encoder.close()
            self._parts[name].sync()
        return gain

    def put(self) -> None:
        """Let each file, once it is encoded, take its place."""
        for part in self._parts.values():
            part.put()
        for folder in self._folders:
            sync_folder(folder)

    def _part(self, place: Path) -> Part:
        part = Part(place)
        self._cleanup.callback(part.discard)
        return part

    def _encoder(self, name: str, gain: float) -> Encoder:
        part = self._parts[name] = self._part(self._files[name])
        rate = encoded_rate(self._coding, self._sample_rate)
        encoder = Encoder(part.path, self._coding, rate, self._channels, gain)
        self._cleanup.callback(encoder.abandon)
        return encoder


class _Spool:
    """A stem's samples on disk, interleaved float32."""

    def __init__(self, part: Part, channels: int) -> None:
        self.part = part
        self._channels = channels

    def write(self, block: Audio) -> None:
        self.part.file.write(np.ascontiguousarray(block.T, np.float32).data)

    def blocks(self) -> Iterator[Audio]:
        """What was written, in blocks of the same length however it came."""
        self.part.file.seek(0)
        while data := self.part.file.read(4 * self._channels * _BLOCK):
            yield np.frombuffer(data, np.float32).reshape(-1, self._channels).T
