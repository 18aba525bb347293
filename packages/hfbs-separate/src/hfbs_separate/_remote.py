"""Songs and stems at URLs such as ``s3://bucket/prefix``: all that is said to a store of files."""

import errno
import re
import time
from collections.abc import Callable
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ._errors import OptionError

if TYPE_CHECKING:
    from upath import UPath

type Place = Path | UPath
"""A file on a disk, or one at a URL."""

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WEB = ("http", "https")
_BUCKETS = ("s3", "s3a", "gs", "gcs")
_PAUSES = (0.5, 2.0, 8.0)  # seconds before trying again
# What another try does not change. Everything else a network may have done.
_FINAL = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)


def place_of(text: str) -> Place:
    """The place that a person named: a URL where it begins with ``scheme://``, else a path.

    Raises:
        OptionError: what reads such URLs is not installed, or nothing does.
    """
    if not _URL.match(text):
        return Path(text)
    scheme = text.partition("://")[0].lower()
    if scheme in ("file", "local"):
        raise OptionError(f"{text}: files on this machine are named by their path, without {scheme}://")
    try:
        place = at_url(text)
        place.fs  # noqa: B018 - is found, and its package imported, when it is first asked for
    except ImportError as error:
        needed = "" if scheme == "s3" else f", and what fsspec needs for {scheme}: {error}"
        raise OptionError(f'{text}: URLs need the extra remote: pip install "hfbs-separate[remote]"{needed}') from error
    except ValueError as error:
        raise OptionError(f"{text}: no URL of a file store that fsspec knows: {error}") from error
    return place


def at_url(url: str) -> "UPath":
    """The place at a URL that :func:`place_of` has taken, or a store has named."""
    from upath import UPath

    return UPath(url)


def is_web(place: "UPath") -> bool:
    """Whether nothing can be listed there, and a question mark begins a query."""
    return place.protocol in _WEB


def named(place: Place) -> PurePath:
    """What tells a file's name, its stem and its suffix.

    On the web that is the address's path, without a query, and with ``%20`` a space; the host where that ends in
    nothing that a file may be called.
    """
    if isinstance(place, Path):
        return place
    if not is_web(place):
        return PurePosixPath(place.name)
    address = urlsplit(str(place))
    names = (PurePosixPath(text).name for text in (unquote(address.path), address.path, address.hostname or ""))
    return PurePosixPath(next((name for name in names if name not in ("", "..") and "\0" not in name), "web"))


def public(place: Place) -> str:
    """A place as it may be written down: on the web without query and user, which may be keys to what is there."""
    if isinstance(place, Path) or not is_web(place):
        return str(place)
    address = urlsplit(str(place))
    return urlunsplit((address.scheme, address.netloc.rpartition("@")[2], address.path, "", ""))


def in_bucket(place: "UPath") -> str | None:
    """The bucket that holds the place; None in stores without such."""
    return place.path.split("/")[0] if place.protocol in _BUCKETS else None


def store_of(place: "UPath") -> Any:
    """The file system of fsspec that holds the place, which has no types. It remembers no listing from before."""
    store: Any = place.fs
    store.invalidate_cache()
    return store


def patiently[T](action: Callable[[], T]) -> T:
    """What the action gives; where it fails as networks do, it is tried again, four times in all, with pauses.

    Raises:
        OSError: it failed each time, or in a way that another try does not change.
    """
    for pause in _PAUSES:
        try:
            return _in_our_words(action)
        except _FINAL:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            time.sleep(pause)
    return _in_our_words(action)


def _in_our_words[T](action: Callable[[], T]) -> T:
    try:
        return action()
    except OSError:
        raise
    # Every store has exceptions of its own, which have no base in common.
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def exists(place: Place) -> bool:
    """Whether a file is there.

    Raises:
        OSError: at a URL, as :func:`patiently`.
    """
    if isinstance(place, Path):
        return place.exists()
    return bool(patiently(lambda: store_of(place).exists(place.path)))


def content_of(place: Place) -> bytes:
    """A small file.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(place, Path):
        return place.read_bytes()
    return bytes(patiently(lambda: store_of(place).cat_file(place.path)))


def put(file: Path, place: "UPath") -> None:
    """Copy a file to its place. Object stores show it when it is whole, not before.

    Raises:
        OSError: as :func:`patiently`.
    """
    patiently(lambda: store_of(place).put_file(str(file), place.path))


def put_bytes(content: bytes, place: "UPath") -> None:
    """Write a small file, as :func:`put` does."""
    patiently(lambda: store_of(place).pipe_file(place.path, content))


def fingerprint(place: "UPath") -> dict[str, object]:
    """What tells that a file is still the same: its size, and the store's tag of its content or the time.

    Raises:
        OSError: as :func:`patiently`.
    """
    told: dict[str, Any] = patiently(lambda: store_of(place).info(place.path))
    tags = (
        str(told[name]).strip('"') for name in ("ETag", "etag", "md5Hash", "LastModified", "mtime") if told.get(name)
    )
    return {"bytes": told.get("size"), "version": next(tags, None)}
