"""Which device runs the model, and in which precision."""

import torch

from ._errors import OptionError
from ._options import DEVICES, PRECISIONS


def resolve_device(name: str) -> torch.device:
    """The device of this name; ``"auto"`` takes CUDA, else Apple's MPS, else the CPU.

    Raises:
        OptionError: the name is none of ``DEVICES``, or this machine has no such device.
    """
    if name not in DEVICES:
        raise OptionError(f"device is one of {', '.join(DEVICES)}, got {name!r}")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in present.items() if there))
    if not present[name]:
        there = " or ".join(device for device in ("cpu", "cuda", "mps") if present[device])
        raise OptionError(f"device {name} was asked for, but PyTorch sees none on this machine: use {there}")
    return torch.device(name)


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The type that the model's attention and feed-forward layers compute in; ``"auto"`` is float32 everywhere.

    Raises:
        OptionError: the name is none of ``PRECISIONS``, or the device cannot compute in it.
    """
    if name not in PRECISIONS:
        raise OptionError(f"precision is one of {', '.join(PRECISIONS)}, got {name!r}")
    if name == "bfloat16" and not _has_bfloat16(device):
        raise OptionError(f"precision bfloat16 was asked for, but this {device.type} device lacks it: use float32")
    return {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(name, torch.float32)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" or torch.backends.mps.is_macos_or_newer(14, 0)


def describe(device: torch.device, precision: torch.dtype) -> str:
    """One phrase for people, such as ``cpu, float32, 2 threads``."""
    words = str(precision).removeprefix("torch.")
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu, {words}, {threads} thread{'s' if threads != 1 else ''}"
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)}), {words}"
    return f"{device.type}, {words}"
