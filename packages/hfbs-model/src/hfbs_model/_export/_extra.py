"""The libraries that come with the extra ``onnx``, imported when they are needed."""

from importlib import import_module
from typing import Any


def onnx_library(name: str, purpose: str) -> Any:
    """A module of these libraries, which have no types.

    Raises:
        ImportError: It is not installed; the message says how to install it.
    """
    library = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != library:
            raise
        raise ImportError(
            f'{purpose} needs {library}, which is not installed. Install it with: pip install "hfbs-model[onnx]"',
            name=library,
        ) from error
