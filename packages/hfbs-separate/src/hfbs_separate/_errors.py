"""The errors that name what a person can mend: a song, a folder of songs, an option, an output, a separation."""


class AudioFileError(ValueError):
    """A song cannot be read as audio."""


class ClusterError(RuntimeError):
    """A cluster cannot do the work, or was lost on the way."""


class DatasetError(ValueError):
    """A folder of songs and their stems is not laid out as is needed, or its files do not fit each other."""


class OptionError(ValueError):
    """An option has no meaning, or this machine or this model cannot honour it."""


class OutputError(ValueError):
    """A stem cannot be written where it was asked for."""


class SeparationError(RuntimeError):
    """The model ran and gave no usable stems."""


class OutOfMemory(SeparationError):
    """The device's memory does not hold a single chunk: a smaller one may fit."""
