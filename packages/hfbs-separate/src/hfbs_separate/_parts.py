"""Files that appear whole or not at all: temporary ones beside their places, and what a killed process left of them."""

import errno
import os
import re
import secrets
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

_SUFFIX = 15  # bytes of "-01234567.part" and the dot in front of all
_SHORTEST_EXTENSION = 4
_ANY_NAME = 64  # bytes that a name may have on every file system
_PART = re.compile(r"\.(.+)-[0-9a-f]{8}\.part", re.DOTALL)


class Part:
    """A temporary file beside the place that it will take, locked as long as it is open.

    Attributes:
        path: ``.<place's stem>-<random>.part``, the stem cut where the name would be longer than the place's.
        file: the open file, for writing and reading.
    """

    def __init__(self, place: Path) -> None:
        """Create the file.

        Raises:
            OSError: it cannot be created; the reason is the system's.
        """
        self._place = place
        self.path, self.file = _created(place)

    def sync(self) -> None:
        """Bring to the disk what was written, by whichever way it came into the file."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def put(self) -> None:
        """Let it take its place, instead of what is there."""
        if sys.platform == "win32":  # which renames no open file
            self.file.close()
        self.path.replace(self._place)
        self.file.close()

    def discard(self) -> None:
        """Remove it unless it took its place. Never raises: an error may be on its way out already."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def write_atomically(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file that appears whole or not at all, in a folder that is there.

    Raises:
        OSError: it cannot be written; what was at the path is still there.
    """
    part = Part(path)
    try:
        part.file.writelines(parts)
        part.sync()
        part.put()
    finally:
        part.discard()
    sync_folder(path.parent)


def clear_leftovers(places: Iterable[Path]) -> bool:
    """Remove the temporary files that dead processes left beside these places.

    A process's lock dies with it, however it ends. A file whose lock another process holds is kept, as is one that
    this user may not remove, or on a disk that knows no locks.

    Returns:
        Whether a living process is writing a file for one of these places now, with whichever extension.

    Raises:
        OSError: a folder cannot be read.
    """
    wanted: dict[Path, set[str]] = {}
    for place in places:
        wanted.setdefault(place.parent, set()).add(_shortened(place.stem))
    found = [
        file
        for folder, stems in wanted.items()
        if folder.is_dir()
        for file in folder.iterdir()
        if (match := _PART.fullmatch(file.name)) and match[1] in stems
    ]
    return sum(map(_in_use, found)) > 0


@contextmanager
def new_folders(folders: Iterable[Path]) -> Generator[set[Path]]:
    """Make these folders; at the end, remove again those that were made and are empty.

    Yields:
        Every folder whose list of names changes by this and by files put into ``folders``: those to sync.
    """
    changed = set(folders)
    made: list[Path] = []
    try:
        for folder in tuple(changed):
            missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
            for parent in reversed(missing):
                parent.mkdir(exist_ok=True)
                made.append(parent)
                changed.add(parent.parent)
        yield changed
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # not empty, or gone
                folder.rmdir()


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk, so that a rename in it outlives a power cut."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written to but not read, or any on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.EINVAL):  # how network disks say that they sync no folders
            raise
    finally:
        os.close(descriptor)


def _created(place: Path) -> tuple[Path, BufferedRandom]:
    while True:
        path = place.with_name(f".{_shortened(place.stem)}-{secrets.token_hex(4)}.part")
        file = path.open("x+b")
        if _held(file):
            return path, file
        file.close()


def _shortened(stem: str) -> str:
    """So much of the stem, in whole letters, that the temporary name is no longer than the place's, or short."""
    name = os.fsencode(stem)
    room = max(len(name) + _SHORTEST_EXTENSION, _ANY_NAME) - _SUFFIX
    return stem if len(name) <= room else name[:room].decode(errors="ignore")


if sys.platform == "win32":
    # An open file cannot be removed there, which is all that the lock is for.

    def _held(_: BufferedRandom) -> bool:
        return True

    def _in_use(part: Path) -> bool:
        try:
            part.unlink(missing_ok=True)
        except PermissionError:
            return True
        return False

else:
    import fcntl

    def _held(file: BufferedRandom) -> bool:
        """Lock the file just created; False where another process took it for a leftover before that."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a disk without locks, where nobody removes the file
            return True
        return os.fstat(file.fileno()).st_nlink > 0

    def _in_use(part: Path) -> bool:
        """Whether a living process holds the file's lock; if none does, the file is removed."""
        try:
            with part.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
        except BlockingIOError:
            return True
        except OSError:  # gone by now, another user's, or on a disk without locks: not ours to remove
            return False
        return False
