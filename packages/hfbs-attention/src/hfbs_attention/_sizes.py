"""The checks of sizes and shares that the blocks have in common."""


def check_sizes(**sizes: int) -> None:
    """Refuse a size below one.

    Raises:
        ValueError: Names the first such keyword and its value.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is a number of features or heads, at least 1, got {size}")


def check_share(name: str, share: float) -> None:
    """Refuse what is no share to drop in training.

    Raises:
        ValueError: Names the keyword and its value.
    """
    if not 0.0 <= share < 1.0:
        raise ValueError(f"{name} is a share in [0, 1), got {share}")
