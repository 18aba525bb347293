"""Blocks hold what the pieces held, however the pieces were cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate._blocks import even_blocks

LENGTHS = st.lists(st.integers(0, 40), max_size=12)
TYPES = [np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64]


def noise(kind: type, channels: int, samples: int) -> np.ndarray:
    """Samples over the whole range of a type."""
    random = np.random.default_rng(samples)
    if issubclass(kind, np.integer):
        limits = np.iinfo(kind)
        return random.integers(limits.min, limits.max, (channels, samples), kind, endpoint=True)
    return random.uniform(-2, 2, (channels, samples)).astype(kind)


def scaled(samples: np.ndarray) -> np.ndarray:
    """The samples by exact arithmetic on Python's integers and fractions of two."""
    if samples.dtype == np.uint8:
        return np.array([[(int(one) - 128) / 128 for one in row] for row in samples], np.float32).reshape(samples.shape)
    if np.issubdtype(samples.dtype, np.integer):
        full_scale = 2 ** (8 * samples.dtype.itemsize - 1)
        rows = [[np.float32(int(one)) / np.float32(full_scale) for one in row] for row in samples]
        return np.array(rows, np.float32).reshape(samples.shape)
    return samples.astype(np.float32)


@given(
    lengths=LENGTHS,
    block_size=st.integers(1, 50),
    channels=st.integers(1, 2),
    kind=st.sampled_from(TYPES),
    planar=st.booleans(),
)
def test_blocks_hold_what_pieces_held(
    lengths: list[int], block_size: int, channels: int, kind: type, planar: bool
) -> None:
    whole = noise(kind, channels, sum(lengths))
    pieces = np.split(whole, np.cumsum(lengths)[:-1] if lengths else [], axis=1)
    blocks = list(even_blocks([list(piece) if planar else np.asfortranarray(piece) for piece in pieces], block_size))
    sizes = [block.shape[1] for block in blocks]
    assert all(size == block_size for size in sizes[:-1])
    assert sum(sizes) == sum(lengths)
    assert not blocks or 1 <= sizes[-1] <= block_size
    assert all(block.dtype == np.float32 and len(block) == channels for block in blocks)
    if blocks:
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), scaled(whole))


def test_a_block_is_not_written_to_again() -> None:
    blocks = even_blocks([np.full((2, 3), value, np.float32) for value in (1, 2, 3, 4)], 3)
    kept = list(blocks)
    assert [block[0, 0] for block in kept] == [1, 2, 3, 4]


def test_a_block_comes_as_soon_as_it_is_full() -> None:
    taken: list[int] = []

    def pieces():
        for number in range(100):
            taken.append(number)
            yield np.zeros((1, 10), np.float32)

    next(even_blocks(pieces(), 25))
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_a_double_beyond_float32_becomes_infinite_without_a_warning(value: float) -> None:
    (block,) = even_blocks([np.array([[value]])])
    assert block[0, 0] == np.sign(value) * np.inf
