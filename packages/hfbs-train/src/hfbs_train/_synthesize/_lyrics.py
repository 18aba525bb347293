"""What is sung: English words for flite, Japanese morae for Sinsy, drawn at random."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import cast

import numpy as np


@cache
def _lists() -> Mapping[str, Sequence[str]]:
    return cast(
        "Mapping[str, Sequence[str]]",
        json.loads(files(__package__).joinpath("lyrics.json").read_text(encoding="utf-8")),
    )


def english(syllables: int, rng: np.random.Generator, scat: bool) -> str:
    """Words of so many syllables in all.

    Args:
        syllables: how many, at least 1.
        rng: what the words are drawn by.
        scat: sing la and oh alone.
    """
    words: list[str] = []
    left = syllables
    while left > 0:
        if scat:
            words.append(str(rng.choice(_lists()["scat"])))
            left -= 1
            continue
        size = min(left, int(rng.choice([1, 1, 1, 2, 2, 3])))
        words.append(str(rng.choice(_lists()[f"words_{size}"])))
        left -= size
    return " ".join(words)


def kana(morae: int, rng: np.random.Generator, scat: bool) -> list[str]:
    """So many morae, at least 1; with ``scat``, one of them again and again."""
    if scat:
        return [str(rng.choice(_lists()["held_morae"]))] * morae
    return [str(rng.choice(_lists()["morae"])) for _ in range(morae)]
