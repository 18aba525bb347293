"""Tensors and metadata from files, without running what files say, and without reading what is not needed."""

import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .._errors import CheckpointError

_CONTAINERS = ("state_dict", "state", "model", "model_state_dict")
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_LARGEST_HEADER = 100_000_000
"""Bytes. safetensors' own limit for its header; a pickle of names and shapes is a few megabytes at most, too."""

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
    zipfile.BadZipFile,
    NotImplementedError,
)


class _OpenFile(Protocol):
    """What safetensors opens, which has no types."""

    def __enter__(self) -> "_OpenFile": ...
    def __exit__(self, *error: object) -> None: ...
    def keys(self) -> list[str]: ...
    def get_tensor(self, name: str) -> Tensor: ...
    def metadata(self) -> dict[str, str] | None: ...


@dataclass(frozen=True)
class Content:
    """What a checkpoint's file holds.

    Attributes:
        tensors: On the CPU. Those of a zip archive and of safetensors lie in the file and are read when they are used;
            writing to them changes memory only.
        metadata: The strings of a safetensors file, else nothing.
    """

    tensors: dict[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


def read_file(path: str | PathLike[str]) -> Content:
    """A ``.safetensors`` file, or a PyTorch file read with ``weights_only=True``; known containers are opened.

    Raises:
        CheckpointError: The file is missing, empty, truncated, something else, asks for code to be run, or would fill
            the memory.
    """
    where = Path(path)
    try:
        with where.open("rb") as file:
            start = file.read(8)
            size = where.stat().st_size
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {where}: {error.strerror}") from error
    if not start:
        raise CheckpointError(f"the checkpoint {where} is empty (0 bytes); download it again")
    if where.suffix == ".safetensors":
        return _safetensors(where, start, size)
    return Content(_state_dict(_pytorch(where, start, size), where))


def _safetensors(where: Path, start: bytes, size: int) -> Content:
    header = int.from_bytes(start, "little")
    if header > min(size - 8, _LARGEST_HEADER):
        raise CheckpointError(
            f"{where} is no safetensors file, or is truncated: its header would be {header} bytes long "
            f"in a file of {size} bytes; download it again"
        )
    try:
        str(where).encode()
    except UnicodeEncodeError as error:  # a byte that Python reads names with, and safetensors does not
        raise CheckpointError(f"{where} has a name that is not in UTF-8, which safetensors needs; rename it") from error
    try:
        with cast("_OpenFile", safe_open(where, framework="pt")) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, *_DAMAGE) as error:
        raise CheckpointError(
            f"{where} is no safetensors file, or is truncated ({error}); download it again"
        ) from error
    if not tensors:
        raise CheckpointError(f"{where} holds no tensors; is this the right file?")
    return Content(tensors, metadata)


def _pytorch(where: Path, start: bytes, size: int) -> object:
    archive = start.startswith(_ZIP)
    if not archive and not start.startswith(_PICKLE):
        raise CheckpointError(
            f"{where} is no PyTorch checkpoint (it starts with {start[:4]!r}); is this the right file?"
        )
    try:
        if archive:
            _refuse_zip_bomb(where, size)
        with warnings.catch_warnings():
            # What it reads it reads rightly, and what it does not is an error below.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            return cast("object", torch.load(where, map_location="cpu", weights_only=True, mmap=archive))
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{where} is refused: its pickle holds more than tensors and plain values, "
            "and reading that would run code; ask its author for a plain state dict or safetensors"
        ) from error
    except CheckpointError:
        raise
    except _DAMAGE as error:
        raise CheckpointError(f"{where} is damaged or truncated; download it again") from error


def _refuse_zip_bomb(where: Path, size: int) -> None:
    """PyTorch stores its archives uncompressed, so that nothing in them is larger than the file."""
    with zipfile.ZipFile(where) as archive:
        entries = archive.infolist()
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(
                f"{where} is refused: it holds compressed data ({entry.file_size} bytes in {entry.compress_size}), "
                "which PyTorch never writes; ask its author for a file by torch.save, or unpack it first"
            )
        if entry.filename.endswith("data.pkl") and entry.file_size > _LARGEST_HEADER:
            raise CheckpointError(
                f"{where} is refused: its pickle is {entry.file_size} bytes long, where names and shapes take less "
                f"than {_LARGEST_HEADER}; ask its author for a plain state dict or safetensors"
            )
    if (total := sum(entry.file_size for entry in entries)) > size:
        raise CheckpointError(
            f"{where} is refused: its parts would be {total} bytes long in a file of {size} bytes; download it again"
        )


def _state_dict(content: object, where: Path) -> dict[str, Tensor]:
    tensors = _tensors_within(content, levels=len(_CONTAINERS))
    if not tensors:
        raise CheckpointError(f"{where} holds no state dict: a mapping of names to tensors was expected")
    for name, tensor in tensors.items():
        _refuse_claims(name, tensor, where)
    return tensors


def _tensors_within(content: object, levels: int) -> dict[str, Tensor]:
    """Of the known containers in a mapping, whatever else is called so, the one with the most tensors; without such,
    those of the mapping itself."""
    mapping = cast("Mapping[object, object]", content if isinstance(content, Mapping) else {})
    if levels:
        inside = max((_tensors_within(mapping.get(name), levels - 1) for name in _CONTAINERS), key=len)
        if inside:
            return inside
    return {name: value for name, value in mapping.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _refuse_claims(name: str, tensor: Tensor, where: Path) -> None:
    """A view may repeat what the file holds, and a few bytes so stand for more than memory holds."""
    if tensor.layout != torch.strided or tensor.is_meta:
        kind = "a tensor without values" if tensor.is_meta else str(tensor.layout)
        raise CheckpointError(f"{where} is refused: {name} is no plain tensor but {kind}; save it as one")
    claimed, held = tensor.numel() * tensor.itemsize, tensor.untyped_storage().nbytes()
    if claimed > held:
        raise CheckpointError(
            f"{where} is refused: {name} would be {claimed} bytes long, of which it holds {held}; "
            "ask its author for a plain state dict or safetensors"
        )
