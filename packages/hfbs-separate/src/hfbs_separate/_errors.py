"""The errors that name what a person can mend: a song, an option, an output folder, a separation."""


class AudioFileError(ValueError):
    """A song cannot be read as audio."""


class OptionError(ValueError):
    """An option has no meaning, or this machine or this model cannot honour it."""


class OutputError(ValueError):
    """A stem cannot be written where it was asked for."""


class SeparationError(RuntimeError):
    """The model ran and gave no usable stems."""


class OutOfMemory(SeparationError):
    """The device's memory does not hold a single chunk: a smaller one may fit."""
