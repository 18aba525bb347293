"""What is sung: English words for flite, Japanese morae for Sinsy, drawn at random."""

from typing import Final

import numpy as np

# By their numbers of syllables.
_WORDS: Final[tuple[tuple[str, ...], ...]] = (
    tuple(
        "love heart night light sky rain fire road home dream time day sun moon star sea wind song hand eyes soul blue "
        "gold red cold warm slow fast high low deep long way here there now then down up all more one you me we they "
        "she he us run fly fall stay go come take give make break hold feel know see hear say sing dance walk wait call "
        "cry smile shine burn rise turn move leave need want let keep lose find try hope wish mine yours ours free lost "
        "found gone world life girl boy man friend king street house door wall bed room town train car bridge stone "
        "tree leaf bird wave sand dust smoke storm cloud snow ice spring so if when just like oh yeah hey why how who "
        "too through down out in on and but or with from for no not don't can't won't i'll you're we're it's that's".split()
    ),
    tuple(
        "baby lonely morning evening summer winter river water heaven angel shadow silver golden broken open over under "
        "never ever always maybe only running flying falling waiting dreaming dancing singing calling burning shining "
        "moving leaving holding feeling knowing hello goodbye tonight today away again alone around along believe "
        "forget forgive remember-me inside outside without within heartbeat sunlight moonlight starlight midnight "
        "highway city ocean mountain valley garden window mirror paper letter story music rhythm people stranger brother "
        "sister mother father little sweeter darker brighter higher lower deeper closer faster colours thunder fever".replace(
            "remember-me ", ""
        ).split()
    ),
    tuple(
        "forever together tomorrow yesterday remember everything anything beautiful wonderful hurricane memory melody "
        "family holiday butterfly telephone radio reunion tenderly suddenly carefully november december september "
        "another imagine surrender hallelujah-la".replace("hallelujah-la", "whatever").split()
    ),
)
_SCAT: Final = "la la la na na na oh oh ooh ah hey yeah doo da ba bop".split()

_MORAE: Final = (
    "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ ま み む め も や ゆ よ ら り る れ ろ わ "
    "が ぎ ぐ げ ご ざ じ ず ぜ ぞ だ で ど ば び ぶ べ ぼ ぱ ぴ ぷ ぺ ぽ きゃ しゃ しゅ しょ ちゃ ちょ にゃ りゅ りょ"
).split()
_VOWELS: Final = ("ら", "あ", "な", "お", "る", "う")


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
            words.append(str(rng.choice(_SCAT)))
            left -= 1
            continue
        size = min(left, int(rng.choice([1, 1, 1, 2, 2, 3])))
        words.append(str(rng.choice(_WORDS[size - 1])))
        left -= size
    return " ".join(words)


def kana(morae: int, rng: np.random.Generator, scat: bool) -> list[str]:
    """So many morae, at least 1; with ``scat``, one of them again and again."""
    if scat:
        return [str(rng.choice(_VOWELS))] * morae
    return [str(rng.choice(_MORAE)) for _ in range(morae)]
