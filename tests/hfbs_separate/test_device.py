"""The choice of device and precision, and what is said where a machine cannot honour it."""

import pytest
import torch

from hfbs_separate import OptionError
from hfbs_separate._device import describe, resolve_device, resolve_precision

CPU = torch.device("cpu")


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: bool = False, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device_there_is(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str
) -> None:
    pretend(monkeypatch, cuda=cuda, mps=mps)
    assert resolve_device("auto") == torch.device(chosen)


def test_a_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, mps=True)
    with pytest.raises(OptionError, match=r"^device cuda was asked for, but PyTorch sees none .*: use cpu or mps$"):
        resolve_device("cuda")


def test_an_unknown_device_or_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"^device is one of auto, cpu, cuda, mps, got 'gpu'$"):
        resolve_device("gpu")
    with pytest.raises(OptionError, match=r"^precision is one of auto, float32, bfloat16, float16, got 'half'$"):
        resolve_precision("half", CPU)


@pytest.mark.parametrize(
    ("capabilities", "chosen"),
    [({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({"avx2": True}, torch.float32)],
)
def test_auto_is_bfloat16_on_processors_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], chosen: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolve_precision("auto", CPU) == chosen


def test_auto_is_float32_where_nothing_is_known_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_precision("auto", CPU) == torch.float32


@pytest.mark.parametrize(("device", "chosen"), [("cuda", torch.float16), ("mps", torch.float32)])
def test_auto_is_float16_on_cuda_alone(device: str, chosen: torch.dtype) -> None:
    assert resolve_precision("auto", torch.device(device)) == chosen


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_precision_is_what_its_name_says(name: str) -> None:
    assert resolve_precision(name, CPU) == getattr(torch, name)


def test_bfloat16_is_refused_where_the_device_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda major, minor: False)
    for device in ("cuda", "mps"):
        with pytest.raises(OptionError, match=rf"but this {device} device lacks it: use float32"):
            resolve_precision("bfloat16", torch.device(device))


def test_device_and_precision_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    assert describe(CPU, torch.float32) == "cpu, float32, 2 threads"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert describe(CPU, torch.bfloat16) == "cpu, bfloat16, 1 thread"
    assert describe(torch.device("cuda"), torch.float16) == "cuda (Some GPU), float16"
    assert describe(torch.device("mps"), torch.float32) == "mps, float32"
