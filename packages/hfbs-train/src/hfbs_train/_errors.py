"""The errors that name what a person can mend: a configuration, a run; of songs, hfbs_separate's serve."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class ConfigurationError(ValueError):
    """A configuration says what this package does not know, or what does not fit together."""


class RunError(RuntimeError):
    """A run cannot be begun or gone on with where it was asked for."""


class SynthesisError(RuntimeError):
    """Songs cannot be rendered: a program, a soundfont or a library is missing, or one of them failed."""


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Say of a system's error within which file of a run cannot be written.

    Raises:
        RunError: In its place.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
