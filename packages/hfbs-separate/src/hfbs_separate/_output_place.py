"""Whether a place takes what is to be written there, asked before the work on it begins."""

import os
import stat
from pathlib import Path

from ._errors import OutputError
from ._source import reason

ANOTHER_FOLDER = "name another folder with -o"


def is_there(place: Path, remedy: str) -> bool:
    """Whether there is anything at a place.

    Args:
        place: where to look.
        remedy: what to do where that cannot be told, such as "name another place with -o".

    Raises:
        OutputError: the system does not tell, as of a name that is too long or in a folder that may not be entered.
    """
    return _status(place, remedy) is not None


def is_folder(place: Path, remedy: str) -> bool:
    """Whether there is a folder at a place; arguments and errors as :func:`is_there`."""
    status = _status(place, remedy)
    return status is not None and stat.S_ISDIR(status.st_mode)


def check_new_file(file: Path, remedy: str, *, overwrite: bool) -> None:
    """Refuse a place for a file.

    Args:
        file: where it is to go.
        remedy: how another place is named, such as "name another place with -o".
        overwrite: whether it may replace another file.

    Raises:
        OutputError: its folder is missing or may not be written to, or a folder or a file is there.
    """
    if not is_folder(file.parent, remedy):
        raise OutputError(f"there is no folder {file.parent}: create it, or {remedy}")
    if is_folder(file, remedy):
        raise OutputError(f"{file} is a folder: {remedy}")
    if not overwrite and is_there(file, remedy):
        raise OutputError(f"{file} exists: add --force to overwrite it, or {remedy}")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{file.parent} may not be written to: {remedy}")


def check_folder(folder: Path) -> None:
    """Raise OutputError where nothing can be created in an output folder, or it cannot be made."""
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if is_there(parent, ANOTHER_FOLDER))
    if not is_folder(nearest, ANOTHER_FOLDER):
        raise OutputError(f"{nearest} is a file, so {folder} cannot be the output folder: name another with -o")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{nearest} may not be written to: name another output folder with -o")


def _status(place: Path, remedy: str) -> os.stat_result | None:
    try:
        return place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"{place} cannot be written: {reason(error)}; {remedy}") from error
