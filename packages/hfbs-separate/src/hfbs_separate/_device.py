"""Which device runs the model, and in which precision."""

from collections.abc import Callable, Mapping

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
    """The type that the model's attention and feed-forward layers compute in.

    ``"auto"`` is what the device multiplies fastest in hardware without a person hearing it: float16 on CUDA, bfloat16
    on processors that have its products, else float32.

    Raises:
        OptionError: the name is none of ``PRECISIONS``, or the device cannot compute in it.
    """
    if name not in PRECISIONS:
        raise OptionError(f"precision is one of {', '.join(PRECISIONS)}, got {name!r}")
    if name == "auto":
        return _fastest(device)
    if name == "bfloat16" and not _has_bfloat16(device):
        raise OptionError(f"precision bfloat16 was asked for, but this {device.type} device lacks it: use float32")
    return {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(name, torch.float32)


def _fastest(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.float16
    if device.type == "cpu" and _multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def _multiplies_bfloat16() -> bool:
    """Whether the processor has bfloat16 products; emulated, they are slower than float32."""
    capabilities: Callable[[], Mapping[str, object]] | None = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        told = capabilities()
        return bool(told.get("avx512_bf16") or told.get("amx_bf16") or told.get("bf16"))
    return False


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" or torch.backends.mps.is_macos_or_newer(14, 0)


def words_for(precision: torch.dtype) -> str:
    """``float32`` and so on."""
    return str(precision).removeprefix("torch.")


def describe(device: torch.device, precision: torch.dtype) -> str:
    """One phrase for people, such as ``cpu, float32, 2 threads``."""
    words = words_for(precision)
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu, {words}, {threads} thread{'s' if threads != 1 else ''}"
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)}), {words}"
    return f"{device.type}, {words}"
