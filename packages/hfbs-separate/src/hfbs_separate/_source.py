"""The bytes of a song: of a file, or of a URL or standard input, which are kept on disk."""

import errno
import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from av.error import FFmpegError

from ._errors import AudioFileError
from ._remote import Place, named, patiently, store_of

if TYPE_CHECKING:
    from upath import UPath

STANDARD_INPUT = Path("-")

# Bytes that FFmpeg may read before it gives a packet, because it may hold them all. Fonts in a film's header need most.
_AT_ONCE = 1 << 27
_ONE_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where a song's bytes come from.

    Attributes:
        path: what messages call it.
        hint: how a command line of ffmpeg names it.
        size: in bytes.
        open: gives the bytes, to any number of readers in one thread.
    """

    path: Place
    hint: str
    size: int
    open: Callable[[], AbstractContextManager[FileIO]]

    @property
    def copy_first(self) -> str:
        """What to do with a damaged file."""
        return f"to separate what is there, copy it first, as with: ffmpeg -i {self.hint} -vn rest.wav"


def file_source(path: Path) -> Source:
    """A file on disk.

    Raises:
        AudioFileError: it is missing, may not be read, is no regular file, or is empty.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise AudioFileError(f"{path}: a folder or a device, not a file; name the song itself")
        if status.st_size == 0:
            raise AudioFileError(f"{path}: the file is empty (0 bytes)")
        FileIO(path).close()
    except OSError as error:
        raise AudioFileError(f"{path}: {reason(error)}") from error
    return Source(path, shlex.quote(path.name), status.st_size, lambda: FileIO(path))


def standard_input_source() -> Source:
    """What comes in on standard input, to its end, in an unnamed file of the system's folder for temporary files.

    Containers such as MP4 are read from several places, which a pipe does not give. The file takes as much room as the
    song, and goes with the last reference to the source, or with the process.

    Raises:
        AudioFileError: standard input is closed, a terminal or empty, or there is no room for the file.
    """
    name = Path("stdin")
    stream: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if stream is None or stream.closed:
        raise AudioFileError(f"{name}: standard input is closed; pipe a song into it, or name a file")
    if stream.isatty():
        raise AudioFileError(f"{name}: standard input is a terminal; pipe a song into it, or name a file")
    try:
        spool = _Spool(stream)
    except OSError as error:
        raise AudioFileError(
            f"{name}: cannot be kept in {tempfile.gettempdir()}: {reason(error)}; "
            "make room there, or name another folder by the environment variable TMPDIR"
        ) from error
    if spool.size == 0:
        raise AudioFileError(f"{name}: standard input is empty (0 bytes)")
    return Source(name, "-", spool.size, spool.open)


def remote_source(place: "UPath") -> Source:
    """What is at a URL, fetched to its end into such a file as :func:`standard_input_source` has.

    Raises:
        AudioFileError: it is not there, cannot be fetched, or is empty.
    """

    def fetched() -> _Spool:
        with store_of(place).open(place.path, "rb") as stream:
            return _Spool(stream)

    try:
        spool = patiently(fetched)
    except OSError as error:
        raise AudioFileError(f"{place}: cannot be fetched: {reason(error)}") from error
    if spool.size == 0:
        raise AudioFileError(f"{place}: the file is empty (0 bytes)")
    return Source(place, shlex.quote(named(place).name), spool.size, spool.open)


class _Spool:
    """A copy of a stream in a file without a name, closed and so gone when nobody holds it any more."""

    def __init__(self, stream: BinaryIO) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(stream, self._file, 1 << 20)
        self._file.flush()
        self.size = self._file.tell()

    def __del__(self) -> None:
        self._file.close()

    def open(self) -> AbstractContextManager[FileIO]:
        file = cast(FileIO, self._file.raw)
        file.seek(0)
        return nullcontext(file)


class MeasuredFile:
    """A file as PyAV wants it, which ends where FFmpeg reads more than fits into memory without getting anywhere.

    An exception in a method that FFmpeg calls would be printed and dropped: it is kept for :meth:`check` instead.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._at = 0  # the file's own place is moved by others who read it
        self._left = _AT_ONCE
        self._failure: BaseException | None = None

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the file's end, nor after a failure."""
        if self._failure is not None or self._left <= 0:
            return b""
        try:
            self._file.seek(self._at)
            data = self._file.read(min(size, _ONE_READ))
        except BaseException as error:  # Ctrl-C, too
            self._failure = error
            return b""
        self._at += len(data)
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, and give the new place; where that fails, the number of the error as FFmpeg has it, below zero."""
        try:
            if whence == os.SEEK_CUR:
                offset, whence = self._at + offset, os.SEEK_SET
            self._at = self._file.seek(offset, whence)
        except OSError as error:
            return -(error.errno or errno.EIO)
        return self._at

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def check(self) -> None:
        """Raise what went wrong since the last call, and allow as much again.

        Raises:
            OSError: the disk failed, or too much was read.
        """
        if self._failure is not None:
            raise self._failure
        if self._left <= 0:
            raise OSError(errno.EFBIG, f"nothing that can be decoded within {_AT_ONCE >> 20} MB")
        self._left = _AT_ONCE


def reason(error: OSError | FFmpegError) -> str:
    """What the operating system or FFmpeg says, as the middle of a line."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
