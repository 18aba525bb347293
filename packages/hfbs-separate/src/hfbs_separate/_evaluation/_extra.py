"""Import what an extra brings, or say how to get it."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any


def is_there(library: str) -> bool:
    """Whether a library could be imported."""
    return find_spec(library) is not None


def import_extra(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module that is not typed throughout.

    Raises:
        ImportError: Its library is missing; the message says how to install it.
    """
    library = module.partition(".")[0]
    if not is_there(library):
        raise ImportError(
            f'{purpose} needs {library}, which is not installed: pip install "hfbs-separate[{extra}]"', name=library
        )
    return import_module(module)
