"""Import what an extra brings, or say how to get it."""

from importlib import import_module
from typing import Any


def import_extra(library: str, module: str, *, extra: str, purpose: str) -> Any:
    """Import ``module`` of ``library``; where the library is missing, say which extra brings it.

    The module comes back as Any, since neither librosa nor matplotlib is typed throughout: callers cast what they take.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != library:
            raise
        raise ImportError(
            f"{purpose} needs {library}, which is not installed. "
            f'Install it with: pip install "hfbs-filterbanks[{extra}]"',
            name=library,
        ) from error
