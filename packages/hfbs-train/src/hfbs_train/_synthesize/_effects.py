"""What a mixing desk does to one part: silent where the part is, but for echoes."""

import numpy as np
from numpy.typing import NDArray

from ._audio import RATE, Audio

_HOP = 64  # samples of a step of a compressor's gain


def convolved(audio: Audio, response: NDArray[np.float64]) -> Audio:
    """Each channel with its response, cut to the audio's length.

    Args:
        audio: shape (2, time).
        response: shape (2, tap).
    """
    length, taps = audio.shape[1], response.shape[1]
    size = 1 << max(15, int(np.ceil(np.log2(4 * taps))))
    step = size - taps + 1
    spectrum = np.fft.rfft(response.astype(np.float32), size)
    out = np.zeros((2, length + size), np.float32)
    for first in range(0, length, step):
        block = audio[:, first : first + step]
        out[:, first : first + size] += np.fft.irfft(np.fft.rfft(block, size) * spectrum, size)
    return out[:, :length]


def equaliser(
    rng: np.random.Generator, strength: float, low_cut: float = 0.0, bright: float = 0.0
) -> NDArray[np.float64]:
    """The response of random gentle shelves and bells, shape (2, 2048), of minimal phase, the same for both channels.

    Args:
        rng: what it is drawn by.
        strength: decibels of a usual shelf or bell.
        low_cut: in Hz, below which nothing passes; 0 for none.
        bright: decibels that the upper shelf is raised by on the average.
    """
    size = 8192
    frequencies = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 1.0)
    octaves = np.log2(frequencies)
    decibels = np.zeros(len(frequencies))
    for centre in (np.log2(rng.uniform(90, 300)), np.log2(rng.uniform(2500, 8000))):
        sign = 1 if centre > 10 else -1
        height = np.clip(rng.normal(0, strength), -9, 9) + (bright if sign > 0 else 0.0)
        decibels += height / (1 + np.exp(-sign * 2.5 * (octaves - centre)))
    for _ in range(2):
        centre, width = rng.uniform(np.log2(200), np.log2(6000)), rng.uniform(0.4, 1.2)
        decibels += np.clip(rng.normal(0, strength * 0.8), -9, 9) * np.exp(-(((octaves - centre) / width) ** 2))
    if low_cut:
        decibels -= 12 * np.log2(1 + (low_cut / frequencies) ** 2)
    # Minimal phase by the cepstrum.
    cepstrum = np.fft.irfft(decibels * (np.log(10) / 20), size)
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[:2048]
    response[1536:] *= np.linspace(1, 0, 512)
    return np.stack([response, response])


def room(rng: np.random.Generator, seconds: float, wet: float, pre_delay: float, dark: float) -> NDArray[np.float64]:
    """The response of a room: the sound itself, then noise that dies away, sooner at high frequencies.

    Args:
        rng: what the noise is drawn by.
        seconds: that it takes to fall by 60 dB.
        wet: the noise's level, as a share of the sound's.
        pre_delay: seconds before it begins.
        dark: in Hz, above which it dies away twice as soon.
    """
    count = int(min(seconds, 2.5) * RATE)
    times = np.arange(count) / RATE
    noise = rng.normal(0, 1, (2, count))
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    low = 1 / (1 + (frequencies / dark) ** 4)
    cut = 1 - np.exp(-((frequencies / 180.0) ** 2))
    body = np.fft.irfft(spectrum * np.sqrt(low) * cut, count) * 10 ** (-3 * times / seconds)
    air = np.fft.irfft(spectrum * np.sqrt(1 - low) * cut, count) * 10 ** (-6 * times / seconds)
    tail = body + air
    tail *= wet / np.sqrt((tail**2).sum(axis=1, keepdims=True))
    first = round(pre_delay * RATE)
    response = np.zeros((2, first + count))
    response[:, first:] = tail
    response[:, 0] += 1.0
    return response


def echoes(seconds: float, feedback: float, wet: float, ping_pong: bool) -> NDArray[np.float64]:
    """The response of a delay: the sound itself, then its echoes, from side to side if wanted."""
    step = max(1, round(seconds * RATE))
    count = min(6, 1 + int(np.log(0.05) / np.log(max(feedback, 1e-3))))
    response = np.zeros((2, step * count + 1))
    response[:, 0] = 1.0
    for index in range(1, count + 1):
        level = wet * feedback ** (index - 1)
        sides = (level, 0.25 * level) if index % 2 else (0.25 * level, level)
        response[:, index * step] = sides if ping_pong else (level, level)
    return response


def chorus(audio: Audio, rng: np.random.Generator, depth: float) -> Audio:
    """The part beside two copies of it whose delays sway."""
    length = audio.shape[1]
    times = np.arange(length, dtype=np.float64)
    out = audio.astype(np.float64) * 0.75
    for channel in range(2):
        rate, phase = rng.uniform(0.4, 1.4), rng.uniform(0, 2 * np.pi)
        delay = RATE * (0.014 + 0.004 * depth * np.sin(2 * np.pi * rate * times / RATE + phase))
        at = np.maximum(times - delay, 0.0)
        first = at.astype(np.int64)
        share = at - first
        line = audio[channel]
        out[channel] += 0.55 * (line[first] * (1 - share) + line[np.minimum(first + 1, length - 1)] * share)
    return out.astype(np.float32)


def compressed(audio: Audio, threshold: float, ratio: float, attack: float, release: float) -> Audio:
    """Make loud passages softer.

    Args:
        audio: shape (2, time).
        threshold: decibels above the part's usual level, from where on it works.
        ratio: decibels that come in for each that goes out.
        attack: seconds to become softer.
        release: seconds to recover.
    """
    level = _levels(audio)
    active = level[level > level.max(initial=1e-9) * 1e-3]
    if not active.size:
        return audio
    usual = np.sqrt((active**2).mean())
    over = np.maximum(0.0, 20 * np.log10(np.maximum(level, 1e-9) / usual) - threshold)
    wanted = (over * (1 / ratio - 1)).tolist()
    down, up = np.exp(-_HOP / RATE / attack), np.exp(-_HOP / RATE / release)
    now = 0.0
    smooth: list[float] = []
    for each in wanted:
        keep = down if each < now else up
        now = keep * now + (1 - keep) * each
        smooth.append(now)
    return (audio * _stretched(10 ** (np.array(smooth) / 20), audio.shape[1])).astype(np.float32)


def saturated(audio: Audio, drive: float) -> Audio:
    """Bend peaks as tape and valves do; ``drive`` is how far the part's peaks exceed what passes straight."""
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0.0:
        return audio
    return (np.tanh(audio * (drive / peak)) * (peak / np.tanh(drive))).astype(np.float32)


def placed(audio: Audio, pan: float, width: float) -> Audio:
    """Widen or narrow a part and move it aside.

    Args:
        audio: shape (2, time).
        pan: -1 is left, 1 right.
        width: 0 is mono, 1 as it is.
    """
    middle, side = (audio[0] + audio[1]) / 2, (audio[0] - audio[1]) / 2 * width
    angle = (pan + 1) * np.pi / 4
    left, right = np.cos(angle) * np.sqrt(2), np.sin(angle) * np.sqrt(2)
    return np.stack([(middle + side) * left, (middle - side) * right]).astype(np.float32)


def limiter_gain(mixture: Audio, ceiling: float) -> NDArray[np.float32]:
    """The gain that keeps a mixture below a ceiling: it falls before a peak and recovers after it, shape (time,)."""
    peaks = np.abs(mixture).max(axis=0)
    hops = -(-len(peaks) // _HOP)
    blocks = np.pad(peaks, (0, hops * _HOP - len(peaks))).reshape(hops, _HOP).max(axis=1)
    wanted = np.minimum(1.0, ceiling / np.maximum(blocks, 1e-9))
    reach = 4
    # The least gain that any block near needs, then recovery, then a mean over no more than was looked ahead.
    padded = np.pad(wanted, 2 * reach, constant_values=1.0)
    least = np.lib.stride_tricks.sliding_window_view(padded, 4 * reach + 1).min(axis=1)
    up = np.exp(-_HOP / RATE / 0.12)
    now = 1.0
    gains: list[float] = []
    for each in least.tolist():
        now = min(each, up * now + (1 - up))
        gains.append(now)
    smooth = np.convolve(np.pad(gains, reach, mode="edge"), np.full(2 * reach + 1, 1 / (2 * reach + 1)), "valid")
    return _stretched(np.minimum(smooth, wanted_around(wanted)), len(peaks))


def wanted_around(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each block, the least that it and its neighbours allow, as gains are interpolated between blocks."""
    padded = np.pad(wanted, 1, constant_values=1.0)
    return np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])


def _levels(audio: Audio) -> NDArray[np.float64]:
    hops = -(-audio.shape[1] // _HOP)
    power = (audio.astype(np.float64) ** 2).mean(axis=0)
    return np.sqrt(np.pad(power, (0, hops * _HOP - len(power))).reshape(hops, _HOP).mean(axis=1))


def _stretched(values: NDArray[np.float64], length: int) -> NDArray[np.float32]:
    centres = (np.arange(len(values)) + 0.5) * _HOP
    return np.interp(np.arange(length), centres, values).astype(np.float32)
