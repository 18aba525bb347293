"""How a contestant is made ready, and what its runs cost."""

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from configurations import Setting
from contestants import FLOOR, OURS, Contestant, adopt, build, mixes_values
from floor import floor, multiply_adds
from torch import Tensor, nn

CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Start:
    """What a fresh process spends: seconds, and bytes at the most."""

    imports: float
    first_output: float
    compilation: float
    peak: float


@dataclass(frozen=True)
class Row:
    """One contestant in one table. None is what was not measured, or cannot be compared.

    Attributes:
        seconds: Median of the rounds.
        of_floor: Time over the floor's of the same round (in training, over three of them): median, least, most.
        of_ours: Median of the time over that of ours, eager, of the same round.
        difference: Relative RMS difference from the output of ours, eager, in float32.
        utilisation: Share of the assumed peak arithmetic rate.
    """

    name: str
    seconds: float
    of_floor: tuple[float, float, float]
    of_ours: float
    difference: float | None
    start: Start | None
    utilisation: float | None


def ready(contestant: Contestant, model: nn.Module, setting: Setting) -> Callable[[], Tensor]:
    """What one run of the model is: a forward pass, or a training step that gives the loss.

    In bfloat16, ours is cast once for inference, as its users run it. The peers, which do not run so, and everyone in
    training are under autocast.
    """
    dtype = getattr(torch, setting.precision)
    casts = setting.task == "inference" and not contestant.autocast
    model = model.to(setting.device, dtype if casts else torch.float32).train(setting.task == "training")
    if contestant.compiled:
        model.compile_blocks(mode=contestant.mode)
    mixture, target = signals(setting)
    autocast = torch.autocast(setting.device, torch.bfloat16, enabled=dtype == torch.bfloat16 and not casts)

    def separate() -> Tensor:
        if contestant.mode is not None:
            torch.compiler.cudagraph_mark_step_begin()
        with torch.inference_mode(), autocast:
            return model(mixture)

    if setting.task == "inference":
        return separate
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> Tensor:
        with autocast:
            loss = model(mixture, target if target.shape[1] > 1 else target[:, 0])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def signals(setting: Setting) -> tuple[Tensor, Tensor]:
    """A mixture and its stems, the same in every process."""
    generator = torch.Generator().manual_seed(1)
    shape = (setting.batch, setting.configuration.stems, 2, setting.samples)
    stems = 0.1 * torch.randn(shape, generator=generator)
    return stems.sum(dim=1).to(setting.device), stems.to(setting.device)


def seconds_of(run: Callable[[], object], device: str) -> float:
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lucidrains' attention enters a context that is deprecated
        run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measured(
    contestants: list[Contestant], setting: Setting, rounds: int, processes: int, peak_tflops: float | None
) -> list[Row]:
    """One table: the contestants and the floor in alternating rounds, after one that warms up."""
    configuration = setting.configuration
    running: dict[str, Callable[[], object]] = {}
    differences: dict[str, float | None] = {}
    references: dict[bool, tuple[nn.Module, Tensor]] = {}
    for contestant in contestants:
        mixes = mixes_values(contestant, configuration)
        if mixes not in references:
            references[mixes] = reference(mixes, setting)
        like, expected = references[mixes]
        model = build(contestant, configuration)
        comparable = adopt(contestant.package, model, like.state_dict())
        run = ready(contestant, model, setting)
        if setting.task == "inference" and comparable:
            differences[contestant.name] = relative_rms(output(run), expected)
        running[contestant.name] = run
    dtype = getattr(torch, setting.precision)
    running[FLOOR] = floor(references[False][0], setting.frames, setting.batch, dtype, setting.device)

    times: dict[str, list[float]] = {name: [] for name in running}
    for turn in range(rounds + 1):
        for name, run in running.items():
            seconds = seconds_of(run, setting.device)
            if turn:
                times[name].append(seconds)

    passes = 3 if setting.task == "training" else 1
    arithmetic = 2 * passes * multiply_adds(references[False][0], setting.frames, setting.batch)
    floors = [passes * seconds for seconds in times.pop(FLOOR)]
    starts = {c.name: started(c, setting, processes) for c in contestants} if processes else {}

    def row(name: str, spent: list[float]) -> Row:
        ratios = [own / least for own, least in zip(spent, floors, strict=True)]
        median = statistics.median(spent)
        return Row(
            name=name,
            seconds=median,
            of_floor=(statistics.median(ratios), min(ratios), max(ratios)),
            of_ours=statistics.median(own / ours for own, ours in zip(spent, times[OURS], strict=True)),
            difference=differences.get(name),
            start=starts.get(name),
            utilisation=None if peak_tflops is None else arithmetic / median / (1e12 * peak_tflops),
        )

    return [row(name, spent) for name, spent in (times | {FLOOR: floors}).items()]


def reference(mixes_values: bool, setting: Setting) -> tuple[nn.Module, Tensor]:
    """Ours, whose weights the others of the kind are given, and what it gives in float32, eager."""
    torch.manual_seed(0)
    model = build(Contestant(OURS, OURS, value_residuals=mixes_values), setting.configuration)
    model = model.to(setting.device).eval()
    mixture, _ = signals(setting)
    with torch.inference_mode():
        return model, output(lambda: model(mixture))


def output(run: Callable[[], Tensor]) -> Tensor:
    """What a run gives, (stem and channel, time)."""
    return run().float().flatten(0, -2).cpu()


def relative_rms(output: Tensor, expected: Tensor) -> float:
    """‖output − expected‖ / ‖expected‖ over the samples that both have: lucidrains' BS model gives whole hops only."""
    kept = min(output.shape[-1], expected.shape[-1])
    output, expected = output[..., :kept].double(), expected[..., :kept].double()
    return ((output - expected).norm() / expected.norm()).item()


def started(contestant: Contestant, setting: Setting, processes: int) -> Start:
    """Medians over fresh processes, none of which finds what another one compiled."""
    task = json.dumps({"contestant": contestant.name, "setting": asdict(setting)})
    environment = os.environ | {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    answers: list[Mapping[str, float]] = []
    for _ in range(processes):
        child = subprocess.run(
            [sys.executable, CHILD, task], check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
        answers.append(json.loads(child.stdout))
    return Start(**{name: statistics.median(answer[name] for answer in answers) for name in answers[0]})
