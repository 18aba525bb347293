"""What a host must know of a core besides its graph, as JSON: written beside it and into it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, cast

import torch

from hfbs_filterbanks import BandLayout

from .._checkpoints import Checkpoint
from .._checkpoints._checkpoint import check_residual
from .._checkpoints._format import WINDOWS, window_name
from .._errors import CheckpointError, shown
from .._stft import ParametersSTFT

KEY = "hfbs"
"""Of the ONNX model's metadata property that holds the document."""
_FORMAT, _VERSION = "hfbs mask core", 1


def document_of(checkpoint: Checkpoint, precision: str) -> dict[str, object]:
    """The document for a core of this checkpoint.

    Args:
        checkpoint: The model and what belongs to it.
        precision: Of the weights in the graph, ``float32`` or ``int8``.

    Raises:
        ValueError: The model's window is none of PyTorch's, which documents name.
    """
    model, stft = checkpoint.model, checkpoint.model.stft_settings
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "precision": precision,
        "sample_rate": checkpoint.sample_rate,
        "channels": model.audio_channels,
        "stems": list(checkpoint.stems),
        "residual": checkpoint.residual,
        "stft": {
            "n_fft": stft.n_fft,
            "hop_length": stft.hop_length,
            "win_length": stft.win_length,
            "window": window_name("stft_window_fn", stft.window_fn),
            "normalized": stft.normalized,
            "reach": stft.reach,
            "zero_dc": model.zero_dc,
            "bins": [model.bins.start, model.bins.stop],
        },
        "chunking": {
            "chunk_size": checkpoint.chunk_size,
            "overlap": checkpoint.num_overlap,
            "step": _step(checkpoint.chunk_size, checkpoint.num_overlap, stft.hop_length),
            "window": {"shape": "trapezoid", "fade": _fade(checkpoint.chunk_size)},
        },
        "input": {"name": "spectrum", "axes": ["batch", "channel", "frame", "bin", "real and imaginary"]},
        "output": {"name": "masks", "axes": ["batch", "stem", "channel", "frame", "bin", "real and imaginary"]},
        "layout": json.loads(model.layout.to_json()),
        "provenance": dict(checkpoint.provenance),
    }


@dataclass(frozen=True)
class Described:
    """What a document says, checked.

    Attributes:
        precision: Of the weights in the graph.
        sample_rate: In Hz.
        channels: Audio channels, 1 or 2.
        stems: Names, in the masks' order.
        residual: Name of what they leave of the mixture; None where it has none.
        stft: Settings of the transforms.
        chunk_size: Samples to give to the core at once.
        num_overlap: How many chunks hold each sample.
        layout: Bands over the bins that the model sees.
        provenance: Whence the weights are.
    """

    precision: str
    sample_rate: int
    channels: int
    stems: tuple[str, ...]
    residual: str | None
    stft: ParametersSTFT
    chunk_size: int
    num_overlap: int
    layout: BandLayout
    provenance: Mapping[str, str]


def described(text: str, path: str | PathLike[str]) -> Described:
    """Read a document.

    Raises:
        CheckpointError: It is damaged, of a later version, or lacks something.
    """
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it is no JSON ({error})") from error
    if not isinstance(found, dict) or cast("dict[str, object]", found).get("format") != _FORMAT:
        raise _damaged(path, f"its format is not {_FORMAT!r}")
    document = cast("dict[str, object]", found)
    version = _value(document, "version", int, path)
    if version > _VERSION:
        raise CheckpointError(
            f"{path} is of version {version} of the format, and this package reads up to {_VERSION}; upgrade hfbs-model"
        )
    stft = cast("dict[str, object]", _value(document, "stft", dict, path))
    chunking = cast("dict[str, object]", _value(document, "chunking", dict, path))
    window = _value(stft, "window", str, path)
    stems = cast("list[object]", _value(document, "stems", list, path))
    if window not in WINDOWS:
        raise _damaged(path, f"window is {shown(window)}, not one of {', '.join(WINDOWS)}")
    if not stems or not all(isinstance(stem, str) for stem in stems):
        raise _damaged(path, f"stems are {shown(stems)}, not names")
    names = tuple(cast("list[str]", stems))
    residual = None if document.get("residual") is None else _value(document, "residual", str, path)
    try:
        check_residual(residual, names)
        return Described(
            precision=_value(document, "precision", str, path),
            sample_rate=_positive(document, "sample_rate", path),
            channels=_positive(document, "channels", path),
            stems=names,
            residual=residual,
            stft=ParametersSTFT(
                n_fft=_positive(stft, "n_fft", path),
                hop_length=_positive(stft, "hop_length", path),
                win_length=_positive(stft, "win_length", path),
                normalized=_value(stft, "normalized", bool, path),
                window_fn=getattr(torch, window),
            ),
            chunk_size=_positive(chunking, "chunk_size", path),
            num_overlap=_positive(chunking, "overlap", path),
            layout=BandLayout.from_json(json.dumps(_value(document, "layout", dict, path))),
            provenance=cast("Mapping[str, str]", _value(document, "provenance", dict, path)),
        )
    except CheckpointError:
        raise
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _value[T](document: Mapping[str, object], key: str, kind: type[T], path: str | PathLike[str]) -> T:
    value = document.get(key)
    if not isinstance(value, kind):
        raise _damaged(path, f"{key} is {shown(value)}")
    return value


def _positive(document: Mapping[str, object], key: str, path: str | PathLike[str]) -> int:
    value = _value(document, key, int, path)
    if value < 1:
        raise _damaged(path, f"{key} is {value}")
    return value


def _damaged(path: str | PathLike[str], why: str) -> CheckpointError:
    return CheckpointError(f"what hfbs wrote into {path} is damaged: {why}; export it again")


def _fade(chunk_size: int) -> int:
    return chunk_size // 10


def _step(chunk_size: int, overlap: int, hop_length: int) -> int:
    """As hfbs-separate's clean chunking has it: chunks fade into each other, and begin at whole hops, so that all have
    their frames in the same places."""
    step = min(chunk_size // overlap, chunk_size - _fade(chunk_size))
    return step - step % hop_length or step
