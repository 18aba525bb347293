"""A run comes to the same weights whatever ends it on the way, and however its batches are shared out."""

import csv
import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
import wandb
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from hfbs_model import BandSplitRotator, load_checkpoint
from hfbs_separate import DatasetError
from hfbs_separate.evaluation import Song, find_songs, load_song
from hfbs_separate.terminal import Terminal
from hfbs_train import ConfigurationError, RunConfiguration, RunError, train
from hfbs_train._configuration import Logs
from hfbs_train._logs import opened
from hfbs_train._steps import Stepper
from hfbs_train._validation import separated
from hfbs_train.cli import main

from .conftest import RATE

type Build = Callable[..., dict[str, Any]]


def run(configuration: dict[str, Any], folder: Path) -> dict[str, Tensor]:
    """The weights after the last step."""
    last = train(RunConfiguration.of(configuration), folder, terminal=Terminal("quiet"))
    return load_checkpoint(last).model.state_dict()


def end(configuration: dict[str, Any], folder: Path, point: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a run that ends in the step of this number, from 0."""

    class Ended(Exception):
        pass

    gradients = Stepper.gradients

    def ends(self: Stepper, step: int, heard: Any) -> Any:
        if step == point:
            raise Ended
        return gradients(self, step, heard)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "gradients", ends)
        with pytest.raises(Ended):
            run(configuration, folder)


def assert_equal(weights: dict[str, Tensor], others: dict[str, Tensor]) -> None:
    assert weights.keys() == others.keys()
    for name, weight in weights.items():
        assert torch.equal(weight, others[name]), name


def figures(folder: Path) -> list[list[str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_goes_on_as_if_it_had_not_ended(
    tiny_run: Build, tmp_path: Path, optimizer: str, precision: str, monkeypatch: pytest.MonkeyPatch
):
    configuration = tiny_run(
        optimizer={"kind": optimizer}, machines={"accelerator": "cpu", "precision": precision}, accumulate=2
    )
    whole = run(configuration, tmp_path / "whole")
    for point in (0, 1, 3, 5):
        end(configuration, tmp_path / f"ended {point}", point, monkeypatch)
        assert_equal(run(configuration, tmp_path / f"ended {point}"), whole)
        assert figures(tmp_path / f"ended {point}") == figures(tmp_path / "whole")


KILLED = """
import json, os, sys
from pathlib import Path
import torch
from hfbs_separate import DatasetError
from hfbs_separate.terminal import Terminal
from hfbs_train import RunConfiguration, train
import hfbs_train._run
torch.set_num_threads(1)
for line in sys.stdin:
    order = json.loads(line)
    process = os.fork()
    if process == 0:
        train(RunConfiguration.of(order["configuration"]), Path(order["folder"]), terminal=Terminal("quiet"))
        os._exit(0)
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


def test_a_run_that_is_killed_at_random_moments_comes_to_the_same_weights(tiny_run: Build, tmp_path: Path):
    configuration = tiny_run(steps=24, save_every=2, logs={"every": 1000, "to": []})
    moments = random.Random(0)
    kills = 0
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forking:
        assert forking.stdin is not None
        assert forking.stdout is not None
        for folder, spared in (("whole", True), *[("killed", False)] * 10, ("killed", True)):
            order = {"configuration": configuration, "folder": str(tmp_path / folder)}
            forking.stdin.write(json.dumps(order) + "\n")
            forking.stdin.flush()
            process, began = int(forking.stdout.readline()), time.monotonic()
            if folder == "whole":
                assert int(forking.stdout.readline()) == 0
                took = time.monotonic() - began
                continue
            if not spared:
                time.sleep(moments.uniform(0.05, 0.4) * took)
                with suppress(ProcessLookupError):  # it may be through
                    os.kill(process, signal.SIGKILL)
            ended = int(forking.stdout.readline())
            kills += ended == -signal.SIGKILL
            assert ended in (0, -signal.SIGKILL)
        forking.stdin.close()
    assert kills >= 3
    last = [load_checkpoint(tmp_path / name / "checkpoints" / "last.safetensors") for name in ("whole", "killed")]
    assert_equal(last[0].model.state_dict(), last[1].model.state_dict())


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_half_precision_moves_weights_as_float32_does(tiny_run: Build, tmp_path: Path, optimizer: str, precision: str):
    start = tmp_path / "start" / "checkpoints" / "last.safetensors"
    before = run(tiny_run(steps=1), tmp_path / "start")

    def movement(name: str) -> Tensor:
        machines = {"accelerator": "cpu", "precision": name}
        changed = {"optimizer": {"kind": optimizer}, "start": {"checkpoint": str(start)}, "model": {}}
        after = run(tiny_run(machines=machines, **changed), tmp_path / name)
        return torch.cat([(after[name] - weight).flatten() for name, weight in before.items()])

    half, single = movement(precision), movement("float32")
    assert torch.dot(half, single) > 0.97 * half.norm() * single.norm()
    torch.testing.assert_close(half.norm(), single.norm(), rtol=0.03, atol=0.0)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_whose_gradient_overflows_in_float16_moves_nothing(
    tiny_run: Build, tmp_path: Path, optimizer: str, monkeypatch: pytest.MonkeyPatch
):
    gradients = Stepper.gradients
    weights: list[dict[str, Tensor]] = []
    scales: list[float] = []

    def overflows(self: Stepper, step: int, heard: Any) -> Any:
        weights.append({name: weight.detach().clone() for name, weight in self.model.named_parameters()})
        scales.append(self.fabric.strategy.precision.state_dict()["scale"])
        losses = gradients(self, step, heard)
        if step == 3:
            gradient = self.model.get_parameter("layers.0.0.layers.0.0.to_qkv.weight").grad
            assert gradient is not None
            gradient[0, 0] = float("inf")
        return losses

    monkeypatch.setattr(Stepper, "gradients", overflows)
    machines = {"accelerator": "cpu", "precision": "float16"}
    run(tiny_run(optimizer={"kind": optimizer}, machines=machines), tmp_path)
    assert_equal(weights[4], weights[3])
    assert any(not torch.equal(weight, weights[4][name]) for name, weight in weights[5].items())
    assert scales[3:6] == [scales[0], scales[0] / 2, scales[0] / 2]


def test_accumulating_gives_the_weights_of_one_pass(tiny_run: Build, tmp_path: Path):
    model = tiny_run()["model"] | {"ff_dropout": 0.0}
    at_once = run(tiny_run(model=model), tmp_path / "at once")
    by_one = run(tiny_run(model=model, accumulate=4), tmp_path / "by one")
    for name, weight in at_once.items():
        assert torch.allclose(weight, by_one[name], atol=1e-5), name


def test_songs_held_in_memory_give_the_weights_of_songs_on_disk(tiny_run: Build, songs: Path, tmp_path: Path):
    weights = run(tiny_run(steps=4), tmp_path / "disk")
    held = tiny_run(steps=4, data={"songs": [str(songs)], "workers": 0, "resident": True})
    assert_equal(run(held, tmp_path / "memory"), weights)


@pytest.mark.parametrize(("strategy", "use_pope"), [("ddp", False), ("fsdp", False), ("fsdp", True)])
def test_two_processes_give_the_weights_of_one(tiny_run: Build, tmp_path: Path, strategy: str, use_pope: bool):
    """Where layers share what gives positions, too: RoPE's frequencies, which are not trained, and PoPE's offsets."""
    machines = {"accelerator": "cpu", "devices": 2, "strategy": strategy, "threads": 1}
    assert_like_one_process(tiny_run, tmp_path, machines, [([], {})], depth=2, use_pope=use_pope)


@pytest.mark.parametrize("started_by", ["torchrun", "slurm"])
def test_two_machines_give_the_weights_of_one(tiny_run: Build, tmp_path: Path, started_by: str):
    """Both of which are this one; Slurm's part is what it tells the processes that it starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def torchrun(rank: int) -> tuple[list[str], dict[str, str]]:
        place = [f"--node-rank={rank}", "--master-addr=127.0.0.1", f"--master-port={port}"]
        return ["torch.distributed.run", "--nnodes=2", *place, "-m"], {}

    def slurm(rank: int) -> tuple[list[str], dict[str, str]]:
        job = {"JOB_ID": 1, "JOB_NAME": "train", "NTASKS": 2, "NTASKS_PER_NODE": 1, "NODELIST": "127.0.0.1"}
        job |= {"PROCID": rank, "NODEID": rank, "LOCALID": 0}
        return [], {f"SLURM_{name}": str(value) for name, value in job.items()} | {"MASTER_PORT": str(port)}

    start = {"torchrun": torchrun, "slurm": slurm}[started_by]
    machines = {"accelerator": "cpu", "devices": 1, "nodes": 2, "threads": 1}
    assert_like_one_process(tiny_run, tmp_path, machines, [start(rank) for rank in range(2)])


def assert_like_one_process(
    tiny_run: Build,
    folder: Path,
    machines: dict[str, Any],
    launched: list[tuple[list[str], dict[str, str]]],
    **model: Any,
) -> None:
    """That 20 steps give the same weights by commands, each started by a module and with variables of its own."""
    model = tiny_run()["model"] | {"ff_dropout": 0.0} | model
    single = run(tiny_run(model=model, steps=20, save_every=20), folder / "single")
    configuration = folder / "double.yaml"
    configuration.write_text(json.dumps(tiny_run(model=model, steps=20, save_every=10, machines=machines)))
    words = ["hfbs_train", "run", str(configuration), "-o", str(folder / "double")]
    processes = [
        subprocess.Popen([sys.executable, "-m", *by, *words], env=os.environ | told, stderr=subprocess.PIPE, text=True)
        for by, told in launched
    ]
    for process in processes:
        with process:
            _, complaint = process.communicate(timeout=300)
            assert process.returncode == 0, complaint
    double = load_checkpoint(folder / "double" / "checkpoints" / "last.safetensors").model.state_dict()
    for name, weight in single.items():
        assert torch.allclose(weight, double[name], atol=1e-5), name


def test_partly_labelled_songs_teach_what_they_know(tiny_run: Build, songs: Path, tmp_path: Path):
    partly = tmp_path / "partly"
    partly.mkdir()
    for number, song in enumerate(sorted(songs.iterdir())):
        place = partly / song.name
        place.mkdir()
        (place / "mixture.wav").write_bytes((song / "drums.wav").read_bytes())
        for name in ("vocals", "drums") if number else ("vocals",):
            (place / f"{name}.wav").write_bytes((song / f"{name}.wav").read_bytes())
    data = {"songs": [str(partly)], "missing": "unlabelled", "workers": 0, "choice": {"remix": 0.0}}
    weights = run(tiny_run(data=data, batch_size=1), tmp_path / "run")
    assert all(weight.isfinite().all() for weight in weights.values())


def test_weights_and_biases_take_the_parts_of_a_run_for_one(
    tiny_run: Build, songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    configuration = tiny_run(
        logs={"every": 1, "to": ["wandb"]}, validation={"songs": [str(songs)], "every": 2}, steps=4, save_every=2
    )
    folder = tmp_path / "run"
    end(configuration, folder, 3, monkeypatch)
    run(configuration, folder)
    parts = sorted((folder / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(parts) == 2
    assert len({part.name for part in parts}) == 1
    for part in parts:
        for name in (b"train/loss", b"valid/sdr/vocals", b"valid/masks"):
            assert name in part.read_bytes()


@pytest.mark.parametrize("use_pope", [False, True])
def test_the_mean_of_weights_is_what_is_saved(tiny_run: Build, tmp_path: Path, use_pope: bool):
    """PoPE's offsets are one weight under a name in each layer."""
    model = tiny_run()["model"] | {"depth": 2, "use_pope": use_pope}
    means = run(tiny_run(ema_decay=0.9, model=model), tmp_path / "mean")
    weights = run(tiny_run(ema_decay=None, model=model), tmp_path / "weights")
    state = torch.load(tmp_path / "mean" / "state.pt", weights_only=True)
    assert_equal(state["weights"], weights)
    trained = [name for name in weights if not name.endswith(("freqs", "window"))]
    assert all(not torch.equal(means[name], weights[name]) for name in trained)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_adapters_are_trained_alone_and_merged_into_what_is_saved(tiny_run: Build, tmp_path: Path, optimizer: str):
    """Linear attention, too, has something of the name, which is no linear layer."""
    run(tiny_run(model=tiny_run()["model"] | {"linear_transformer_depth": 1}), tmp_path / "first")
    start = tmp_path / "first" / "checkpoints" / "last.safetensors"
    before = load_checkpoint(start).model.state_dict()
    configuration = tiny_run(
        model={},
        start={"checkpoint": str(start)},
        lora={"rank": 2, "targets": ["to_qkv"]},
        optimizer={"kind": optimizer, "learning_rate": 0.1},
    )
    after = run(configuration, tmp_path / "adapted")
    assert after.keys() == before.keys()
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert changed
    assert all(name.endswith("to_qkv.weight") for name in changed)


def test_a_run_can_start_from_a_checkpoint_on_other_bands(tiny_run: Build, tmp_path: Path):
    run(tiny_run(steps=1), tmp_path / "first")
    start = {"checkpoint": str(tmp_path / "first" / "checkpoints" / "last.safetensors")}
    bands = {"freqs_per_bands": [9, 20, 50, 50]}
    run(tiny_run(model=bands, start=start, steps=1), tmp_path / "second")
    model = load_checkpoint(tmp_path / "second" / "checkpoints" / "last.safetensors").model
    assert list(model.layout.widths) == [9, 20, 50, 50]
    with pytest.raises(ConfigurationError, match=r"model\.dim: a run that starts from a checkpoint can change bands"):
        run(tiny_run(model={"dim": 3}, start=start), tmp_path / "third")


def test_checkpoints_name_the_residual_that_the_run_or_its_start_names(tiny_run: Build, songs: Path, tmp_path: Path):
    def residuals(folder: str, **changed: Any) -> set[str | None]:
        run(tiny_run(stems=["vocals"], steps=1, validation={"songs": [str(songs)]}, **changed), tmp_path / folder)
        return {load_checkpoint(path).residual for path in (tmp_path / folder / "checkpoints").iterdir()}

    start = {"checkpoint": str(tmp_path / "first" / "checkpoints" / "last.safetensors")}
    assert residuals("first", residual="instrumental") == {"instrumental"}
    assert residuals("kept", start=start, model={}) == {"instrumental"}
    assert residuals("renamed", start=start, model={}, residual="rest") == {"rest"}
    assert residuals("none") == {None}
    assert {name for _, name, _ in figures(tmp_path / "first") if name.startswith("valid/sdr/")} == {"valid/sdr/vocals"}


def test_a_library_that_bands_need_is_asked_for(tiny_run: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(ConfigurationError, match=r"model: .*librosa, which is not installed.*pip install"):
        run(tiny_run(model={"dim": 8, "depth": 1, "num_bands": 6}), tmp_path)


def test_validation_keeps_the_best_checkpoints(tiny_run: Build, songs: Path, tmp_path: Path):
    validation = {"songs": [str(songs)], "every": 1, "keep": 2, "seconds": 1.0}
    run(tiny_run(steps=4, validation=validation), tmp_path)
    rows = figures(tmp_path)[1:]
    measured = {int(step): float(value) for step, name, value in rows if name == "valid/sdr"}
    assert len(measured) == 4
    best = sorted(measured, key=lambda step: measured[step])[-2:]
    kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*"))
    assert kept == sorted(f"step-{step:08d}-sdr-{measured[step]:.3f}.safetensors" for step in best)
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert len(pictures) == 4
    assert pictures[0].read_bytes().startswith(b"\x89PNG")


def test_fewer_checkpoints_are_kept_from_when_fewer_are_wanted(tiny_run: Build, songs: Path, tmp_path: Path):
    validation = {"songs": [str(songs)], "every": 1, "keep": 3}
    run(tiny_run(steps=6, validation=validation), tmp_path / "whole")
    end(tiny_run(steps=6, validation=validation), tmp_path / "ended", 4, pytest.MonkeyPatch())
    run(tiny_run(steps=6, validation=validation | {"keep": 1}), tmp_path / "ended")

    def best(folder: str) -> list[str]:
        kept = (tmp_path / folder / "checkpoints").glob("step-*")
        return sorted(
            (path.name for path in kept), key=lambda name: float(name.split("-sdr-")[1].removesuffix(".safetensors"))
        )

    assert len(best("whole")) == 3
    assert best("ended") == best("whole")[-1:]


def test_validation_holds_one_song_at_a_time(tiny_run: Build, songs: Path, tmp_path: Path):
    run(tiny_run(steps=1), tmp_path)
    checkpoint = load_checkpoint(tmp_path / "checkpoints" / "last.safetensors")
    asked: list[str] = []

    def loaded() -> Iterator[Song]:
        for files in find_songs(songs):
            asked.append(files.name)
            yield load_song(files)

    for number, separation in enumerate(separated(checkpoint, loaded(), device=torch.device("cpu")), start=1):
        assert asked[-1] == separation.song.name
        assert len(asked) == number


def test_a_song_may_be_called_anything(tiny_run: Build, songs: Path, tmp_path: Path):
    """What is a formula to Matplotlib, too."""
    shutil.copytree(songs / "song 0", tmp_path / "valid" / "A$AP 100% $")
    run(tiny_run(steps=1, validation={"songs": [str(tmp_path / "valid")]}), tmp_path / "run")
    assert len(list((tmp_path / "run" / "pictures").iterdir())) == 1


def test_validation_takes_stems_as_training_does(tiny_run: Build, songs: Path, tmp_path: Path):
    """Sums and differences of files, of different lengths, of which validation reads a part."""
    for song in songs.iterdir():
        place = tmp_path / "songs" / song.name
        place.mkdir(parents=True)
        vocals, drums = (soundfile.read(song / f"{name}.wav", dtype="float32")[0] for name in ("vocals", "drums"))
        soundfile.write(place / "vocals.wav", vocals[:-100], RATE, subtype="FLOAT")
        soundfile.write(place / "mixture.wav", vocals + drums, RATE, subtype="FLOAT")
    validation = {"every": 1, "seconds": 1.0}

    def measured(folder: str, stems: dict[str, list[str]], place: Path) -> list[list[str]]:
        data = {"songs": [str(songs)], "workers": 0} if place == songs else {"songs": [str(place)], "workers": 0}
        model = tiny_run()["model"]
        run(
            tiny_run(stems=stems, data=data, model=model, steps=1, validation=validation | {"songs": [str(place)]}),
            tmp_path / folder,
        )
        return [row for row in figures(tmp_path / folder) if row[1].startswith("valid")]

    apart = measured("apart", {"vocals": ["vocals"], "drums": ["drums"]}, songs)
    taken_away = measured("taken away", {"vocals": ["vocals"], "drums": ["mixture", "-vocals"]}, tmp_path / "songs")
    assert [name for _, name, _ in apart] == [name for _, name, _ in taken_away]
    for (_, _, here), (_, _, there) in zip(apart, taken_away, strict=True):
        assert float(here) == pytest.approx(float(there), abs=0.3)


@pytest.mark.parametrize("fault", ["damaged", "missing"])
def test_a_song_unfit_for_validation_is_refused_before_the_first_step(
    tiny_run: Build, songs: Path, tmp_path: Path, fault: str
):
    place = tmp_path / "valid" / "song"
    place.mkdir(parents=True)
    (place / "vocals.wav").write_bytes((songs / "song 0" / "vocals.wav").read_bytes())
    if fault == "damaged":
        (place / "drums.wav").write_bytes(b"nothing that sounds")
    configuration = tiny_run(validation={"songs": [str(tmp_path / "valid")]})
    with pytest.raises(DatasetError, match=r"drums"):
        run(configuration, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_learns(tiny_run: Build, songs: Path, tmp_path: Path):
    validation = {"songs": [str(songs)], "every": 1000}
    configuration = tiny_run(steps=150, save_every=150, validation=validation, optimizer={"learning_rate": 1e-2})
    run(configuration, tmp_path)
    sdr = float(next(value for _, name, value in figures(tmp_path) if name == "valid/sdr"))
    assert sdr > 6, sdr


def test_another_configuration_is_refused_in_the_folder_of_a_run(tiny_run: Build, tmp_path: Path):
    run(tiny_run(steps=2), tmp_path)
    with pytest.raises(
        RunError, match=r"holds a run with optimizer\.learning_rate 0\.0005, not 0\.1: name another folder"
    ):
        run(tiny_run(steps=2, optimizer={"learning_rate": 0.1}), tmp_path)


def test_a_run_that_is_over_says_so(tiny_run: Build, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    configuration = RunConfiguration.of(tiny_run(steps=2))
    train(configuration, tmp_path)
    train(configuration, tmp_path)
    assert "all 2 steps are taken" in capfd.readouterr().err


def test_a_run_that_is_over_writes_the_checkpoint_that_is_gone(tiny_run: Build, tmp_path: Path):
    weights = run(tiny_run(ema_decay=0.9), tmp_path)
    (tmp_path / "checkpoints" / "last.safetensors").unlink()
    assert_equal(run(tiny_run(ema_decay=0.9), tmp_path), weights)


def test_a_full_disk_leaves_the_state_before(tiny_run: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run(tiny_run(steps=6, save_every=6), tmp_path / "whole")
    saved = torch.save

    def fails(document: Any, path: Path) -> None:
        if document["step"] == 4:
            path.write_bytes(b"half a")
            raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")
        saved(document, path)

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(RunError, match=r"cannot be written at step 4: .* the state before is intact"):
        run(tiny_run(steps=6), tmp_path / "full")
    monkeypatch.undo()
    assert torch.load(tmp_path / "full" / "state.pt", weights_only=True)["step"] == 2
    assert sorted(path.name for path in (tmp_path / "full").glob("*.part")) == []
    weights = run(tiny_run(steps=6), tmp_path / "full")
    last = load_checkpoint(tmp_path / "whole" / "checkpoints" / "last.safetensors")
    assert_equal(weights, last.model.state_dict())


def test_figures_that_end_within_a_letter_are_gone_on_with(tmp_path: Path):
    row = "1,train/вокал,0.5\n".encode()
    (tmp_path / "metrics.csv").write_bytes(b"step,name,value\n" + row + row[:9])
    opened(Logs(to=()), tmp_path, 1, {})[0].close()
    assert figures(tmp_path) == [["step", "name", "value"], ["1", "train/вокал", "0.5"]]


def test_tensorboard_forgets_what_an_ended_run_wrote_beyond_its_state(tmp_path: Path):
    for step, value in ((0, 1.0), (2, 2.0), (0, 3.0)):
        log = opened(Logs(to=("tensorboard",)), tmp_path, step, {})
        for later in range(step + 1, step + 4):
            log[1].figures(later, {"train/loss": value})
        for each in log:
            each.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 3.0), (2, 3.0), (3, 3.0)]


def test_weights_and_biases_without_a_login_is_an_error_in_a_line(
    tiny_run: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def without_key(**_: object) -> None:  # as it does where there is no terminal to ask on
        raise wandb.Error("No API key configured. Use `wandb login` to log in.")

    monkeypatch.setattr(wandb, "init", without_key)
    with pytest.raises(
        ConfigurationError,
        match=r"logs\.to: wandb: No API key configured\. .*; log in with wandb login, set WANDB_MODE=offline",
    ):
        run(tiny_run(logs={"to": ["wandb"]}), tmp_path / "run")


def test_figures_for_which_the_disk_has_no_room_end_the_run_with_a_message(tmp_path: Path):
    (table,) = opened(Logs(to=()), tmp_path, 0, {})
    table.figures(1, {"train/loss": 0.5})
    before = figures(tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, table._file.fileno())  # pyright: ignore
    os.close(full)
    for write in (lambda: table.figures(2, {"train/loss": 0.25}), table.close):
        with pytest.raises(RunError, match=r"metrics\.csv cannot be written: No space left on device"):
            write()
    assert figures(tmp_path) == before


def test_a_state_that_is_none_is_refused(tiny_run: Build, tmp_path: Path):
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 no state")
    with pytest.raises(RunError, match=r"state\.pt cannot be read"):
        run(tiny_run(), tmp_path)


def test_a_run_that_diverges_is_ended(tiny_run: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hfbs_train._run._MOST_UNMOVED", 3)
    monkeypatch.setattr(Stepper, "_clipped", lambda self: torch.tensor(math.nan))
    before = RunConfiguration.of(tiny_run(steps=50))
    with pytest.raises(RunError, match="the gradient was not finite for 3 steps, up to step 3: training has diverged"):
        train(before, tmp_path, terminal=Terminal("quiet"))


def test_the_command_trains_and_names_the_checkpoint(tiny_run: Build, tmp_path: Path):
    configuration = tmp_path / "run.yaml"
    configuration.write_text(json.dumps(tiny_run(steps=2)))
    result = CliRunner().invoke(main, ["run", str(configuration), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [str(tmp_path / "out" / "checkpoints" / "last.safetensors")]
    assert "step 2/2: loss" in result.stderr


def without_dropout(tiny_run: Build, **changed: Any) -> dict[str, Any]:
    configuration = tiny_run(steps=2, **changed)
    return configuration | {"model": configuration["model"] | {"ff_dropout": 0.0}}


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_a_compiled_run_comes_near_the_weights_of_a_plain_one(tiny_run: Build, tmp_path: Path):
    plain = run(without_dropout(tiny_run), tmp_path / "plain")
    compiled = run(without_dropout(tiny_run, machines={"accelerator": "cpu", "compile": True}), tmp_path / "compiled")
    for name, weight in plain.items():
        torch.testing.assert_close(compiled[name], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_a_model_that_is_wrong_once_compiled_is_not_trained(
    tiny_run: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def wrong(graph: Any, _inputs: Any) -> Callable[..., Any]:
        return lambda *arguments: tuple(1.5 * result for result in graph(*arguments))

    def compile_blocks(self: BandSplitRotator) -> None:
        for estimator in self.mask_estimators:
            estimator.compile(backend=wrong)

    monkeypatch.setattr(BandSplitRotator, "compile_blocks", compile_blocks)
    run_of = RunConfiguration.of(without_dropout(tiny_run, machines={"accelerator": "cpu", "compile": True}))
    with pytest.raises(RunError, match=r"stems differ by 50.0% from the model's own, .* set machines.compile to false"):
        train(run_of, tmp_path, terminal=Terminal("quiet"))
