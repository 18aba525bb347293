"""What can be wrong with files, and how to show it in one line."""

from reprlib import Repr

_SHORT = Repr(maxlevel=2, maxlist=6, maxtuple=6, maxdict=4, maxstring=60, maxother=60)


def shown(value: object) -> str:
    """A value from a file, shortened: anchors of a YAML can stand for more than memory holds."""
    return _SHORT.repr(value)


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, is not safe to read, or does not fit its configuration."""


class ConfigError(ValueError):
    """A configuration that cannot be read, is not safe to read, or lacks what weights cannot tell."""
