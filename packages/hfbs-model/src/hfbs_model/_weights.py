"""State dicts from files, without running what files say."""

import pickle
import struct
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from ._errors import CheckpointError

_CONTAINERS = ("state_dict", "state", "model", "model_state_dict")
_PREFIXES = ("module.", "_orig_mod.")
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
# All that torch's reader has raised from files with a few bytes replaced.
_DAMAGE = (
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
)


def read_weights(path: str | PathLike[str]) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file, or of a PyTorch file read with ``weights_only=True``, on the CPU.

    Known containers are opened, prefixes of DistributedDataParallel and ``torch.compile`` taken off.

    Raises:
        CheckpointError: The file is missing, empty, truncated, something else, or asks for code to be run.
    """
    where = Path(path)
    try:
        with where.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {where}: {error.strerror}") from error
    if not start:
        raise CheckpointError(f"the checkpoint {where} is empty (0 bytes); download it again")
    content = _safetensors(where) if where.suffix == ".safetensors" else _pytorch(where, start)
    return _unwrapped(content, where)


def _safetensors(where: Path) -> object:
    try:
        return load_file(where)
    except SafetensorError as error:
        raise CheckpointError(
            f"{where} is no safetensors file, or is truncated ({error}); download it again"
        ) from error


def _pytorch(where: Path, start: bytes) -> object:
    if start != _ZIP and not start.startswith(_PICKLE):
        raise CheckpointError(f"{where} is no PyTorch checkpoint (it starts with {start!r}); is this the right file?")
    try:
        with warnings.catch_warnings():
            # What it reads it reads rightly, and what it does not is an error below.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            return cast("object", torch.load(where, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{where} is refused: its pickle holds more than tensors and plain values, "
            "and reading that would run code; ask its author for a plain state dict or safetensors"
        ) from error
    except _DAMAGE as error:
        raise CheckpointError(f"{where} is damaged or truncated; download it again") from error


def _unwrapped(content: object, where: Path) -> dict[str, Tensor]:
    for _ in _CONTAINERS:
        mapping = cast("Mapping[object, object]", content if isinstance(content, Mapping) else {})
        content = next((mapping[name] for name in _CONTAINERS if isinstance(mapping.get(name), Mapping)), None)
        if content is None:
            tensors = {
                _bare(name): value
                for name, value in mapping.items()
                if isinstance(name, str) and isinstance(value, Tensor)
            }
            if tensors:
                return tensors
    raise CheckpointError(f"{where} holds no state dict: a mapping of names to tensors was expected")


def _bare(name: str) -> str:
    while (prefix := next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)) is not None:
        name = name.removeprefix(prefix)
    return name
