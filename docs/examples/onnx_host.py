"""Separates a WAV file with a core by `hfbs export`, without PyTorch: `python onnx_host.py core.onnx song.wav stems`.

All it needs is numpy and onnxruntime. Songs have the model's rate and 16 bits; stems are written so, too.
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

core, song, folder = sys.argv[1:]
session = onnxruntime.InferenceSession(core, providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["hfbs"])
stft, chunking = about["stft"], about["chunking"]
n_fft, hop = stft["n_fft"], stft["hop_length"]
size, step, fade = chunking["chunk_size"], chunking["step"], chunking["window"]["fade"]
windows = {"hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "bartlett": np.bartlett}
window = windows[stft["window"].removesuffix("_window")](stft["win_length"] + 1)[:-1]
window = np.pad(window, ((n_fft - len(window)) // 2, -((len(window) - n_fft) // 2)))
scale = n_fft**-0.5 if stft["normalized"] else 1.0


def separate(audio: np.ndarray) -> np.ndarray:
    """(channel, time) → (stem, channel, time) of one chunk."""
    length = audio.shape[-1]
    lengthened = max(length, n_fft // 2 + 1)
    if lengthened % hop > stft["reach"]:
        lengthened += -lengthened % hop
    padded = np.pad(np.pad(audio, ((0, 0), (0, lengthened - length))), ((0, 0), (n_fft // 2, n_fft // 2)), "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=-1)[:, ::hop]
    spectrum = (np.fft.rfft(frames * window) * scale).astype(np.complex64, order="C")
    pairs = spectrum.view(np.float32).reshape(1, *spectrum.shape, 2)
    (masks,) = session.run(["masks"], {"spectrum": pairs})
    frames = np.fft.irfft(masks.view(np.complex64)[0, ..., 0] * spectrum / scale, n_fft) * window
    stems, weights = np.zeros((*frames.shape[:2], padded.shape[-1])), np.full(padded.shape[-1], 1e-11)
    for index in range(frames.shape[2]):
        stems[..., index * hop : index * hop + n_fft] += frames[:, :, index]
        weights[index * hop : index * hop + n_fft] += window**2
    return (stems / weights)[..., n_fft // 2 : n_fft // 2 + length]


with wave.open(song) as file:
    rate, channels, samples = file.getframerate(), file.getnchannels(), file.getnframes()
    if (rate, file.getsampwidth()) != (about["sample_rate"], 2):
        sys.exit(f"{song} has {rate} Hz and {8 * file.getsampwidth()} bits, not {about['sample_rate']} Hz and 16 bits")
    if channels not in (1, about["channels"]):
        sys.exit(f"{song} has {channels} channels, and the model takes {about['channels']}")
    mixture = np.frombuffer(file.readframes(samples), "<i2").reshape(-1, channels).T / np.float32(32768)
mixture = np.broadcast_to(mixture.mean(axis=0), (about["channels"], samples)) if channels == 1 else mixture

if samples <= size:
    stems = separate(mixture)
else:  # chunks from before the start to after the end, where the song is mirrored; their weights sum to 1
    ramp = np.minimum(np.minimum(np.arange(size) + 1, size - np.arange(size)) / (fade + 1), 1)
    stems, weights = np.zeros((len(about["stems"]), *mixture.shape)), np.zeros(samples)
    for start in range(size // -step * step, samples, step):
        inside = slice(max(start, 0), min(start + size, samples))
        if inside.start < inside.stop:
            places = np.arange(start, start + size) % (2 * samples - 2)
            chunk = separate(mixture[:, np.minimum(places, 2 * samples - 2 - places)])
            kept = slice(inside.start - start, inside.stop - start)
            stems[..., inside] += chunk[..., kept] * ramp[kept]
            weights[inside] += ramp[kept]
    stems /= weights

given = dict(zip(about["stems"], stems, strict=True))
if about.get("residual"):
    given[about["residual"]] = mixture - stems.sum(axis=0)
for name, stem in given.items():
    Path(folder).mkdir(parents=True, exist_ok=True)
    with wave.open(str(Path(folder, f"{name}.wav")), "wb") as file:
        file.setparams((len(stem), 2, about["sample_rate"], 0, "NONE", ""))
        file.writeframes((np.clip(stem.T, -1, 1 - 2**-15) * 32768).round().astype("<i2").tobytes())
