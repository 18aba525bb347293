"""Which devices run the model, and in which precision."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

from ._errors import OptionError
from ._options import PRECISIONS, device_names

_MOST_PARTS = 4


def resolve_devices(text: str) -> tuple[torch.device, ...]:
    """The devices of this name, or of these names; ``"auto"`` takes CUDA, else Apple's MPS, else the CPU.

    Raises:
        OptionError: as :func:`~._options.device_names`, or this machine has no such device.
    """
    names = device_names(text)
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if names == ("auto",):
        return (torch.device(next(device for device, there in present.items() if there)),)
    devices = tuple(map(torch.device, names))
    for device in devices:
        if not present[device.type]:
            there = " or ".join(device for device in ("cpu", "cuda", "mps") if present[device])
            raise OptionError(f"device {device} was asked for, but PyTorch sees none on this machine: use {there}")
        if _is_numbered(device) and device.index >= torch.cuda.device_count():
            there = " and ".join(f"cuda:{index}" for index in range(torch.cuda.device_count()))
            raise OptionError(f"device {device} was asked for, but PyTorch sees {there} alone on this machine")
    if len(devices) > 1:
        devices = tuple(_numbered(device) for device in devices)
        if len(set(devices)) < len(devices):
            raise OptionError(f"a device is named twice in {text!r}: cuda is {_numbered(torch.device('cuda'))}")
    return devices


def _is_numbered(device: torch.device) -> bool:
    return device != torch.device(device.type)


def _numbered(device: torch.device) -> torch.device:
    """The same, where ``cuda`` is the current one of several."""
    return torch.device("cuda", torch.cuda.current_device()) if device == torch.device("cuda") else device


def of_exported(device: str, precision: str, *, compiled: bool) -> tuple[str, str]:
    """Device and precision of a core that was exported.

    Raises:
        OptionError: anything else is asked for.
    """
    asked = {"device": (device, "cpu"), "precision": (precision, "float32"), "compiled": (compiled, False)}
    for option, (value, only) in asked.items():
        if value not in ("auto", only):
            raise OptionError(
                f"an exported core runs under onnxruntime on the CPU, as it was exported, got {option} {value}: leave "
                "it out, or separate with the checkpoint"
            )
    return "cpu", "float32"


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The type that the model's attention and feed-forward layers compute in.

    ``"auto"`` is what the device multiplies fastest in hardware without a person hearing it: float16 on CUDA, bfloat16
    on processors whose products of it are faster, else float32.

    Raises:
        OptionError: the name is none of ``PRECISIONS``, or the device cannot compute in it.
    """
    if name not in PRECISIONS:
        raise OptionError(f"precision is one of {', '.join(PRECISIONS)}, got {name!r}")
    if name == "auto":
        return _fastest(device)
    if name == "bfloat16" and not _has_bfloat16(device):
        raise OptionError(f"precision bfloat16 was asked for, but this {device} device lacks it: use float32")
    return {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(name, torch.float32)


def _fastest(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.float16
    if device.type == "cpu" and _multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def _multiplies_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 faster than float32.

    Emulated it is slower; and so it is with Intel's AVX-512 alone, whose bfloat16 products are no quicker than its
    float32 ones. AMX is, and so is AMD's AVX-512, and Arm's.
    """
    capabilities: Callable[[], Mapping[str, object]] | None = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is None:
        return False
    told = capabilities()
    by_avx512 = bool(told.get("avx512_bf16")) and not str(told.get("cpu_name")).startswith("Intel")
    return bool(told.get("amx_bf16") or told.get("bf16")) or by_avx512


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        with current(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" or torch.backends.mps.is_macos_or_newer(14, 0)


def parts_of_processor() -> int:
    """How many chunks a processor takes at once, each with its part of PyTorch's threads.

    Threads that share a chunk wait for each other after every operation: the fewer they are, the more they get done.
    But more chunks take more memory, and leave more threads idle while the last ones are in work.
    """
    threads = torch.get_num_threads()
    return next(parts for parts in range(_MOST_PARTS, 0, -1) if threads % parts == 0)


def current(device: torch.device) -> AbstractContextManager[object]:
    """Make this the device that CUDA takes where none is named, in this thread."""
    return torch.cuda.device(device) if device.type == "cuda" and _is_numbered(device) else nullcontext()


def words_for(precision: torch.dtype) -> str:
    """``float32`` and so on."""
    return str(precision).removeprefix("torch.")


def describe(devices: Sequence[torch.device], precision: torch.dtype) -> str:
    """One phrase for people, such as ``cpu, float32, 2 threads``."""
    words = words_for(precision)
    device = devices[0]
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu, {words}, {threads} thread{'s' if threads != 1 else ''}"
    if device.type == "cuda":
        return ", ".join([*(f"{device} ({torch.cuda.get_device_name(device)})" for device in devices), words])
    return f"{device.type}, {words}"
