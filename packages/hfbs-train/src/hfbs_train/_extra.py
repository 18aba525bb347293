"""Import what an extra brings, or say how to get it."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ._errors import ConfigurationError


def import_extra(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module that is not typed throughout.

    Raises:
        ConfigurationError: Its library is missing or cannot be imported; the message says how to install it.
    """
    library = module.partition(".")[0]
    remedy = f'pip install "hfbs-train[{extra}]"'
    if find_spec(library) is None:
        raise ConfigurationError(f"{purpose} needs {library}, which is not installed: {remedy}")
    try:
        return import_module(module)
    except ImportError as error:  # it lacks what it needs itself, or does not fit it
        raise ConfigurationError(f"{purpose} needs {library}, which cannot be imported ({error}): {remedy}") from error
