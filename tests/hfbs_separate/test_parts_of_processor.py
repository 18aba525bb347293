"""Chunks that a processor takes at once, each on its part of the threads: the stems of one after the other."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hfbs_model import load_checkpoint
from hfbs_separate import Separator
from hfbs_separate._audio_source import ArraySource
from hfbs_separate._device import parts_of_processor

from .conftest import Gains, noise

LONG, SHORT = 40_000, 500


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    own = torch.get_num_threads()
    yield
    torch.set_num_threads(own)


class Watched(Gains):
    """Notes who runs it, with how many of PyTorch's threads."""

    def __init__(self) -> None:
        super().__init__((1.0, 0.5), 2)
        self.runs: set[tuple[threading.Thread, int]] = set()

    def forward(self, raw_audio: torch.Tensor, active_stem_ids: Any = None) -> torch.Tensor:
        self.runs.add((threading.current_thread(), torch.get_num_threads()))
        return super().forward(raw_audio, active_stem_ids)


@pytest.mark.parametrize(
    ("threads", "parts"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1), (6, 3), (8, 4), (14, 2), (96, 4)]
)
def test_all_parts_have_as_many_threads(threads: int, parts: int) -> None:
    torch.set_num_threads(threads)
    assert parts_of_processor() == parts


@pytest.mark.parametrize("options", [{}, {"shifts": 2, "batch_size": 3}, {"test_time_augmentation": True}])
def test_stems_are_those_of_chunks_one_by_one_to_the_bit(
    tiny_checkpoint: tuple[Path, Path], options: dict[str, Any]
) -> None:
    stems = []
    for threads in (1, 2):  # by two, each of two parts has one
        torch.set_num_threads(threads)
        separator = Separator(load_checkpoint(*tiny_checkpoint), device="cpu", precision="float32", **options)
        stems.append(separator.separate(noise(2, 30_000), 8000))
    one_by_one, at_once = stems
    for name, stem in one_by_one.items():
        np.testing.assert_array_equal(at_once[name], stem)


def test_each_part_has_its_share_of_the_threads_and_nobody_else_loses_any(gains_checkpoint: Callable[..., Any]) -> None:
    torch.set_num_threads(4)
    model = Watched()
    stems = Separator(gains_checkpoint(model=model), device="cpu", precision="float32").separate(noise(2, LONG), 8000)
    np.testing.assert_allclose(stems["stem0"], noise(2, LONG), atol=1e-6)
    assert {threads for _, threads in model.runs} == {1}
    assert threading.current_thread() not in {thread for thread, _ in model.runs}
    assert torch.get_num_threads() == 4
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [4], "threads begun afterwards have as many as before"


@pytest.mark.parametrize(
    ("samples", "options"), [(SHORT, {}), (LONG, {"chunking": "msst"}), (LONG, {"chunking": "audio-separator"})]
)
def test_one_chunk_or_another_programs_stems_take_all_threads(
    gains_checkpoint: Callable[..., Any], samples: int, options: dict[str, Any]
) -> None:
    torch.set_num_threads(2)
    model = Watched()
    separator = Separator(gains_checkpoint(model=model), device="cpu", precision="float32", **options)
    separator.separate(noise(2, samples), 8000)
    assert model.runs == {(threading.current_thread(), 2)}


class Crowded(Gains):
    """Its memory does not hold two chunks at once."""

    def forward(self, raw_audio: torch.Tensor, active_stem_ids: Any = None) -> torch.Tensor:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return super().forward(raw_audio, active_stem_ids)


def test_chunks_are_taken_one_by_one_before_they_are_halved(gains_checkpoint: Callable[..., Any]) -> None:
    torch.set_num_threads(2)
    separator = Separator(gains_checkpoint(model=Crowded((1.0, 0.5), 2)), device="cpu", precision="float32")
    notes: list[str] = []
    blocks = [block["stem0"] for block in separator.stream(ArraySource(noise(2, LONG), 8000), note=notes.append)]
    np.testing.assert_allclose(np.concatenate(blocks, axis=-1), noise(2, LONG), atol=1e-6)
    assert notes == ["the memory does not hold 2 chunks at once: they are taken one by one for this song"]
