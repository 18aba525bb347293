"""The choice of device and precision, and what is said where a machine cannot honour it."""

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch

from hfbs_separate import OptionError
from hfbs_separate._device import describe, resolve_devices, resolve_precision

CPU = torch.device("cpu")


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: bool = False, mps: bool = False, gpus: int = 1) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus if cuda else 0)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: gpus - 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device_there_is(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str
) -> None:
    pretend(monkeypatch, cuda=cuda, mps=mps)
    assert resolve_devices("auto") == (torch.device(chosen),)


def test_a_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, mps=True)
    with pytest.raises(OptionError, match=r"^device cuda was asked for, but PyTorch sees none .*: use cpu or mps$"):
        resolve_devices("cuda")


def test_an_unknown_device_or_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"^device is one of auto, cpu, cuda, mps, or several .*, got 'gpu'$"):
        resolve_devices("gpu")
    with pytest.raises(OptionError, match=r"^precision is one of auto, float32, bfloat16, float16, got 'half'$"):
        resolve_precision("half", CPU)


@pytest.mark.parametrize(
    ("capabilities", "chosen"),
    [
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC 9654"}, torch.bfloat16),
        ({"avx512_bf16": True, "cpu_name": "Intel Xeon"}, torch.float32),
        ({"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}, torch.bfloat16),
        ({"bf16": True}, torch.bfloat16),
        ({"avx2": True}, torch.float32),
    ],
)
def test_auto_is_bfloat16_on_processors_that_multiply_it_faster(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], chosen: torch.dtype
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
    assert describe([CPU], torch.float32) == "cpu, float32, 2 threads"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert describe([CPU], torch.bfloat16) == "cpu, bfloat16, 1 thread"
    assert describe([torch.device("cuda")], torch.float16) == "cuda (Some GPU), float16"
    assert describe([torch.device("mps")], torch.float32) == "mps, float32"


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("cuda", ["cuda"]),
        ("cuda:1", ["cuda:1"]),
        ("cuda:1,cuda:0", ["cuda:1", "cuda:0"]),
        ("cuda:0, cuda", ["cuda:0", "cuda:2"]),
        ("cpu", ["cpu"]),
    ],
)
def test_devices_are_those_named_in_their_order(monkeypatch: pytest.MonkeyPatch, text: str, chosen: list[str]) -> None:
    pretend(monkeypatch, cuda=True, gpus=3)
    assert resolve_devices(text) == tuple(map(torch.device, chosen))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cuda:2", r"^device cuda:2 was asked for, but PyTorch sees cuda:0 and cuda:1 alone on this machine$"),
        ("cuda:0,cuda:7", r"^device cuda:7 was asked for, but PyTorch sees cuda:0 and cuda:1 alone"),
        ("cuda:0,cuda:0", r"^device cuda:0 is named twice in 'cuda:0,cuda:0': name each once"),
        ("cuda:1,cuda", r"^a device is named twice in 'cuda:1,cuda': cuda is cuda:1$"),
        ("cpu,cpu", r"^device cpu is named twice"),
        ("cuda:0,cpu", r"^devices that work on the same songs are of one kind, .* got 'cuda:0,cpu'$"),
        (
            "auto,cuda:0",
            r"^device is one of auto, cpu, cuda, mps, or several such as cuda:0,cuda:1, got 'auto,cuda:0'$",
        ),
        ("cuda:", r"^device is one of"),
        ("cuda:01", r"^device is one of"),
        ("cpu:0", r"^device is one of"),
        ("cuda:0,", r"^device is one of"),
        ("", r"^device is one of"),
    ],
)
def test_devices_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    pretend(monkeypatch, cuda=True, gpus=2)
    with pytest.raises(OptionError, match=message):
        resolve_devices(text)


def test_a_numbered_gpu_where_there_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    with pytest.raises(OptionError, match=r"^device cuda:1 was asked for, but PyTorch sees none .*: use cpu$"):
        resolve_devices("cuda:1")


def test_all_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=True, gpus=2)
    devices = resolve_devices("cuda:0,cuda:1")
    assert describe(devices, torch.float16) == "cuda:0 (GPU 0), cuda:1 (GPU 1), float16"


def test_bfloat16_is_asked_of_the_very_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []

    def entered(device: torch.device) -> AbstractContextManager[None]:
        asked.append(device)
        return nullcontext()

    monkeypatch.setattr(torch.cuda, "device", entered)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: asked[-1].index == 0)
    assert resolve_precision("bfloat16", torch.device("cuda:0")) == torch.bfloat16
    with pytest.raises(OptionError, match=r"but this cuda:1 device lacks it"):
        resolve_precision("bfloat16", torch.device("cuda:1"))
