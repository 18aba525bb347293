"""Train the demo model on one GPU, each step one CUDA graph: as many steps as there is time for.

python docs/examples/demo_model/train.py RENDERED REAL --minutes 12 -o demo.safetensors

RENDERED and REAL are folders of songs, each a folder with `vocals`, `drums`, `bass` and `other` as FLAC or Ogg;
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
from mover import Mover
from network import CHUNK, KEYWORDS, Functions, Network, Weights, stacked, unstacked
from songs import RATE, REAL, RENDERED, Songs, played_faster
from torch import Tensor

from hfbs_model import BandSplitRotator, Checkpoint, save_checkpoint


class Stepper:
    """A step from drawing excerpts to the moved weights, without a word from the processor.

    The mean of weights decays by 0.9985 a step.

    Attributes:
        weights: As they are trained.
        means: Their means, which are kept.
        mover: What moves them.
        told: Of the last step: loss, mean square error, SDR in dB, length of the gradient.
    """

    def __init__(self, weights: Weights, songs: Songs, batch: int, functions: Functions, dtype: torch.dtype) -> None:
        self.weights = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
        self.means = {name: weight.clone() for name, weight in weights.items()}
        self.mover = Mover(self.weights, muon=2.5e-3, adam=2e-3)
        device = self.mover.rate.device
        self.told = torch.zeros(4, device=device)
        self._network = Network(device)
        self._songs, self._batch, self._functions, self._dtype = songs, batch, functions, dtype

    def __call__(self) -> None:
        """Take a step."""
        with torch.no_grad():
            stems = self._songs.draw(self._batch, real=0.2, aligned=0.5)
        loss, error, sdr = self.loss(self.weights, stems, self._functions, self._dtype)
        gradients = torch.autograd.grad(loss, list(self.weights.values()))
        with torch.no_grad():
            length = self.mover(gradients)
            for name, mean in self.means.items():
                mean.lerp_(self.weights[name], 1 - 0.9985)
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


def main() -> None:
    """Train by the arguments of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("rendered", "real"):
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
    print(f"{taken} steps, {taken * given.batch * CHUNK / RATE / 3600:.1f} h of audio")
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
        stepper.mover.rate.fill_(min(1, (taken + 1) / 200) * (0.01 + 0.495 * (1 + math.cos(math.pi * spent))))
        for _ in range(10):
            step()
        taken += 10
        told = stepper.told.tolist()  # waits for the device
        if taken % 200 == 0:
            print(f"step {taken}: loss {told[0]:.4f}, SDR {told[2]:.2f} dB, {spent:.0%} of the time")
    return taken


if __name__ == "__main__":
    main()
