"""What can be wrong with files."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, is not safe to read, or does not fit its configuration."""


class ConfigError(ValueError):
    """A configuration that cannot be read, is not safe to read, or lacks what weights cannot tell."""
