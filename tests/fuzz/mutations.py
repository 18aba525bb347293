"""Damage for files: the n-th mutation of a corpus is the same on every machine that has the same corpus."""

import random
from collections.abc import Callable, Sequence

type Damage = Callable[[random.Random, bytearray], None]

_EXTREMES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
_HEADER = 512  # bytes


def mutate(corpus: Sequence[bytes], number: int) -> bytes:
    """The mutation of that number: one file of the corpus, damaged in one to three ways."""
    chance = random.Random(number)
    data = bytearray(corpus[number % len(corpus)])
    for damage in chance.choices(_DAMAGES, k=chance.choice((1, 1, 1, 2, 3))):
        damage(chance, data)
    return bytes(data)


def _span(chance: random.Random, data: bytearray) -> tuple[int, int]:
    """A part of the file, from a byte to all of it, short ones more often."""
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + int(len(data) ** chance.random()))


def _flip_bits(chance: random.Random, data: bytearray) -> None:
    for _ in range(int(256 ** chance.random())):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _truncate(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _behead(chance: random.Random, data: bytearray) -> None:
    del data[: _span(chance, data)[0]]


def _remove(chance: random.Random, data: bytearray) -> None:
    start, stop = _span(chance, data)
    del data[start:stop]


def _repeat(chance: random.Random, data: bytearray) -> None:
    start, stop = _span(chance, data)
    data[start:start] = data[start:stop] * chance.choice((1, 1, 2, 10))


def _exchange(chance: random.Random, data: bytearray) -> None:
    start, stop = _span(chance, data)
    to = chance.randrange(len(data) + 1)
    data[to : to + stop - start] = data[start:stop]


def _insert_noise(chance: random.Random, data: bytearray) -> None:
    start, stop = _span(chance, data)
    data[start:start] = chance.randbytes(stop - start)


def _overwrite_with_noise(chance: random.Random, data: bytearray) -> None:
    start, stop = _span(chance, data)
    data[start:stop] = chance.randbytes(stop - start)


def _overwrite_evenly(chance: random.Random, data: bytearray) -> None:
    start, stop = _span(chance, data)
    data[start:stop] = bytes([chance.choice(_EXTREMES)]) * (stop - start)


def _set_header_fields(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.choice((1, 1, 2, 4))):
        size = chance.choice((1, 2, 4, 8))
        # Headers stand at the start, and in MP4 at the end.
        start = chance.randrange(_HEADER) if chance.random() < 0.7 else len(data) - chance.randrange(4 * _HEADER)
        field = bytes([chance.choice(_EXTREMES)]) * size
        if chance.random() < 0.5:
            field = bytes(size - 1) + field[:1] if chance.random() < 0.5 else field[:1] + bytes(size - 1)
        if 0 <= start <= len(data) - size:
            data[start : start + size] = field


_DAMAGES: tuple[Damage, ...] = (
    _flip_bits,
    _truncate,
    _behead,
    _remove,
    _repeat,
    _exchange,
    _insert_noise,
    _overwrite_with_noise,
    _overwrite_evenly,
    _set_header_fields,
    _set_header_fields,
    _set_header_fields,
)
