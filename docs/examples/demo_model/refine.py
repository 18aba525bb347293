"""Train the demo model on, on two cores, for real songs: two processes of one thread each.

python docs/examples/demo_model/refine.py demo.safetensors RENDERED REAL --teacher EARLIER -o refined.safetensors

What `train.py` makes knows its four real songs so well that it is sure of itself where it is wrong on others: it took
a wide lead for a voice, as voices are wide in those. So stems are made wider, narrower and lopsided here, and sent
through echoes; and where an excerpt holds something real, what is wanted is the mean of the true vocals and of what a
smaller model, which does not know those songs as well, gives for them. It is as unsure as one should be.
"""

import argparse
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from mover import Mover
from network import CHUNK, KEYWORDS, Functions, Network, stacked, unstacked
from songs import POINTS, RATE, REAL, RENDERED, bells, octaves_of, played_faster
from torch import Tensor
from train import stems_of

from hfbs_model import BandSplitRotator, Checkpoint, load_checkpoint, save_checkpoint

BATCH = 2  # of each process
SPEEDS = ((0, -3, -1.5, 1.5, 3), (0, -2, -1, 1, 2))  # of real songs, in semitones, by the process
type Song = tuple[Tensor, Tensor]


def main() -> None:
    """Train by the arguments of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "rendered", "real"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    given = parser.parse_args()
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29517", OMP_NUM_THREADS="1")
    multiprocessing.start_processes(refine, (given,), nprocs=2, start_method="spawn")


def refine(rank: int, given: argparse.Namespace) -> None:
    """One of the two processes; the first writes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    torch.manual_seed(100 + rank)
    songs: dict[int, list[Song]] = {
        RENDERED: [stems_of(song, torch.device("cpu")) for song in sorted(given.rendered.iterdir())[rank::2]],
        REAL: [
            tuple(played_faster(stem, speed) if speed else stem for stem in stems)
            for song in sorted(given.real.iterdir())
            for stems in [stems_of(song, torch.device("cpu"))]
            for speed in SPEEDS[rank]
        ],
    }
    teacher = load_checkpoint(given.teacher).model.eval()
    model = load_checkpoint(given.checkpoint).model
    weights = {name: weight.requires_grad_() for name, weight in stacked(model.state_dict()).items()}
    means = {name: weight.detach().clone() for name, weight in weights.items()}
    mover = Mover(weights, muon=8e-4, adam=6e-4)
    network, functions = Network(torch.device("cpu")), Functions(compiled=True)
    began, step = time.monotonic(), 0
    while True:
        drawn = [excerpt(songs) for _ in range(BATCH)]
        vocals, rest = (torch.stack(stems) for stems in zip(*((each[0], each[1]) for each in drawn), strict=True))
        wanted = torch.stack([target(*each, teacher) for each in drawn])
        error = (network(weights, vocals + rest, functions) - wanted).square().mean((1, 2))
        floor = 1e-3 * (vocals + rest).square().mean((1, 2)) + 1e-8
        loss = 100 * error.mean() + 0.3 * (error + floor).log10().mean()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        spent = torch.tensor([(time.monotonic() - began) / (60 * given.minutes)])
        together = torch.cat([*(gradient.flatten() for gradient in gradients), loss.detach()[None], spent]) / 2
        dist.all_reduce(together)
        flat, told, share = together[:-2], float(together[-2]), float(together[-1])
        if share >= 1:
            break
        mover.rate.fill_(min(1, (step + 1) / 30) * (0.02 + 0.49 * (1 + math.cos(math.pi * share))))
        step += 1
        parts = flat.split([weight.numel() for weight in weights.values()])
        mover([part.view_as(weight) for part, weight in zip(parts, weights.values(), strict=True)])
        for name, mean in means.items():
            mean.lerp_(weights[name].detach(), 1 - min(0.995, step / (9 + step)))
        if rank == 0 and step % 25 == 0:
            print(f"step {step}: loss {told:.4f}, {share:.0%} of the time", flush=True)
    if rank == 0:
        model = BandSplitRotator(**KEYWORDS)
        model.load_state_dict(unstacked(means), strict=False)
        # Longer chunks than it learnt from are better, and little overlap is soon done.
        chunks = {"chunk_size": 3 * CHUNK, "num_overlap": 1}
        save_checkpoint(Checkpoint(model, ("vocals",), RATE, residual="instrumental", **chunks), given.output)


def excerpt(songs: dict[int, list[Song]]) -> tuple[Tensor, Tensor, bool]:
    """Vocals, the rest, and whether any of it is real."""
    kind = RENDERED if chance(0.4) else REAL
    song = any_of(songs[kind])
    at = begin(song[0])
    vocals, other = cut(song[0], at), kind
    if chance(0.3):
        rest = cut(song[1], at)
    else:
        other = RENDERED if chance(0.4) else REAL
        rest = cut_anywhere(songs[other])
        if chance(0.15):
            more = cut_anywhere(songs[RENDERED if chance(0.4) else REAL])
            rest = 0.8 * rest + decibels(-9, -1) * turned(more)
    if chance(0.07):
        vocals = torch.zeros_like(vocals)
    vocals = placed(echoing(equalised(turned(vocals))), 0.4) * decibels(-7, 5)
    rest = placed(equalised(turned(rest)), 0.5) * decibels(-4, 3)
    return vocals, rest, REAL in (kind, other)


@torch.no_grad()
def target(vocals: Tensor, rest: Tensor, real: bool, teacher: BandSplitRotator) -> Tensor:
    """What the model is to give."""
    return (vocals + teacher((vocals + rest)[None])[0, 0]) / 2 if real else vocals


def turned(audio: Tensor) -> Tensor:
    """Channels and polarity at random."""
    audio = audio.flip(0) if chance(0.5) else audio
    return -audio if chance(0.5) else audio


def equalised(audio: Tensor) -> Tensor:
    """A curve with a spread of 3 dB for three of ten; one of twelve sounds as through a telephone."""
    octaves = octaves_of(torch.device("cpu"))
    response = torch.ones_like(octaves)
    if chance(0.3):
        response = (3 * torch.randn(POINTS) @ bells(octaves) * (math.log(10) / 20)).exp()
    if chance(0.08):
        low, high = between(0, 2.5), between(5.5, 8.3)
        response = response * ((octaves - low) * 2 + 1).clamp(0, 1) * ((high - octaves) * 2 + 1).clamp(0, 1)
    return torch.fft.irfft(torch.fft.rfft(audio) * response, CHUNK)


def echoing(audio: Tensor) -> Tensor:
    """One of ten with one or two echoes."""
    if not chance(0.1):
        return audio
    delay, gain = int(between(0.01, 0.45) * RATE), between(0.15, 0.6)
    heard = audio.clone()
    for number in range(1, 3 if chance(0.5) else 2):
        heard[:, number * delay :] += gain**number * audio[:, : -number * delay]
    return heard


def placed(audio: Tensor, share: float) -> Tensor:
    """Wider or narrower, as loud as before; for half as many to one side; for a third one channel late."""
    if chance(share):
        middle, side = audio.sum(0) / 2, (audio[0] - audio[1]) / 2
        side = side * 2 ** between(-2.5, 2)
        other = torch.stack((middle + side, middle - side))
        audio = other * (audio.norm() / other.norm().clamp(min=1e-6)).clamp(max=4)
    if chance(share / 2):
        gain = decibels(-5, 5)
        audio = torch.stack((audio[0] * gain, audio[1] / gain))
    if chance(share / 3):
        late, channel = int(between(0.0005, 0.03) * RATE), int(chance(0.5))
        audio = audio.clone()
        audio[channel, late:] = audio[channel, :-late].clone()
    return audio


def begin(vocals: Tensor) -> int:
    """Where an excerpt begins that is sung for a third of its time, if there is one."""
    for _ in range(20):
        at = int(between(0, vocals.shape[1] - CHUNK))
        if float((cut(vocals, at).unflatten(1, (16, -1)).square().mean((0, 2)).sqrt() > 0.006).float().mean()) >= 0.3:
            break
    return at


def cut(audio: Tensor, at: int) -> Tensor:
    """An excerpt from a sample on."""
    return audio[:, at : at + CHUNK]


def cut_anywhere(songs: Sequence[Song]) -> Tensor:
    """The rest of an excerpt of any song."""
    rest = any_of(songs)[1]
    return cut(rest, int(between(0, rest.shape[1] - CHUNK)))


def any_of(songs: Sequence[Song]) -> Song:
    """A song, long ones as likely as short ones."""
    return songs[int(between(0, len(songs)))]


def chance(share: float) -> bool:
    """True for that share of calls."""
    return between(0, 1) < share


def between(low: float, high: float) -> float:
    """Any number of these bounds."""
    return low + (high - low) * float(torch.rand(()))


def decibels(low: float, high: float) -> float:
    """A factor between these, in dB."""
    return 10 ** (between(low, high) / 20)


if __name__ == "__main__":
    main()
