"""Files that appear whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile


def written_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside the path, and put it in its place when it is on the disk.

    Raises:
        OSError: The folder or the file cannot be written; what was there is still there.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part", delete=False) as file:
        part = Path(file.name)
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
