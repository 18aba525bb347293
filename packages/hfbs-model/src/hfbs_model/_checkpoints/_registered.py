"""What the registry of known files says about a file."""

import hashlib
from os import PathLike
from pathlib import Path

from .._registry import checkpoint_by_sha256
from ._settling import Source


def registry_source(path: str | PathLike[str]) -> Source | None:
    """The registry's settings for a file of this content; None where it does not know it."""
    known = checkpoint_by_sha256(sha256_of(path))
    return None if known is None else Source("registry", known.settings)


def sha256_of(path: str | PathLike[str]) -> str:
    """The digest of a file's content, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
