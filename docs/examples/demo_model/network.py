"""The demo model with weights of like shape laid side by side, so that a training step is few and large kernels.

What it computes is what `hfbs_model.BandSplitRotator(**KEYWORDS)` computes, and its weights are the same numbers:
`stacked` and `unstacked` take them from one to the other.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

DIM, DEPTH, HEADS, DIM_HEAD = 80, 7, 2, 40
RUNS = ((20, 12), (10, 30), (6, 64), (4, 140))  # bands of like width, and their bins
BANDS = sum(bands for bands, _ in RUNS)
BINS = sum(bands * bins for bands, bins in RUNS)  # up to 16 kHz
N_FFT, HOP = 4096, 1024
CHUNK = 172 * HOP  # samples

KEYWORDS: dict[str, Any] = {
    "dim": DIM,
    "depth": DEPTH,
    "heads": HEADS,
    "dim_head": DIM_HEAD,
    "stereo": True,
    "num_stems": 1,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "freqs_per_bands": [bins for bands, bins in RUNS for _ in range(bands)],
    "freq_range": (0, BINS),
    "stft_n_fft": N_FFT,
    "stft_win_length": N_FFT,
    "stft_hop_length": HOP,
    "mlp_expansion_factor": 1,
}

type Weights = Mapping[str, Tensor]

_TRUNK = {
    "norm1": "0.norm.gamma",
    "qkv": "0.to_qkv.weight",
    "gates": "0.to_gates.weight",
    "gates_bias": "0.to_gates.bias",
    "out": "0.to_out.0.weight",
    "norm2": "1.net.0.gamma",
    "widen": "1.net.1.weight",
    "widen_bias": "1.net.1.bias",
    "narrow": "1.net.4.weight",
    "narrow_bias": "1.net.4.bias",
}


def keys() -> dict[str, list[str]]:
    """By the name of a stacked weight, the separator's keys of what is stacked in it, in order."""
    found: dict[str, list[str]] = {}
    first = 0
    for run, (count, _) in enumerate(RUNS):
        bands = range(first, first + count)
        found[f"split{run}.gamma"] = [f"band_split.to_features.{band}.0.gamma" for band in bands]
        for part in ("weight", "bias"):
            found[f"split{run}.{part}"] = [f"band_split.to_features.{band}.1.{part}" for band in bands]
            found[f"mask{run}.{part}"] = [f"mask_estimators.0.to_freqs.{band}.0.2.{part}" for band in bands]
        first += count
    for part in ("weight", "bias"):
        found[f"hidden.{part}"] = [f"mask_estimators.0.to_freqs.{band}.0.0.{part}" for band in range(BANDS)]
    blocks = [f"layers.{layer}.{axis}.layers.0" for layer in range(DEPTH) for axis in (0, 1)]
    for name, key in _TRUNK.items():
        found[f"trunk.{name}"] = [f"{block}.{key}" for block in blocks]
    found["final"] = ["final_norm.gamma"]
    return found


def stacked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A separator's weights side by side."""
    return {name: torch.stack([state[key].detach() for key in of_it]).float() for name, of_it in keys().items()}


def unstacked(weights: Weights) -> dict[str, Tensor]:
    """The separator's weights, but for the frequencies of positions, which are not learnt."""
    return {
        key: part.detach().clone()
        for name, of_it in keys().items()
        for key, part in zip(of_it, weights[name].unbind(0), strict=True)
    }


class Functions:
    """What the network is made of, compiled for the shapes that come or as it is."""

    def __init__(self, *, compiled: bool) -> None:
        def of(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
            compile_: Any = torch.compile
            return compile_(function, fullgraph=True, dynamic=False) if compiled else function

        self.split, self.block, self.hidden, self.mask = of(_split), of(_block), of(_hidden), of(_mask)


class Network:
    """From mixtures to their vocals."""

    def __init__(self, device: torch.device) -> None:
        self._window = torch.hann_window(N_FFT, device=device)
        self._device = device
        self._angles: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(
        self, weights: Weights, mixture: Tensor, functions: Functions, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Vocals, (batch, channel, time), as the mixture is; matrix products are in ``dtype``."""
        spectrum = self._spectrum(mixture)[..., :BINS]
        features = torch.view_as_real(spectrum).permute(0, 2, 3, 1, 4).flatten(start_dim=2)
        masks = self._masks(weights, features, functions, dtype)
        masks = masks.unflatten(-1, (BINS, 2, 2)).permute(0, 3, 1, 2, 4).contiguous()
        return self._audio(torch.view_as_complex(masks) * spectrum, mixture.shape[-1])

    def _masks(self, weights: Weights, features: Tensor, functions: Functions, dtype: torch.dtype) -> Tensor:
        sizes = [4 * bands * bins for bands, bins in RUNS]
        tokens = [
            functions.split(part, *(weights[f"split{run}.{name}"] for name in ("gamma", "weight", "bias")), dtype)
            for run, part in enumerate(features.split(sizes, dim=-1))
        ]
        x = torch.cat(tokens, dim=2)
        of_blocks = zip(*(weights[f"trunk.{name}"].unbind(0) for name in _TRUNK), strict=True)
        for number, of_block in enumerate(of_blocks):
            along_time = number % 2 == 0
            x = functions.block(x, along_time, *self._turns(x.shape[1 if along_time else 2]), *of_block, dtype)
        x = functions.hidden(x, weights["final"], weights["hidden.weight"], weights["hidden.bias"], dtype)
        masks = [
            functions.mask(part, weights[f"mask{run}.weight"], weights[f"mask{run}.bias"], dtype)
            for run, part in enumerate(x.split([bands for bands, _ in RUNS], dim=2))
        ]
        return torch.cat(masks, dim=-1)

    def _turns(self, length: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of RoPE's angles, (position, pair)."""
        if length not in self._angles:
            frequencies = 10000 ** -(torch.arange(0, DIM_HEAD, 2, device=self._device).float() / DIM_HEAD)
            angles = torch.outer(torch.arange(length, device=self._device).float(), frequencies)
            self._angles[length] = angles.cos(), angles.sin()
        return self._angles[length]

    def _spectrum(self, audio: Tensor) -> Tensor:
        """(batch, channel, frame, bin)."""
        flat = F.pad(audio.flatten(end_dim=1), (N_FFT // 2, N_FFT // 2), mode="reflect")
        return torch.fft.rfft(flat.unfold(-1, N_FFT, HOP) * self._window).unflatten(0, audio.shape[:2])

    def _audio(self, spectrum: Tensor, length: int) -> Tensor:
        """The inverse, without 0 Hz. `torch.istft` would wait for the device, which a CUDA graph cannot."""
        whole = F.pad(spectrum[..., 1:], (1, N_FFT // 2 + 1 - spectrum.shape[-1]))
        frames = torch.fft.irfft(whole, N_FFT) * self._window
        inside = slice(N_FFT // 2, N_FFT // 2 + length)
        weight = _overlap_added(self._window.square().expand(frames.shape[-2], N_FFT))
        return _overlap_added(frames)[..., inside] / weight[inside]


def _overlap_added(frames: Tensor) -> Tensor:
    parts = frames.unflatten(-1, (N_FFT // HOP, HOP))
    more = N_FFT // HOP - 1
    moved = [F.pad(parts[..., hop, :], (0, 0, hop, more - hop)) for hop in range(more + 1)]
    return torch.stack(moved).sum(dim=0).flatten(start_dim=-2)


def _norm(x: Tensor, gamma: Tensor) -> Tensor:
    x = x.float()
    linalg: Any = torch.linalg  # which has no types
    norm: Tensor = linalg.vector_norm(x, dim=-1, keepdim=True)
    return x * (gamma.shape[-1] ** 0.5 / norm.clamp_min(1e-12)) * gamma


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(start_dim=-2).to(x.dtype)


def _split(features: Tensor, gamma: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    x = _norm(features.unflatten(-1, gamma.shape), gamma).to(dtype)
    return (torch.einsum("b t n w, n d w -> b t n d", x, weight.to(dtype)) + bias.to(dtype)).float()


def _block(
    x: Tensor,
    along_time: bool,
    cos: Tensor,
    sin: Tensor,
    norm1: Tensor,
    qkv: Tensor,
    gates: Tensor,
    gates_bias: Tensor,
    out: Tensor,
    norm2: Tensor,
    widen: Tensor,
    widen_bias: Tensor,
    narrow: Tensor,
    narrow_bias: Tensor,
    dtype: torch.dtype,
) -> Tensor:
    """Attention along one axis of (batch, frame, band, dim), then the feed-forward block."""
    y = _norm(x, norm1).to(dtype)
    three = F.linear(y, qkv.to(dtype)).unflatten(-1, (3, HEADS, DIM_HEAD))
    q, k, v = three.permute(3, 0, 2, 4, 1, 5) if along_time else three.permute(3, 0, 1, 4, 2, 5)
    q, k = _turned(q, cos, sin), _turned(k, cos, sin)
    heard = F.scaled_dot_product_attention(*(part.flatten(end_dim=1) for part in (q, k, v)))
    heard = heard.unflatten(0, (x.shape[0], -1))
    heard = heard.permute(0, 3, 1, 2, 4) if along_time else heard.permute(0, 1, 3, 2, 4)
    open_ = F.linear(y, gates.to(dtype), gates_bias.to(dtype)).sigmoid()
    x = x + F.linear((heard * open_[..., None]).flatten(start_dim=-2), out.to(dtype))
    y = F.gelu(F.linear(_norm(x, norm2).to(dtype), widen.to(dtype), widen_bias.to(dtype)))
    return x + F.linear(y, narrow.to(dtype), narrow_bias.to(dtype))


def _hidden(x: Tensor, final: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    x = _norm(x, final[0]).to(dtype)
    return (torch.einsum("b t n d, n w d -> b t n w", x, weight.to(dtype)) + bias.to(dtype)).tanh()


def _mask(x: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    gated = torch.einsum("b t n d, n w d -> b t n w", x, weight.to(dtype)) + bias.to(dtype)
    return F.glu(gated).flatten(start_dim=-2).float()
