"""What ends a release before it is made."""


class ReleaseError(Exception):
    """A release that cannot be made, in one line: the rule, what was found, the remedy."""
