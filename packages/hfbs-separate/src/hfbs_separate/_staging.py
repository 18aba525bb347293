"""A song's stems on this machine's disk, on their way to a URL."""

import shutil
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ._parts import Part, clear_leftovers, write_atomically
from ._remote import Place, put, put_bytes

_PREFIX = "hfbs-stems-"
_GUARD = "guard"
_YOUNG = 60  # seconds in which a folder may not have its guard yet


@contextmanager
def on_this_disk(files: Mapping[str, Place]) -> Generator[dict[str, Path]]:
    """Where to write files: to their places, and in place of URLs into a folder for temporary files, gone at the end.

    What a process that was killed left of such folders goes first.
    """
    local = {stem: file for stem, file in files.items() if isinstance(file, Path)}
    if len(local) == len(files):
        yield local
        return
    _clear()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        guard = Part(Path(name, _GUARD))  # locked while this process lives
        try:
            yield {stem: Path(name, f"{number}{file.suffix}") for number, (stem, file) in enumerate(files.items())}
        finally:
            guard.discard()


def deliver(file: Path, place: Place) -> None:
    """Bring a file to its place, unless it was written there.

    Raises:
        OSError: it cannot be written.
    """
    if not isinstance(place, Path):
        put(file, place)


def write_record(place: Place, record: bytes) -> None:
    """Write a record, which appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    if isinstance(place, Path):
        place.parent.mkdir(parents=True, exist_ok=True)  # names may give it a folder without stems
        write_atomically(place, [record])
    else:
        put_bytes(record, place)


def _clear() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            abandoned = time.time() - folder.stat().st_mtime > _YOUNG and not clear_leftovers([folder / _GUARD])
        except OSError:  # gone by now, or another user's
            continue
        if abandoned:
            shutil.rmtree(folder, ignore_errors=True)
