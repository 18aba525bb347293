"""What the same training comes to, here and with BS-RoFormer: SDR after as many steps, and the time for them.

    python benchmarks/learning.py SONGS --validation SONGS --steps 500

Both models have the same size and the same random weights, see the same excerpts, and are moved by the same AdamW on
the same loss, their own. They take turns of ``--turn`` steps, so that other work on the machine meets both. Then both
separate the validation songs through the same separator: theirs by its weights under our names.
"""

import copy
import statistics
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import click
import torch
from contestants import KEYWORDS, LUCIDRAINS, OURS, adopt, class_of, our_name
from torch import nn

from hfbs_model import BandSplitRotator, Checkpoint
from hfbs_separate import Separator
from hfbs_separate.evaluation import find_songs, is_silent, load_song, sdr
from hfbs_separate.terminal import Terminal
from hfbs_train.data import Batch, Excerpts, check, default_cache, excerpt_batches, find_training_songs

RATE, HOP = 44100, 1024
STEMS = {"vocals": ["vocals"], "instrumental": ["drums", "bass", "other"]}
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(slots=True)
class Learner:
    """A model on its way through the steps."""

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Iterator[Batch]
    device: str
    seconds: list[float] = field(default_factory=list[float])

    def take(self, steps: int) -> None:
        for _ in range(steps):
            stems = next(self.batches).stems.to(self.device)
            began = time.perf_counter()
            cast("Any", self.model)(stems.sum(dim=1), target=stems).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            if self.device == "cuda":
                torch.cuda.synchronize()
            self.seconds.append(time.perf_counter() - began)


def learner(
    package: str, weights: dict[str, torch.Tensor], excerpts: Excerpts, options: dict[str, int], device: str
) -> Learner:
    """A model with these weights, which are ours by name."""
    keywords: dict[str, Any] = {"dim": options["dim"], "depth": options["depth"], "stereo": True}
    keywords |= {"num_stems": len(STEMS), "heads": 4, "dim_head": options["dim"] // 4, "stft_hop_length": HOP}
    keywords |= {"time_transformer_depth": 1, "freq_transformer_depth": 1, "multi_stft_hop_size": 441}
    keywords |= {"zero_dc": True} | KEYWORDS[package][False]
    if package == OURS and options["depth"] > 1:
        keywords["use_value_residual_learning"] = True  # as BS-RoFormer always does
    with warnings.catch_warnings():  # BS-RoFormer's constructor runs an STFT without a window
        warnings.simplefilter("ignore")
        model = class_of(package, False)(**keywords).train()
    if weights and not adopt(package, model, weights):
        raise click.ClickException(f"{package} has other weights")
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batches = excerpt_batches(excerpts, batch_size=options["batch"], workers=options["workers"])
    return Learner(package, model, optimizer, batches, device)


def score(
    weights: dict[str, torch.Tensor], model: BandSplitRotator, songs: Path, chunk: int, device: str
) -> dict[str, float]:
    """Mean SDR of each stem over songs."""
    model = copy.deepcopy(model)
    model.load_state_dict(weights)
    separator = Separator(Checkpoint(model.eval(), tuple(STEMS), RATE, chunk), device=device, precision="float32")
    values: dict[str, list[float]] = {stem: [] for stem in STEMS}
    for files in find_songs(songs, STEMS, missing_is_silent=True):
        song = load_song(files)
        estimates = separator.separate(song.mixture, song.sample_rate)
        for stem, truth in song.stems.items():
            if not is_silent(truth):
                values[stem].append(sdr(truth, estimates[stem]))
    return {stem: statistics.mean(each) for stem, each in values.items()}


@click.command()
@click.argument("songs", type=FOLDER)
@click.option("--validation", required=True, type=FOLDER, help="Songs to measure with.")
@click.option("--steps", default=500, show_default=True, help="Steps of each model.")
@click.option("--turn", default=10, show_default=True, help="Steps that a model takes before the other one does.")
@click.option("--dim", default=48, show_default=True, help="Features of a token, a multiple of 16.")
@click.option("--depth", default=2, show_default=True, help="Layers of the trunk.")
@click.option("--batch", default=4, show_default=True, help="Excerpts of a step.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of an excerpt.")
@click.option("--workers", default=0, show_default=True, help="Processes that load excerpts for each model.")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
def main(
    songs: Path,
    validation: Path,
    steps: int,
    turn: int,
    dim: int,
    depth: int,
    batch: int,
    seconds: float,
    workers: int,
    device: str,
) -> None:
    """Train both models on SONGS, folders in MUSDB's layout, and compare."""
    chunk = round(seconds * RATE / HOP) * HOP
    report = check(find_training_songs([songs], STEMS, missing="silent"), sample_rate=RATE, cache=default_cache())
    excerpts = Excerpts(report, tuple(STEMS), samples=chunk, sample_rate=RATE)
    torch.manual_seed(0)
    options = {"dim": dim, "depth": depth, "batch": batch, "workers": workers}
    ours = learner(OURS, {}, excerpts, options, device)
    learners = [ours, learner(LUCIDRAINS, ours.model.state_dict(), excerpts, options, device)]
    with Terminal(program="learning").bar("training") as bar:
        for taken in range(0, steps, turn):
            for each in learners if taken % (2 * turn) == 0 else reversed(learners):
                each.take(min(turn, steps - taken))
            if bar is not None:
                bar(min(taken + turn, steps), steps)
    for each in learners:
        weights = {our_name(each.name, name, each.model): weight for name, weight in each.model.state_dict().items()}
        told = score(weights, cast("BandSplitRotator", ours.model), validation, chunk, device)
        stems = ", ".join(f"{stem} {value:.2f} dB" for stem, value in told.items())
        click.echo(f"{each.name:12} {sum(each.seconds):8.1f} s for {steps} steps; SDR: {stems}")
    ratio = statistics.median(learners[1].seconds) / statistics.median(learners[0].seconds)
    click.echo(f"a step of BS-RoFormer takes {ratio:.2f} times as long as one of hfbs (medians)")


if __name__ == "__main__":
    main()
