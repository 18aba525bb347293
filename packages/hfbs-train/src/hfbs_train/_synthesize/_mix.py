"""From dry parts to four stems that add up to a mixture: a chain of effects for each part, a balance, one limiter."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ._audio import RATE, Audio
from ._effects import (
    chorus,
    compressed,
    convolved,
    echoes,
    equaliser,
    limiter_gain,
    placed,
    room,
    saturated,
)
from ._score import STEMS, Stem

PEAK = 0.95  # that the sum of the stems stays below
_STEP = 2.0**-15  # of 16 bits; rounding four stems may add two of them


def loudness(audio: Audio) -> float:
    """The root mean square of a part where it sounds: over the tenths of a second within 30 dB of its loudest."""
    hop = RATE // 10
    count = audio.shape[1] // hop
    power = (audio[:, : count * hop].astype(np.float64) ** 2).mean(axis=0).reshape(count, hop).mean(axis=1)
    active = power[power > 1e-3 * power.max(initial=0.0)]
    return float(np.sqrt(active.mean())) if active.size else 0.0


def at_level(audio: Audio, decibels: float) -> Audio:
    """The part with its loudness brought to so many decibels; silence stays silence."""
    level = loudness(audio)
    return audio if level == 0.0 else (audio * (10 ** (decibels / 20) / level)).astype(np.float32)


class Desk:
    """The effects of one song: a room that most parts share, and what is drawn for each part."""

    def __init__(self, tempo: float, rng: np.random.Generator) -> None:
        self._tempo = tempo
        self._rng = rng
        self._seconds = float(rng.choice([0.35, 0.7, 1.2, 1.8])) * float(rng.uniform(0.7, 1.4))
        self._wet = float(rng.uniform(0.4, 1.6))
        self._tone = float(rng.uniform(0.6, 3.2))

    def drums(self, audio: Audio) -> Audio:
        """A drum kit."""
        rng = self._rng
        audio = self._through(placed(audio, 0.0, float(rng.uniform(0.6, 2.4))), 0.0, self._room(0.06, 0.22, 0.5))
        if rng.random() < 0.7:
            audio = compressed(audio, float(rng.uniform(-2, 6)), float(rng.uniform(2, 5)), 0.012, 0.1)
        return saturated(audio, float(rng.uniform(1.0, 3.0))) if rng.random() < 0.5 else audio

    def bass(self, audio: Audio) -> Audio:
        """A bass: nearly in the middle, nearly dry."""
        rng = self._rng
        wet = self._room(0.02, 0.08, 0.4) if rng.random() < 0.3 else None
        audio = self._through(placed(audio, 0.0, float(rng.uniform(0, 0.4))), 0.0, wet)
        if rng.random() < 0.8:
            audio = compressed(audio, float(rng.uniform(-4, 3)), float(rng.uniform(2, 6)), 0.02, 0.15)
        return saturated(audio, float(rng.uniform(1.2, 4.0))) if rng.random() < 0.5 else audio

    def instrument(self, audio: Audio) -> Audio:
        """One of the other instruments, somewhere between left and right."""
        rng = self._rng
        if rng.random() < 0.4:
            audio = saturated(audio, float(rng.uniform(1.5, 6.0)))
        if rng.random() < 0.25:
            audio = chorus(audio, rng, float(rng.uniform(0.3, 1.0)))
        audio = placed(audio, float(np.clip(rng.normal(0, 0.35), -0.8, 0.8)), float(rng.uniform(0.4, 1.5)))
        delay = self._delay() if rng.random() < 0.15 else None
        low_cut, bright = float(rng.choice([0.0, 80.0, 150.0])), float(rng.uniform(0, 12))  # soundfonts are dull
        audio = self._through(audio, low_cut, self._room(0.08, 0.4, 1.0), delay, bright)
        if rng.random() < 0.4:
            audio = compressed(audio, float(rng.uniform(-2, 4)), float(rng.uniform(1.5, 4)), 0.015, 0.2)
        return audio

    def voice(self, audio: Audio, pan: float) -> Audio:
        """One voice of the vocals."""
        rng = self._rng
        audio = compressed(audio, float(rng.uniform(-4, 2)), float(rng.uniform(2, 5)), 0.005, 0.12)
        if rng.random() < 0.3:
            audio = saturated(audio, float(rng.uniform(1.2, 3.0)))
        audio = placed(audio, pan, 1.0)
        delay = self._delay() if rng.random() < 0.3 else None
        return self._through(audio, float(rng.uniform(70, 130)), self._room(0.08, 0.45, 1.2), delay)

    def _room(self, low: float, high: float, length: float) -> NDArray[np.float64]:
        rng = self._rng
        seconds = float(np.clip(self._seconds * length * rng.uniform(0.8, 1.2), 0.15, 2.5))
        wet = float(rng.uniform(low, high)) * self._wet
        return room(rng, seconds, wet, float(rng.uniform(0.0, 0.04)), float(rng.uniform(2500, 9000)))

    def _delay(self) -> NDArray[np.float64]:
        rng = self._rng
        beats = float(rng.choice([0.5, 0.75, 1.0]))
        seconds = min(0.7, beats * 60 / self._tempo)
        return echoes(seconds, float(rng.uniform(0.2, 0.5)), float(rng.uniform(0.1, 0.3)), bool(rng.random() < 0.5))

    def _through(
        self,
        audio: Audio,
        low_cut: float,
        wet: NDArray[np.float64] | None,
        delay: NDArray[np.float64] | None = None,
        bright: float = 0.0,
    ) -> Audio:
        audio = convolved(audio, equaliser(self._rng, self._tone, low_cut, bright))
        if delay is not None:
            audio = convolved(audio, delay)
        return audio if wet is None else convolved(audio, wet)


def mastered(stems: Mapping[Stem, Audio], levels: Mapping[Stem, float], drive: float) -> dict[Stem, Audio]:
    """Balance the stems and limit their sum.

    Args:
        stems: shape (2, time) each, all of one length.
        levels: decibels of each, of their loudness.
        drive: decibels by which the sum's peaks exceed the limiter's ceiling.

    Returns:
        The stems, all multiplied by one curve, so that they add up to the limited sum. It and each of them peak at most
        at 0.95 when each is rounded to 16 bits.
    """
    balanced: dict[Stem, Audio] = {stem: at_level(stems[stem], levels[stem]) for stem in STEMS}
    mixture = np.sum(list(balanced.values()), axis=0, dtype=np.float64).astype(np.float32)
    peak = float(np.abs(mixture).max(initial=0.0))
    if peak == 0.0:
        return balanced
    ceiling = PEAK - 4 * _STEP
    scale = ceiling * 10 ** (drive / 20) / peak
    # A stem that others cancel in part may be louder than all of them.
    loudest = np.abs([mixture, *balanced.values()]).max(axis=0)
    gain = limiter_gain(loudest * np.float32(scale), ceiling) * np.float32(scale)
    return {stem: (audio * gain).astype(np.float32) for stem, audio in balanced.items()}
