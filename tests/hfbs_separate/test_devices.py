"""Several devices that share a song's chunks: the stems of one device, in order, in bounded memory."""

import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hfbs_model import load_checkpoint
from hfbs_separate import SeparationError, Separator
from hfbs_separate._audio_source import ArraySource
from hfbs_separate._chunking import Chunk
from hfbs_separate._chunking._dealing import dealt

from .conftest import Gains, noise

CPU = torch.device("cpu")


@pytest.fixture
def separator_on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Separator]:
    """A separator with as many copies of the model as are asked for, each a device of its own on the CPU."""

    def build(devices: int, checkpoint: Any, **options: Any) -> Separator:
        monkeypatch.setattr("hfbs_separate._separator.resolve_devices", lambda text: (CPU,) * devices)
        return Separator(checkpoint, precision="float32", **options)

    return build


@pytest.mark.parametrize("options", [{}, {"shifts": 2, "batch_size": 3}, {"chunking": "msst", "batch_size": 2}])
@pytest.mark.parametrize("samples", [100, 4001, 30_000])
def test_stems_are_those_of_one_device_to_the_bit(
    separator_on: Callable[..., Separator], tiny_checkpoint: tuple[Path, Path], samples: int, options: dict[str, Any]
) -> None:
    song = noise(2, samples)
    one, three = (
        separator_on(devices, load_checkpoint(*tiny_checkpoint), **options).separate(song, 8000) for devices in (1, 3)
    )
    for stem, samples_of_one in one.items():
        np.testing.assert_array_equal(three[stem], samples_of_one)


def test_each_device_has_a_copy_of_the_model(separator_on: Callable[..., Separator], gains_checkpoint: Any) -> None:
    checkpoint = gains_checkpoint()
    separator = separator_on(2, checkpoint, batch_size=1)
    first, second = separator._models
    assert first is checkpoint.model
    assert second is not first
    assert torch.equal(second.gains, first.gains)  # type: ignore[arg-type]
    separator.separate(noise(2, 40_000), 8000)
    shapes = [len(model.shapes) for model in (first, second)]  # type: ignore[attr-defined]
    assert sum(shapes) == -(-40_000 // 500) + 1
    assert min(shapes) > 0


class Together(Gains):
    """Waits at its first chunk until two others are at theirs, and takes longer for every second one."""

    others = threading.Barrier(3, timeout=60)

    def forward(self, raw_audio: torch.Tensor, active_stem_ids: Any = None) -> torch.Tensor:
        if not self.shapes:
            self.others.wait()
        time.sleep(0.004 if len(self.shapes) % 2 else 0)
        return super().forward(raw_audio, active_stem_ids)


def test_devices_work_at_the_same_time_and_blocks_and_progress_come_in_order(
    separator_on: Callable[..., Separator], gains_checkpoint: Any
) -> None:
    separator = separator_on(3, gains_checkpoint(model=Together((1.0, 0.5), 2)), batch_size=1)
    song = noise(2, 20_000)
    seen: list[int] = []
    thread = threading.current_thread()

    def progress(done: int, total: int | None) -> None:
        assert threading.current_thread() is thread
        seen.append(done)

    blocks = [block["stem0"] for block in separator.stream(ArraySource(song, 8000), progress=progress)]
    np.testing.assert_allclose(np.concatenate(blocks, axis=-1), song, atol=1e-6)
    assert seen == sorted(seen)
    assert seen[-1] == 20_000


class Small(Gains):
    """Its memory holds so many chunks."""

    holds = 2

    def forward(self, raw_audio: torch.Tensor, active_stem_ids: Any = None) -> torch.Tensor:
        if len(raw_audio) > self.holds or raw_audio.shape[-1] > 1000:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(raw_audio, active_stem_ids)


def test_each_device_halves_its_own_batch_where_memory_runs_out(
    separator_on: Callable[..., Separator], gains_checkpoint: Any
) -> None:
    separator = separator_on(2, gains_checkpoint(model=Small((1.0, 0.5), 2)), batch_size=8)
    separator._models[1].holds = 4  # type: ignore[assignment]
    notes: list[str] = []
    song = noise(2, 60_000)
    blocks = [block["stem0"] for block in separator.stream(ArraySource(song, 8000), note=notes.append)]
    np.testing.assert_allclose(np.concatenate(blocks, axis=-1), song, atol=1e-6)
    told = [(note.split(" chunks at once")[0].split()[-1], note.split("going on with ")[1][0]) for note in notes]
    assert sorted(told) == [("4", "2"), ("8", "4"), ("8", "4")]


def test_chunks_are_halved_where_no_device_holds_one(
    separator_on: Callable[..., Separator], gains_checkpoint: Any
) -> None:
    separator = separator_on(2, gains_checkpoint(model=Small((1.0, 0.5), 2), chunk_size=2000), batch_size=1)
    notes: list[str] = []
    song = noise(2, 9000)
    blocks = [block["stem0"] for block in separator.stream(ArraySource(song, 8000), note=notes.append)]
    np.testing.assert_allclose(np.concatenate(blocks, axis=-1), song, atol=1e-6)
    assert [note for note in notes if "chunks are halved" in note] == notes
    assert len(notes) == 1


def test_an_error_on_one_device_ends_the_song(separator_on: Callable[..., Separator], gains_checkpoint: Any) -> None:
    separator = separator_on(2, gains_checkpoint(), batch_size=1)
    separator._models[1].gains.data[:] = torch.nan  # type: ignore[union-attr, index]
    with pytest.raises(SeparationError, match="NaN or infinity"):
        separator.separate(noise(2, 40_000), 8000)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("device")]


@pytest.mark.parametrize("devices", [1, 2, 3])
def test_no_more_batches_are_in_work_than_keep_the_devices_busy(devices: int) -> None:
    taken = 0

    def batches() -> Iterator[list[Chunk]]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield [Chunk(number, np.full(1, number, np.float32), np.ones(1))]

    estimators = [deepcopy(lambda chunks: 2 * chunks) for _ in range(devices)]
    given = 0
    for batch, estimates, following in dealt(batches(), estimators):
        assert (batch[0].start, estimates.tolist(), following) == (
            given,
            [[2 * given]],
            given + 1 if given < 49 else None,
        )
        given += 1
        assert taken - given <= 2 * devices
    assert given == 50


def test_who_stops_listening_leaves_no_thread_behind(
    separator_on: Callable[..., Separator], gains_checkpoint: Any
) -> None:
    stream = separator_on(2, gains_checkpoint(), batch_size=1).stream(ArraySource(noise(2, 200_000), 8000))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("device")]
