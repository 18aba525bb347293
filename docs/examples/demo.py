"""The first minute: separate twenty seconds of music with a checkpoint in MSST's format, and check the stems.

The checkpoint is written here, its weights set by hand: it is no trained model and knows nothing of voices or drums.
It is a crossover, which every BS-RoFormer can be: its mask heads let the bands below about 250 Hz through to the stem
``low`` and the rest to ``high``. So what the stems must be is known: together they are the mixture.

Run it with ``nox -s demo``; everything it writes is in the folder ``demo-output``.
"""

import math
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch

from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS

ROOT = Path(__file__).resolve().parents[2]
SONG = ROOT.parent / "shared" / "audio" / "cc0" / "potassium"
OUTPUT = ROOT / "demo-output"

SAMPLE_RATE, SECONDS, SONG_BEGINS = 44100, 20, 140
N_FFT, DIM, HEADS, DIM_HEAD = 2048, 32, 2, 16
FADE_FROM, FADE_TO = 150.0, 420.0  # Hz; both stems have half at their geometric mean, 251 Hz
TOLERANCE_DB = -100.0


def low_share(hertz: float) -> float:
    """How much of a band at this frequency belongs to the stem ``low``: 1 below the fade, 0 above it."""
    place = math.log(max(hertz, 1.0) / FADE_FROM) / math.log(FADE_TO / FADE_FROM)
    return 0.5 + 0.5 * math.cos(math.pi * min(max(place, 0.0), 1.0))


def crossover_weights() -> dict[str, torch.Tensor]:
    """A state dict with the keys that MSST gives a BS-RoFormer of depth 1."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {"final_norm.gamma": torch.ones(DIM)}

    def linear(key: str, inputs: int, outputs: int, *, bias: bool = True) -> None:
        state[f"{key}.weight"] = torch.randn(outputs, inputs) / math.sqrt(inputs)
        if bias:
            state[f"{key}.bias"] = torch.zeros(outputs)

    for axis in (0, 1):  # over time, over bands
        attention, feed_forward = f"layers.0.{axis}.layers.0.0", f"layers.0.{axis}.layers.0.1.net"
        state[f"{attention}.rotary_embed.freqs"] = 10000.0 ** -(torch.arange(0, DIM_HEAD, 2) / DIM_HEAD)
        state[f"{attention}.norm.gamma"] = torch.ones(DIM)
        linear(f"{attention}.to_qkv", DIM, 3 * HEADS * DIM_HEAD, bias=False)
        linear(f"{attention}.to_gates", DIM, HEADS)
        linear(f"{attention}.to_out.0", HEADS * DIM_HEAD, DIM, bias=False)
        state[f"{feed_forward}.0.gamma"] = torch.ones(DIM)
        linear(f"{feed_forward}.1", DIM, 4 * DIM)
        linear(f"{feed_forward}.4", 4 * DIM, DIM)

    first_bin = 0
    for band, bins in enumerate(DEFAULT_FREQS_PER_BANDS):
        features = 2 * 2 * bins  # real and imaginary part of two channels
        state[f"band_split.to_features.{band}.0.gamma"] = torch.ones(features)
        linear(f"band_split.to_features.{band}.1", features, DIM)
        share = low_share((first_bin + (bins - 1) / 2) * SAMPLE_RATE / N_FFT)
        for stem, gain in enumerate((share, 1 - share)):
            head = f"mask_estimators.{stem}.to_freqs.{band}.0"
            linear(f"{head}.0", DIM, DIM)
            # The last layer ignores what it gets. Its bias goes through a gated linear unit, value · sigmoid(gate):
            # with the gate at 20 the mask is the value, here the gain for real parts and 0 for imaginary parts.
            state[f"{head}.2.weight"] = torch.zeros(2 * features, DIM)
            value = torch.tensor([gain, 0.0]).repeat(features // 2)
            state[f"{head}.2.bias"] = torch.cat([value, torch.full((features,), 20.0)])
        first_bin += bins
    return state


def crossover_config() -> str:
    """The YAML file that goes with the weights, in the words and with the tags of MSST's own."""
    bands = "\n".join(f"  - {bins}" for bins in DEFAULT_FREQS_PER_BANDS)
    return f"""\
audio:
  chunk_size: 352800
  num_channels: 2
  sample_rate: {SAMPLE_RATE}
model:
  dim: {DIM}
  depth: 1
  stereo: true
  num_stems: 2
  time_transformer_depth: 1
  freq_transformer_depth: 1
  freqs_per_bands: !!python/tuple
{bands}
  dim_head: {DIM_HEAD}
  heads: {HEADS}
  stft_n_fft: {N_FFT}
  stft_hop_length: 512
  stft_win_length: {N_FFT}
  mask_estimator_depth: 2
  mlp_expansion_factor: 1
  zero_dc: false
training:
  instruments: !!python/tuple [low, high]
  target_instrument: null
inference:
  num_overlap: 2
"""


def music() -> tuple[np.ndarray, str]:
    """Twenty seconds of music, (time, channel), and where they come from."""
    parts = sorted(SONG.glob("*.ogg"))
    if parts:
        begin, stop = SONG_BEGINS * SAMPLE_RATE, (SONG_BEGINS + SECONDS) * SAMPLE_RATE
        excerpts = [soundfile.read(part, start=begin, stop=stop, dtype="float32")[0] for part in parts]
        return np.sum(excerpts, axis=0), '"Potassium" by Software-Entwicklungskit (CC0 1.0)'
    return chord_with_drums(), "a chord with drums, made here, as there is no folder of songs beside the repository"


def chord_with_drums() -> np.ndarray:
    """A minor chord that beats slowly, a bass drum on each beat and noise between, (time, channel)."""
    time = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    beat = time % 0.5
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (110.0, 220.5, 261.6, 329.6, 440.7))
    drum = np.exp(-beat * 18) * np.sin(2 * np.pi * 55 * beat)
    noise = np.random.default_rng(0).standard_normal((len(time), 2)) * (np.exp(-((time + 0.25) % 0.5) * 60))[:, None]
    stereo = np.stack([chord, np.roll(chord, SAMPLE_RATE // 100)], axis=1) * 0.05
    return (stereo + 0.5 * drum[:, None] + 0.1 * noise).astype(np.float32)


def separate(song: Path, checkpoint: Path, config: Path, folder: Path) -> list[Path]:
    """Run the command line; the files that it says it wrote."""
    hfbs = Path(sys.executable).with_name("hfbs")
    options = ["--checkpoint", checkpoint, "--config", config, "-o", folder, "--force"]
    words = [str(word) for word in ("separate", song, *options, "--precision", "float32")]
    print(f"\n$ {shlex.join(['hfbs', *words])}", flush=True)
    run = subprocess.run([hfbs, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if run.returncode:
        sys.exit(run.returncode)
    return [ROOT / line for line in run.stdout.splitlines()]


def decibels(signal: np.ndarray, reference: np.ndarray) -> float:
    """Level of a signal relative to another's, by their root mean squares."""
    ratio = np.sqrt(np.mean(np.square(signal, dtype=float)) / np.mean(np.square(reference, dtype=float)))
    return 20 * math.log10(max(ratio, 1e-20))


def main() -> None:
    OUTPUT.mkdir(exist_ok=True)
    here = OUTPUT.relative_to(ROOT)
    mixture, source = music()
    soundfile.write(OUTPUT / "song.wav", mixture, SAMPLE_RATE, "FLOAT")
    torch.save(crossover_weights(), OUTPUT / "crossover.ckpt")
    (OUTPUT / "crossover.yaml").write_text(crossover_config(), encoding="utf-8")
    print(f"Song:  {here / 'song.wav'}, {SECONDS} s: {source}")
    print(f"Model: {here / 'crossover.ckpt'}, weights set by hand as a crossover at 250 Hz, not a trained model")

    files = separate(here / "song.wav", here / "crossover.ckpt", here / "crossover.yaml", here / "stems")

    stems = [soundfile.read(file, dtype="float32")[0] for file in files]
    print()
    for file, stem in zip(files, stems, strict=True):
        print(f"{file.relative_to(ROOT)}: {decibels(stem, mixture):+.1f} dB of the song")
    difference = decibels(np.sum(stems, axis=0) - mixture, mixture)
    if difference > TOLERANCE_DB:
        sys.exit(f"The stems' sum is {difference:.1f} dB off the song; {TOLERANCE_DB:.0f} dB is allowed.")
    print(f"Together they are the song: the difference is at {difference:.1f} dB.")
    print("For voices and instruments, give `hfbs separate` a trained checkpoint and the YAML that came with it.")


if __name__ == "__main__":
    main()
