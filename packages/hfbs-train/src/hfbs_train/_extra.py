"""Import what an extra brings, or say how to get it."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ._errors import ConfigurationError


def import_extra(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module that is not typed throughout.

    Raises:
        ConfigurationError: Its library is missing; the message says how to install it.
    """
    library = module.partition(".")[0]
    if find_spec(library) is None:
        raise ConfigurationError(
            f'{purpose} needs {library}, which is not installed: pip install "hfbs-train[{extra}]"'
        )
    return import_module(module)
