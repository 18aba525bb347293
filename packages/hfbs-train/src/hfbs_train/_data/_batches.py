"""Batches of excerpts, loaded by other processes ahead of the steps that need them."""

import multiprocessing
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hfbs_separate import AudioFileError

from .._errors import ConfigurationError, RunError
from ._excerpts import Excerpts, Recipe
from ._resident import ResidentSongs


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Excerpts side by side. The mixtures are ``stems.sum(dim=1) + rest``, after whatever is done to them.

    Attributes:
        indices: int64, shape (batch,), on the CPU: the excerpts' numbers.
        stems: float32, shape (batch, stem, channel, time); zeros where a stem is not labelled.
        known: bool, shape (batch, stem), on the CPU: whether a stem is labelled. One that is not may be in ``rest``.
        rest: float32, shape (batch, channel, time): what the mixtures hold beside the stems.
    """

    indices: Tensor
    stems: Tensor
    known: Tensor
    rest: Tensor

    def pin_memory(self) -> "Batch":
        """The same in page-locked memory, from where a GPU fetches it by itself."""
        return Batch(*(tensor.pin_memory() for tensor in self._tensors()))

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Batch":
        """The same with its audio on a device."""
        stems, rest = (audio.to(device, non_blocking=non_blocking) for audio in (self.stems, self.rest))
        return replace(self, stems=stems, rest=rest)

    def split(self, count: int) -> list["Batch"]:
        """The same in as many pieces, or one for each excerpt where there are fewer."""
        pieces = (tensor.chunk(count) for tensor in self._tensors())
        return [Batch(*piece) for piece in zip(*pieces, strict=True)]

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.indices, self.stems, self.known, self.rest


def excerpt_batches(
    excerpts: Excerpts,
    *,
    batch_size: int,
    first_step: int = 0,
    rank: int = 0,
    world_size: int = 1,
    workers: int = 0,
    ahead: int = 2,
    pin_memory: bool = False,
    resident: ResidentSongs | None = None,
) -> Generator[Batch]:
    """The batches of all steps from ``first_step`` on, without end.

    The batch of step s holds the excerpts s · batch_size to (s + 1) · batch_size - 1, of which each process takes its
    part, in order: no number of workers or processes, and no restart, changes what a step sees.

    Args:
        excerpts: where they come from.
        batch_size: of all processes together.
        first_step: the step to begin with.
        rank: the number of this process.
        world_size: how many processes train together.
        workers: processes that load for this one. 0: it loads by itself, when a batch is asked for. They begin without
            a copy of this process (Python's ``forkserver``), so that a script needs ``if __name__ == "__main__":``.
        ahead: batches that each worker loads ahead of those asked for.
        pin_memory: give batches in page-locked memory, for a CUDA device.
        resident: cut batches from these, which are the files of ``excerpts``; workers only draw what to cut.

    Yields:
        float32 on the CPU, or where ``resident`` is. Closing the generator ends the workers.

    Raises:
        ConfigurationError: an argument has no meaning, or ``batch_size`` is no multiple of ``world_size``; raised by
            the call itself.
        AudioFileError: a file cannot be read any more; raised with the batch that needs it.
        RunError: a worker was killed.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("first_step", first_step, 0),
        ("world_size", world_size, 1),
        ("workers", workers, 0),
        ("ahead", ahead, 1),
    ):
        if value < least:
            raise ConfigurationError(f"{name} is a whole number from {least} on, got {value}")
    if not 0 <= rank < world_size:
        raise ConfigurationError(f"rank is from 0 to {world_size - 1}, got {rank}")
    if batch_size % world_size:
        raise ConfigurationError(
            f"batch_size is that of all processes together: a multiple of their number, {world_size}, got {batch_size}"
        )
    share = batch_size // world_size
    numbers = _Numbers(first_step * batch_size + rank * share, share, batch_size)
    options: dict[str, Any] = {}
    if workers:
        # A fork would copy this process's locks, but not the threads that hold them.
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if context.get_start_method() == "forkserver":
            context.set_forkserver_preload([__name__])
        options = {
            "multiprocessing_context": context,
            "prefetch_factor": ahead,
            "worker_init_fn": _end_with_the_trainer,
        }
    loader = DataLoader(
        _Batches(excerpts) if resident is None else _Recipes(excerpts),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin_memory and resident is None,
        generator=torch.Generator(),  # the loader would draw from PyTorch's own, which training needs as it was
        **options,
    )
    return _unwrapped(loader, resident)


def _unwrapped(
    loader: "DataLoader[Batch | Sequence[Recipe] | _Failure]", resident: ResidentSongs | None
) -> Generator[Batch]:
    batches = iter(loader)
    while True:
        try:
            batch = next(batches)
        except (RuntimeError, EOFError, ConnectionError) as error:
            if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker"):
                raise
            raise RunError(
                "a process that loads excerpts has ended without a word, as where memory runs out: "
                "start again with fewer workers"
            ) from error
        if isinstance(batch, _Failure):
            raise AudioFileError(batch.message)
        yield batch if isinstance(batch, Batch) else _cut(batch, cast("ResidentSongs", resident))


def _cut(recipes: Sequence[Recipe], resident: ResidentSongs) -> Batch:
    audio = resident.audio(recipes)
    indices = torch.tensor([recipe.index for recipe in recipes])
    return Batch(indices, audio[:, :-1], torch.tensor([recipe.known for recipe in recipes]), audio[:, -1])


@dataclass(frozen=True, slots=True)
class _Failure:
    """What to tell in place of a batch; an exception would come out of a worker with a traceback in its message."""

    message: str


class _Batches(Dataset["Batch | _Failure"]):
    """Batches by the numbers of their excerpts."""

    def __init__(self, excerpts: Excerpts) -> None:
        self._excerpts = excerpts

    def __getitem__(self, index: Sequence[int]) -> Batch | _Failure:
        try:
            items = [self._excerpts[number] for number in index]
        except AudioFileError as error:
            return _Failure(str(error))
        return Batch(
            torch.tensor(index),
            torch.as_tensor(np.stack([item.stems for item in items])),
            torch.as_tensor(np.stack([item.known for item in items])),
            torch.as_tensor(np.stack([item.rest for item in items])),
        )


class _Recipes(Dataset[Sequence[Recipe]]):
    """What batches are made of, by the numbers of their excerpts."""

    def __init__(self, excerpts: Excerpts) -> None:
        self._excerpts = excerpts

    def __getitem__(self, index: Sequence[int]) -> Sequence[Recipe]:
        return [self._excerpts.recipe(number) for number in index]


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The numbers of the excerpts of one process, batch by batch."""

    first: int
    share: int
    step: int

    def __iter__(self) -> Iterator[list[int]]:
        at = self.first
        while True:
            yield list(range(at, at + self.share))
            at += self.step


def _end_with_the_trainer(_worker: int) -> None:
    """End this worker with the process that it loads for, even where that is killed.

    PyTorch's own watch waits for another parent, but a worker's parent is the fork server, which lives as long as a
    worker does.
    """

    def watch() -> None:
        trainer = multiprocessing.parent_process()
        if trainer is not None:
            trainer.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _as_it_is(batch: Any) -> Any:
    return batch
