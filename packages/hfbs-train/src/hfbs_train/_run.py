"""A run from its configuration to its checkpoints."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric

from hfbs_model import Checkpoint
from hfbs_model.files import written_whole
from hfbs_separate.terminal import Terminal, clock

from ._configuration import RunConfiguration
from ._errors import RunError, writing
from ._kept import KeptCheckpoints
from ._logs import Log, opened
from ._machines import launched, mean_over_processes, memory, sum_over_processes
from ._models import merged, untrained
from ._pictures import as_png, masks
from ._preparation import refuse_other_run, stepper_of, training_excerpts, validation_songs
from ._state import STATE, Progress, full_weights, load_state, save_state
from ._steps import Stepper, Taken
from ._validation import ValidationSongs, scores, separated
from .data import Batch, Excerpts, ResidentSongs, excerpt_batches

_MOST_UNMOVED = 100  # steps in a row whose gradient is not finite


def train(configuration: RunConfiguration, folder: Path, *, terminal: Terminal | None = None) -> Path:
    """Train a model, or go on with a run that was ended before its last step.

    The folder comes to hold the configuration, ``metrics.csv``, TensorBoard's files, the best and the last checkpoint
    in ``checkpoints``, pictures of masks in ``pictures``, and ``state.pt``, from which an ended run goes on: on as many
    processes of the same kind, it comes to the same weights, bit for bit, as if it had not been ended.

    Args:
        configuration: What the run is to do.
        folder: Where to; made where it is missing. Where it holds the state of a run of the same configuration, that
            run goes on.
        terminal: Where the run tells of itself. None: as the command does.

    Returns:
        The checkpoint after the last step.

    Raises:
        ConfigurationError: What is wanted contradicts itself, or this machine cannot do it.
        DatasetError: Songs are missing or damaged.
        AudioFileError: A song cannot be read any more.
        RunError: The folder holds another run, something cannot be written, or training diverged.
    """
    terminal = terminal or Terminal(program="hfbs-train")
    refuse_other_run(configuration, folder)
    checkpoint = untrained(configuration)
    validation = validation_songs(configuration, checkpoint, terminal)
    excerpts = training_excerpts(configuration, checkpoint, terminal)
    fabric = launched(configuration.machines)
    run = _Run.begun(configuration, folder, terminal, checkpoint, validation, fabric)
    try:
        return run.to_the_end(excerpts)
    finally:
        for log in run.logs:
            log.close()


@dataclass(slots=True)
class _Run:
    """A run on its devices."""

    configuration: RunConfiguration
    folder: Path
    terminal: Terminal
    checkpoint: Checkpoint  # whose model is never trained itself: trained weights are put into it to be measured
    validation: ValidationSongs | None
    stepper: Stepper
    kept: KeptCheckpoints
    logs: Sequence[Log]
    step: int

    @classmethod
    def begun(
        cls,
        configuration: RunConfiguration,
        folder: Path,
        terminal: Terminal,
        checkpoint: Checkpoint,
        validation: ValidationSongs | None,
        fabric: Fabric,
    ) -> "_Run":
        """Put everything in its place, and go to the step where the state is, if there is one."""
        stepper = stepper_of(configuration, checkpoint, fabric)
        state, plain = folder / STATE, configuration.as_plain()
        progress = load_state(state, stepper) if state.exists() else Progress(0, plain, {})
        logs: list[Log] = []
        if fabric.is_global_zero:
            _make_folder(folder)
            _write(folder / "configuration.json", (json.dumps(plain, indent=2) + "\n").encode())
            logs = opened(configuration.logs, folder, progress.step, plain)
        kept = KeptCheckpoints(folder / "checkpoints", configuration.validation.keep, dict(progress.best))
        return cls(configuration, folder, terminal, checkpoint, validation, stepper, kept, logs, progress.step)

    def to_the_end(self, excerpts: Excerpts) -> Path:
        """Take all steps that are left."""
        configuration, fabric = self.configuration, self.stepper.fabric
        self._tell_begin()
        last = self.kept.folder / "last.safetensors"
        if self.step >= configuration.steps:
            if not cast("Any", fabric).broadcast(last.exists()):
                self._save(self._trained(), last)
            self._say(f"all {self.step} steps are taken; {last} is their checkpoint")
            return last
        resident = None
        if configuration.data.resident:
            with self.terminal.bar("bringing songs to the device") as bar:
                resident = ResidentSongs(excerpts, fabric.device, progress=bar)
        batches = excerpt_batches(
            excerpts,
            batch_size=configuration.batch_size,
            first_step=self.step,
            rank=fabric.global_rank,
            world_size=fabric.world_size,
            workers=configuration.data.workers,
            pin_memory=fabric.device.type == "cuda",
            resident=resident,
        )
        with closing(batches), self.terminal.bar("training") as bar:
            for taken, speed in self._steps(batches):
                if bar is not None and fabric.is_global_zero:
                    bar(self.step, configuration.steps)
                ended = self.step == configuration.steps
                if ended or self.step % configuration.logs.every == 0:
                    self._log(taken, speed)
                validates = self.validation is not None and (ended or self.step % configuration.validation.every == 0)
                saves = ended or self.step % configuration.save_every == 0
                if not validates and not saves:
                    continue
                checkpoint = self._trained()
                if self.validation is not None and validates:
                    self._validate(checkpoint, self.validation)
                if saves:
                    self._save(checkpoint, last)
        return last

    def _steps(self, batches: Iterator[Batch]) -> Iterator[tuple[Taken, float]]:
        """Each step, with the seconds that a step takes since the last one that was told of."""
        stepper, steps = self.stepper, self.configuration.steps
        unmoved, began, since = 0, time.monotonic(), self.step
        heard = stepper.hear(next(batches))
        if self.configuration.machines.compile:
            stepper.require_like_uncompiled(heard[0])
        while self.step < steps:
            losses = stepper.gradients(self.step, heard)
            if self.step + 1 < steps:
                heard = stepper.hear(next(batches))  # while the device computes gradients
            taken = stepper.move(self.step, losses)
            self.step += 1
            unmoved = 0 if taken.moved else unmoved + 1
            if unmoved == _MOST_UNMOVED:
                raise RunError(
                    f"the gradient was not finite for {unmoved} steps, up to step {self.step}: training has diverged; "
                    "take a lower learning_rate, more warmup_steps or a smaller clip_norm, or precision float32"
                )
            yield taken, (time.monotonic() - began) / (self.step - since)
            if self.step % self.configuration.logs.every == 0:
                began, since = time.monotonic(), self.step

    def _log(self, taken: Taken, seconds: float) -> None:
        fabric = self.stepper.fabric
        values = {name: mean_over_processes(fabric, value) for name, value in taken.losses.items()}
        if not fabric.is_global_zero:
            return
        audio = self.configuration.batch_size * self.checkpoint.chunk_size / self.checkpoint.sample_rate
        left = clock(seconds * (self.configuration.steps - self.step))
        self._say(
            f"step {self.step}/{self.configuration.steps}: loss {values['loss']:.5f}, {seconds:.2f} s a step "
            f"({audio / seconds:.1f} × real time), {memory(fabric.device) / 2**30:.1f} GiB, {left} left"
        )
        rate = cast("float", self.stepper.optimizers[0].param_groups[0]["lr"])
        figures = {f"train/{name}": value for name, value in values.items()}
        figures |= {"train/gradient_norm": float(taken.gradient_norm), "train/learning_rate": rate}
        for log in self.logs:
            log.figures(self.step, figures)
        self.terminal.event("step", step=self.step, steps=self.configuration.steps, seconds=seconds, **values)

    def _validate(self, checkpoint: Checkpoint, songs: ValidationSongs) -> None:
        fabric = self.stepper.fabric
        mine = map(songs.load, songs.report.songs[fabric.global_rank :: fabric.world_size])
        table = torch.zeros(len(songs), len(checkpoint.stems))
        rows = table[fabric.global_rank :: fabric.world_size]
        picture = None
        for row, separation in zip(rows, separated(checkpoint, mine, device=fabric.device), strict=True):
            told = scores(separation)
            row.copy_(torch.tensor([told[stem] for stem in checkpoint.stems]))
            if picture is None and fabric.is_global_zero:
                picture = masks(separation)
        table = sum_over_processes(fabric, table)
        if picture is None:
            return
        means = dict(zip(checkpoint.stems, map(float, table.nanmean(dim=0)), strict=True))
        score = float(table.nanmean(dim=0).nanmean())
        if math.isnan(score):
            raise RunError("validation.songs hold no stem that is not silent; name other songs")
        told = ", ".join(f"{stem} {mean:.2f}" for stem, mean in means.items())
        self._say(f"step {self.step}: SDR {score:.2f} dB ({told})")
        for log in self.logs:
            log.figures(self.step, {"valid/sdr": score} | {f"valid/sdr/{stem}": mean for stem, mean in means.items()})
            log.picture(self.step, "valid/masks", picture)
        _make_folder(self.folder / "pictures")
        _write(self.folder / "pictures" / f"step-{self.step:08d}.png", as_png(picture))
        self.terminal.event("validation", step=self.step, sdr=score, stems=means)
        self.kept.offer(checkpoint, self.step, score)

    def _save(self, checkpoint: Checkpoint, last: Path) -> None:
        if self.stepper.fabric.is_global_zero:
            self.kept.write(checkpoint, last.name)
        progress = Progress(self.step, self.configuration.as_plain(), self.kept.scores)
        save_state(self.folder / STATE, self.stepper, progress)

    def _trained(self) -> Checkpoint:
        """The checkpoint with the weights as they are now, whole and merged, on every process."""
        weights = merged(full_weights(self.stepper), self.configuration.lora)
        self.checkpoint.model.load_state_dict(weights)
        said = {"trained_by": f"hfbs-train {version('hfbs-train')}", "steps": str(self.step)}
        return replace(self.checkpoint, provenance={**self.checkpoint.provenance, **said})

    def _tell_begin(self) -> None:
        fabric, model = self.stepper.fabric, self.checkpoint.model
        count = sum(weight.numel() for weight in model.parameters())
        of_those = ""
        if self.configuration.lora is not None:
            trained = sum(weight.numel() for weight in self.stepper.model.parameters() if weight.requires_grad)
            of_those = f"; trained are {trained / 1e6:.2f} million of adapters"
        self._say(
            f"{fabric.world_size} × {fabric.device.type}: {', '.join(self.checkpoint.stems)}, "
            f"{len(model.layout.widths)} bands, {count / 1e6:.2f} million weights{of_those}"
        )
        if self.step:
            self._say(f"going on after step {self.step} of {self.configuration.steps}")

    def _say(self, message: str) -> None:
        if self.stepper.fabric.is_global_zero:
            self.terminal.say(message)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error.strerror or error}; name another folder") from error


def _write(path: Path, content: bytes) -> None:
    with writing(path):
        written_whole(path, lambda part: part.write_bytes(content))
