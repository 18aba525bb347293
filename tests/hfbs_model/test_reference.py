"""The whole separator equals a reference in numpy that spells every step out, in double precision.

The reference knows the parameters by their state-dict keys, the layout by its matrix, and nothing of the package.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator

type Real = NDArray[np.float64]

N_FFT, HOP, HEADS, DIM_HEAD = 16, 4, 2, 4
OVERLAPPING = BandLayout(
    [
        [1, 1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 1, 0],
        [1, 0, 0, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 1, 1, 1],
    ]
)
PARTITION = BandLayout([[1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1, 1]])


def sigmoid(x: Real) -> Real:
    return 1 / (1 + np.exp(-x))


def gelu(x: Real) -> Real:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def unit(x: Real) -> Real:
    return x / max(math.sqrt(float((x**2).sum())), 1e-12)


@dataclass
class Values:
    """Attention values of the first layer, by axis, sequence, head and position."""

    known: dict[tuple[str, int, int, int], Real]
    is_first: bool


@dataclass
class Reference:
    state: dict[str, Real]
    layout: BandLayout
    channels: int
    num_stems: int
    skip_connection: bool
    value_mix: str | None
    zero_dc: bool

    def linear(self, key: str, x: Real) -> Real:
        product = self.state[f"{key}.weight"] @ x
        return product + self.state[f"{key}.bias"] if f"{key}.bias" in self.state else product

    def norm(self, key: str, x: Real) -> Real:
        return unit(x) * math.sqrt(len(x)) * self.state[f"{key}.gamma"]

    def has(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self.state)

    def count(self, pattern: str) -> int:
        return next(index for index in range(99) if not self.has(pattern.format(index)))

    def __call__(self, audio: Real) -> Real:
        return np.stack([self.separate(mixture) for mixture in audio])

    def separate(self, audio: Real) -> Real:
        """(channel, time) → (stem, channel, time)."""
        window = np.sin(np.pi * np.arange(N_FFT) / N_FFT) ** 2
        length = audio.shape[-1]
        frames = 1 + length // HOP
        mirrored = np.pad(audio, ((0, 0), (N_FFT // 2, N_FFT // 2)), mode="reflect")
        spectrum = np.empty((self.channels, self.layout.num_bins, frames), complex)
        for channel in range(self.channels):
            for frame in range(frames):
                spectrum[channel, :, frame] = np.fft.rfft(mirrored[channel, frame * HOP :][:N_FFT] * window)

        tokens = np.stack([self.band_tokens(spectrum[..., frame]) for frame in range(frames)])
        tokens = self.trunk(tokens)

        stems = np.empty((self.num_stems, self.channels, length))
        for stem in range(self.num_stems):
            masked = np.stack(
                [self.mask(stem, tokens[frame]) * spectrum[..., frame] for frame in range(frames)], axis=-1
            )
            if self.zero_dc:
                masked[:, 0] = 0
            for channel in range(self.channels):
                total, weight = np.zeros((2, mirrored.shape[-1]))
                for frame in range(frames):
                    around = slice(frame * HOP, frame * HOP + N_FFT)
                    total[around] += np.fft.irfft(masked[channel, :, frame], N_FFT) * window
                    weight[around] += window**2
                inside = slice(N_FFT // 2, N_FFT // 2 + length)
                stems[stem, channel] = total[inside] / weight[inside]
        return stems

    def band_tokens(self, spectrum: NDArray[np.complex128]) -> Real:
        tokens: list[Real] = []
        for band, members in enumerate(self.layout.matrix):
            features = [
                part
                for bin_ in np.flatnonzero(members)
                for channel in range(self.channels)
                for part in (spectrum[channel, bin_].real, spectrum[channel, bin_].imag)
            ]
            key = f"band_split.to_features.{band}"
            tokens.append(self.linear(f"{key}.1", self.norm(f"{key}.0", np.array(features))))
        return np.stack(tokens)

    def mask(self, stem: int, tokens: Real) -> NDArray[np.complex128]:
        """(channel, bin) of one frame: the mean over the bands that hold the bin."""
        said: dict[tuple[int, int], list[complex]] = {}
        for band, members in enumerate(self.layout.matrix):
            key = f"mask_estimators.{stem}.to_freqs.{band}.0"
            x, layer = self.linear(f"{key}.0", tokens[band]), 2
            while f"{key}.{layer}.weight" in self.state:
                x, layer = self.linear(f"{key}.{layer}", np.tanh(x)), layer + 2
            value, gate = np.split(x, 2)
            features = iter(value * sigmoid(gate))
            for bin_ in np.flatnonzero(members):
                for channel in range(self.channels):
                    said.setdefault((channel, int(bin_)), []).append(complex(next(features), next(features)))
        mask = np.empty((self.channels, self.layout.num_bins), complex)
        for place, opinions in said.items():
            mask[place] = sum(opinions) / len(opinions)
        return mask

    def trunk(self, x: Real) -> Real:
        """(frame, band, dim) → the same."""
        frames, bands, _ = x.shape
        earlier: list[Real] = []
        values = Values({}, is_first=True)
        for layer in range(self.count("layers.{}.")):
            transformers = [f"layers.{layer}.{axis}" for axis in range(self.count(f"layers.{layer}.{{}}."))]
            if len(transformers) == 3:
                x = self.transformer(transformers.pop(0), x.reshape(frames * bands, -1), "linear", 0, values)
                x = x.reshape(frames, bands, -1)
            if self.skip_connection:
                x = x + sum(earlier)
            time, band = transformers
            x = np.stack([self.transformer(time, x[:, b], "time", b, values) for b in range(bands)], axis=1)
            x = np.stack([self.transformer(band, x[t], "band", t, values) for t in range(frames)], axis=0)
            earlier.append(x)
            values.is_first = False
        if "final_norm.gamma" in self.state:
            x = np.stack([[self.norm("final_norm", token) for token in tokens] for tokens in x])
        return x

    def transformer(self, key: str, x: Real, axis: str, sequence: int, values: Values) -> Real:
        for index in range(self.count(f"{key}.layers.{{}}.")):
            block = f"{key}.layers.{index}"
            if f"{block}.0.temperature" in self.state:
                x = x + self.linear_attention(f"{block}.0", x)
            else:
                x = x + self.attention(f"{block}.0", x, (axis, sequence), values, index == 0)
            net = f"{block}.1.net"
            x = x + np.stack(
                [self.linear(f"{net}.4", gelu(self.linear(f"{net}.1", self.norm(f"{net}.0", v)))) for v in x]
            )
        if f"{key}.norm.gamma" in self.state:
            x = np.stack([self.norm(f"{key}.norm", vector) for vector in x])
        return x

    def attention(self, key: str, x: Real, where: tuple[str, int], values: Values, is_first_block: bool) -> Real:
        normed = [self.norm(f"{key}.norm", vector) for vector in x]
        # (position, query key value, head, feature)
        qkv = np.stack([self.linear(f"{key}.to_qkv", vector).reshape(3, HEADS, DIM_HEAD) for vector in normed])
        outputs = np.empty((len(x), HEADS, DIM_HEAD))
        for head in range(HEADS):
            own = qkv[:, 2, head]
            mixed = own.copy()
            for position, vector in enumerate(normed):
                place = (*where, head, position)
                if values.is_first and is_first_block:
                    values.known[place] = own[position]
                if self.value_mix is not None and not values.is_first:
                    share = 0.5
                    if self.value_mix == "learned":
                        share = sigmoid(self.linear(f"{key}.to_value_residual_mix", vector))[head]
                    mixed[position] = (1 - share) * own[position] + share * values.known[place]
            queries = [self.placed(key, qkv[i, 0, head], i, head, is_key=False) for i in range(len(x))]
            keys = [self.placed(key, qkv[i, 1, head], i, head, is_key=True) for i in range(len(x))]
            for position, vector in enumerate(normed):
                scores = np.array([queries[position] @ other for other in keys]) / math.sqrt(DIM_HEAD)
                weights = np.exp(scores - scores.max())
                gate = sigmoid(self.linear(f"{key}.to_gates", vector))[head]
                outputs[position, head] = gate * (weights / weights.sum()) @ mixed
        return np.stack([self.linear(f"{key}.to_out.0", output.reshape(-1)) for output in outputs])

    def placed(self, key: str, x: Real, position: int, head: int, is_key: bool) -> Real:
        if f"{key}.rotary_embed.freqs" in self.state:
            turned = (x[0::2] + 1j * x[1::2]) * np.exp(1j * position * self.state[f"{key}.rotary_embed.freqs"])
            return np.stack((turned.real, turned.imag), axis=-1).reshape(-1)
        offset = self.state[f"{key}.pope_embed.bias"][head].clip(-2 * math.pi, 0) if is_key else 0
        angle = position * self.state[f"{key}.pope_embed.inv_freqs"] + offset
        points = np.log1p(np.exp(x)) * np.exp(1j * angle)
        return np.concatenate((np.real(points), np.imag(points)))

    def linear_attention(self, key: str, x: Real) -> Real:
        normed = [self.norm(f"{key}.norm", vector) for vector in x]
        qkv = np.stack([self.linear(f"{key}.to_qkv.0", vector).reshape(3, HEADS, DIM_HEAD) for vector in normed])
        outputs = np.empty((len(x), HEADS, DIM_HEAD))
        for head in range(HEADS):
            queries, keys, values = (qkv[:, part, head].T for part in range(3))
            temperature = float(np.exp(self.state[f"{key}.temperature"][head].item()))
            for feature in range(DIM_HEAD):
                scores = np.array([unit(queries[feature]) @ unit(other) for other in keys]) * temperature * 8
                weights = np.exp(scores - scores.max())
                outputs[:, head, feature] = (weights / weights.sum()) @ values
        return np.stack([self.linear(f"{key}.to_out.1", output.reshape(-1)) for output in outputs])


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mono": {"stereo": False, "num_stems": 1},
    "deep": {"depth": 3, "time_transformer_depth": 2, "freq_transformer_depth": 2, "mask_estimator_depth": 2},
    "skip connection": {"depth": 3, "skip_connection": True},
    "no hidden mask layer": {"mask_estimator_depth": 0, "zero_dc": False},
    "linear attention": {"depth": 2, "linear_transformer_depth": 1, "skip_connection": True},
    "PoPE": {"use_pope": True, "depth": 2},
    "fixed value residual": {
        "depth": 3,
        "time_transformer_depth": 2,
        "use_value_residual_learning": True,
        "learned_value_residual_mix": False,
    },
    "learned value residual": {"depth": 2, "freq_transformer_depth": 2, "use_value_residual_learning": True},
    "learned value residual, PoPE, linear attention": {
        "depth": 2,
        "use_value_residual_learning": True,
        "use_pope": True,
        "linear_transformer_depth": 2,
    },
}


@pytest.mark.parametrize("flash_attn", [True, False])
@pytest.mark.parametrize("layout", [PARTITION, OVERLAPPING], ids=["bands side by side", "overlapping bands"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_separator_is_the_reference(variant: str, layout: BandLayout, flash_attn: bool) -> None:
    torch.manual_seed(0)
    keywords: dict[str, Any] = {
        "stereo": True,
        "num_stems": 2,
        "depth": 1,
        "time_transformer_depth": 1,
        "freq_transformer_depth": 1,
        "mask_estimator_depth": 1,
        "zero_dc": True,
        "skip_connection": False,
        **VARIANTS[variant],
    }
    model = BandSplitRotator(
        8,
        heads=HEADS,
        dim_head=DIM_HEAD,
        ff_mult=2.0,
        mlp_expansion_factor=2,
        mask_filter_bank=layout,
        stft_n_fft=N_FFT,
        stft_hop_length=HOP,
        stft_win_length=N_FFT,
        flash_attn=flash_attn,
        **keywords,
    )
    model.eval().double()
    for name, parameter in model.named_parameters():
        # No bias or gain stays at its neutral start, and the offsets of PoPE lie on both sides of their bounds.
        if parameter.requires_grad and parameter.numel():
            spread = 4.0 if "pope_embed" in name else 0.3
            parameter.data.add_(torch.randn_like(parameter), alpha=spread)
    value_mix = model.value_mix
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    reference = Reference(
        state,
        layout,
        channels=2 if keywords["stereo"] else 1,
        num_stems=keywords["num_stems"],
        skip_connection=keywords["skip_connection"],
        value_mix=value_mix,
        zero_dc=keywords["zero_dc"],
    )
    audio = torch.randn(2, reference.channels, 22, dtype=torch.float64)
    with torch.no_grad():
        separated = model(audio).numpy()
    np.testing.assert_allclose(separated, reference(audio.numpy()), rtol=0, atol=1e-10 * np.abs(separated).max())
