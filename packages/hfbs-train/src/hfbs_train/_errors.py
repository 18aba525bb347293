"""The errors that name what a person can mend: a configuration, a run; of songs, hfbs_separate's serve."""


class ConfigurationError(ValueError):
    """A configuration says what this package does not know, or what does not fit together."""


class RunError(RuntimeError):
    """A run cannot be begun or gone on with where it was asked for."""


class SynthesisError(RuntimeError):
    """Songs cannot be rendered: a program, a soundfont or a library is missing, or one of them failed."""
