"""Other programs' ways from a song to its stems, written slowly from their specification, as references.

Nothing here is imported from the package. Arrays are (channel, time), the model is (batch, channel, time) to (batch,
stem, channel, time).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

type Model = Callable[[Tensor], Tensor]


def msst_demix(mix: np.ndarray, model: Model, chunk_size: int, num_overlap: int, batch_size: int) -> np.ndarray:
    """``demix`` of Music-Source-Separation-Training in its generic mode."""
    step = chunk_size // num_overlap
    border, fade = chunk_size - step, chunk_size // 10
    window = torch.ones(chunk_size)
    window[:fade] = torch.linspace(0, 1, fade)
    window[-fade:] = torch.linspace(1, 0, fade)
    song = torch.tensor(mix, dtype=torch.float32)
    padded = song.shape[-1] > 2 * border and border > 0
    if padded:
        song = torch.nn.functional.pad(song, (border, border), mode="reflect")
    length = song.shape[-1]
    result = counter = None
    waiting: list[tuple[int, int, Tensor]] = []
    position = 0
    while position < length:
        part = song[:, position : position + chunk_size]
        held = part.shape[-1]
        mode = "reflect" if held > chunk_size // 2 else "constant"
        waiting.append((position, held, torch.nn.functional.pad(part, (0, chunk_size - held), mode=mode)))
        position += step
        if len(waiting) < batch_size and position < length:
            continue
        with torch.inference_mode():
            estimates = model(torch.stack([part for _, _, part in waiting]))
        weights = window.clone()
        if position - step == 0:
            weights[:fade] = 1
        elif position >= length:
            weights[-fade:] = 1
        if result is None or counter is None:
            result = torch.zeros(*estimates.shape[1:-1], length)
            counter = torch.zeros(*estimates.shape[1:-1], length)
        for (start, held, _), estimate in zip(waiting, estimates, strict=True):
            result[..., start : start + held] += estimate[..., :held] * weights[:held]
            counter[..., start : start + held] += weights[:held]
        waiting = []
    assert result is not None
    assert counter is not None
    stems = np.nan_to_num((result / counter).numpy(), nan=0.0)
    return stems[..., border : length - border] if padded else stems


def audio_separator_demix(
    mix: np.ndarray, model: Model, hop_length: int, dim_t: int, overlap: int, sample_rate: int
) -> np.ndarray:
    """audio-separator's path for RoFormer models, whose inverse STFT gives whole hops only."""
    song = mix.astype(np.float32).copy()
    loudest = np.abs(song).max()
    if loudest > 0.9:
        song *= 0.9 / loudest
    length = song.shape[-1]
    if length / sample_rate < 10:
        dim_t = 256
    chunk_size = hop_length * (dim_t - 1)
    step = chunk_size // overlap
    starts: list[int] = []
    for offset in range(0, length, step):
        if offset + chunk_size >= length:
            tail = max(length - chunk_size, 0)
            if not starts or starts[-1] != tail:
                starts.append(tail)
            break
        starts.append(offset)
    angle = 2 * np.pi * np.arange(chunk_size) / (chunk_size - 1)
    window = torch.tensor(0.54 - 0.46 * np.cos(angle), dtype=torch.float32)
    result = counter = None
    for start in starts:
        part = torch.from_numpy(song[:, start : start + chunk_size])
        with torch.inference_mode():
            estimate = model(part[None])[0]
        estimate = estimate[..., : estimate.shape[-1] // hop_length * hop_length]
        kept = estimate.shape[-1]
        if result is None or counter is None:
            result = torch.zeros(*estimate.shape[:-1], length)
            counter = torch.zeros(*estimate.shape[:-1], length)
        result[..., start : start + kept] += estimate * window[:kept]
        counter[..., start : start + kept] += window[:kept]
    assert result is not None
    assert counter is not None
    return (result / counter.clamp(min=1e-10)).numpy()
