"""The check of sizes that the attention blocks share."""


def check_sizes(**sizes: int) -> None:
    """Refuse a size below one.

    Raises:
        ValueError: Names the first such keyword and its value.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is a number of features or heads, at least 1, got {size}")
