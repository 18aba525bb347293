"""Train the demo model on one GPU, each step one CUDA graph: as many steps as there is time for.

python docs/examples/demo_model/train.py RENDERED REAL VALID --minutes 12 -o demo.safetensors

RENDERED, REAL and VALID are folders of songs, each a folder with `vocals`, `drums`, `bass` and `other` as FLAC or Ogg;
a stem that a song has not is left out. Songs at one and (real ones) two semitones up and down are made of them besides.
"""

import argparse
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile
import torch
from network import CHUNK, KEYWORDS, Functions, Network, Weights, stacked, unstacked
from songs import RATE, REAL, RENDERED, Songs, played_faster
from torch import Tensor

from hfbs_model import BandSplitRotator, Checkpoint, save_checkpoint

MUON = ("trunk.qkv", "trunk.out", "trunk.widen", "trunk.narrow")


class Stepper:
    """A step from drawing excerpts to the moved weights, without a word from the processor.

    Matrices of the trunk are moved by Muon, the other weights by AdamW without decay; the mean of weights decays by
    0.9985 a step.

    Attributes:
        weights: As they are trained.
        means: Their means, which are kept.
        rate: Factor of both learning rates.
        told: Of the last step: loss, mean square error, SDR in dB, length of the gradient.
    """

    def __init__(self, weights: Weights, songs: Songs, batch: int, functions: Functions, dtype: torch.dtype) -> None:
        self.weights = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
        self.means = {name: weight.clone() for name, weight in weights.items()}
        device = next(iter(weights.values())).device
        self.rate, self._step = torch.zeros((), device=device), torch.zeros((), device=device)
        self.told = torch.zeros(4, device=device)
        self._first, self._second = ({name: torch.zeros_like(w) for name, w in weights.items()} for _ in range(2))
        self._network = Network(device)
        self._songs, self._batch, self._functions, self._dtype = songs, batch, functions, dtype

    def __call__(self) -> None:
        """Take a step."""
        with torch.no_grad():
            stems = self._songs.draw(self._batch, real=0.2, aligned=0.5)
        loss, error, sdr = self.loss(self.weights, stems, self._functions, self._dtype)
        gradients = torch.autograd.grad(loss, list(self.weights.values()))
        with torch.no_grad():
            length = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
            scale = (1 / (length + 1e-6)).clamp(max=1).nan_to_num(0, 0, 0)
            self._step.add_(1)
            for name, gradient in zip(self.weights, gradients, strict=True):
                self._move(name, (gradient * scale).nan_to_num(0, 0, 0))
                self.means[name].lerp_(self.weights[name], 1 - 0.9985)
            self.told.copy_(torch.stack([loss.detach(), error.detach(), sdr.detach(), length]))

    def loss(
        self, weights: Weights, stems: Tensor, functions: Functions, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        """100 × the mean square error and 0.03 × 10 log10 of each excerpt's; besides, that error and the SDR in dB.

        What is left of the mixture errs by the same, so that vocals stand for both.
        """
        vocals, rest = stems
        estimate = self._network(weights, vocals + rest, functions, dtype)
        error, sung, whole = (x.square().mean((1, 2)) for x in (estimate - vocals, vocals, vocals + rest))
        floor = 1e-4 * whole + 1e-8
        relative = (error + floor) / (sung + floor)
        return 100 * error.mean() + 0.3 * (error + floor).log10().mean(), error.mean(), -10 * relative.log10().mean()

    def _move(self, name: str, gradient: Tensor) -> None:
        weight, first, second = self.weights[name], self._first[name], self._second[name]
        if name in MUON:
            ahead = gradient.lerp(first.lerp_(gradient, 0.05), 0.95)
            if name == "trunk.qkv":  # three matrices
                ahead = ahead.unflatten(1, (3, -1)).flatten(end_dim=1)
            step = orthogonalised(ahead).view_as(weight) * (0.2 * max(ahead.shape[-2:]) ** 0.5)
            weight.sub_(step * (self.rate * 2.5e-3))
            return
        first.lerp_(gradient, 0.1)
        second.lerp_(gradient.square(), 0.01)
        begun = [1 - (self._step * math.log(beta)).exp() for beta in (0.9, 0.99)]
        weight.sub_(first / begun[0] / ((second / begun[1]).sqrt() + 1e-8) * (self.rate * 2e-3))


def main() -> None:
    """Train by the arguments of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("rendered", "real", "valid"):
        parser.add_argument(name, type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--until", type=float, default=1, help="end the schedule at this share of it")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    device = torch.device(given.device)
    songs = in_place(given.rendered, given.real, device)
    model = BandSplitRotator(**KEYWORDS)
    weights = {name: weight.to(device) for name, weight in stacked(model.state_dict()).items()}
    on_gpu = device.type == "cuda"
    functions = Functions(compiled=on_gpu)
    stepper = Stepper(weights, songs, given.batch, functions, torch.bfloat16 if on_gpu else torch.float32)
    step = recorded(stepper) if on_gpu else stepper
    taken = run(step, stepper, given.minutes * 60, given.until)
    valid = [stems_of(song, device) for song in sorted(given.valid.iterdir())]
    scores = [sdr(stepper.means, vocals, rest) for vocals, rest in valid]
    print(f"{taken} steps, {taken * given.batch * CHUNK / RATE / 3600:.1f} h of audio: {scores} dB")
    model.load_state_dict({key: value.cpu() for key, value in unstacked(stepper.means).items()}, strict=False)
    save_checkpoint(
        Checkpoint(model, stems=("vocals",), residual="instrumental", sample_rate=RATE, chunk_size=CHUNK), given.output
    )


def in_place(rendered: Path, real: Path, device: torch.device) -> Songs:
    """All songs, read by several threads, with those at other speeds."""
    folders = [(song, kind) for kind, folder in ((RENDERED, rendered), (REAL, real)) for song in folder.iterdir()]
    speeds = {RENDERED: (-1, 1), REAL: (-2, -1, 1, 2)}
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda each: stems_of(each[0], torch.device("cpu")), folders))
    seconds = sum(
        vocals.shape[1] / RATE * 1.2 * (1 + len(speeds[kind]))
        for (vocals, _), (_, kind) in zip(read, folders, strict=True)
    )
    songs = Songs(seconds, device)
    for stems, (_, kind) in zip(read, folders, strict=True):
        vocals, rest = (stem.to(device) for stem in stems)
        songs.add(vocals, rest, kind)
        for semitones in speeds[kind]:
            songs.add(played_faster(vocals, semitones), played_faster(rest, semitones), kind, every=3)
    return songs


def stems_of(song: Path, device: torch.device) -> tuple[Tensor, Tensor]:
    """Vocals, and the sum of the other stems, (2, time)."""
    stems = {
        file.stem: torch.from_numpy(soundfile.read(file, dtype="float32", always_2d=True)[0].T.copy())
        for file in song.iterdir()
        if file.suffix in (".flac", ".ogg")
    }
    vocals = stems.pop("vocals")
    return vocals.to(device), torch.stack(list(stems.values())).sum(dim=0).to(device)


def recorded(stepper: Stepper) -> Callable[[], None]:
    """A step as one CUDA graph."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            stepper()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        stepper()
    return graph.replay


def run(step: Callable[[], None], stepper: Stepper, seconds: float, until: float) -> int:
    """Steps until the time is over, along a cosine of the time after 200 steps of warm-up."""
    began, taken = time.monotonic(), 0
    while (spent := (time.monotonic() - began) / seconds) < until:
        stepper.rate.fill_(min(1, (taken + 1) / 200) * (0.01 + 0.495 * (1 + math.cos(math.pi * spent))))
        for _ in range(10):
            step()
        taken += 10
        told = stepper.told.tolist()  # waits for the device
        if taken % 200 == 0:
            print(f"step {taken}: loss {told[0]:.4f}, SDR {told[2]:.2f} dB, {spent:.0%} of the time")
    return taken


@torch.no_grad()
def sdr(weights: Weights, vocals: Tensor, rest: Tensor) -> float:
    """Of a song's vocals, separated in chunks that overlap by half, in float32."""
    hop, network, functions = CHUNK // 2, Network(vocals.device), Functions(compiled=False)
    mixture = torch.nn.functional.pad(vocals + rest, (hop, CHUNK + hop))
    window = torch.hann_window(CHUNK, device=vocals.device)
    estimate, weight = torch.zeros_like(mixture), torch.zeros_like(mixture[0])
    for first in range(0, mixture.shape[1] - CHUNK + 1, hop):
        here = slice(first, first + CHUNK)
        estimate[:, here] += network(weights, mixture[None, :, here], functions)[0] * window
        weight[here] += window
    heard = (estimate / weight.clamp(min=1e-6))[:, hop : hop + vocals.shape[1]]
    return 10 * math.log10(float(vocals.square().sum() / (heard - vocals).square().sum()))


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices whose singular values are near 1, by Newton and Schulz's iteration."""
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if is_tall else matrices).bfloat16()
    x = x / x.square().sum((-2, -1), keepdim=True, dtype=torch.float32).sqrt().clamp(min=1e-7).to(x.dtype)
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return (x.mT if is_tall else x).float()


if __name__ == "__main__":
    main()
