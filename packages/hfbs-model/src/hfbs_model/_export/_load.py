"""An exported core as a model again: PyTorch transforms, onnxruntime does the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._audio import checked_audio, checked_stems
from .._checkpoints import Report
from .._errors import CheckpointError
from .._parts import Parts
from .._stft import istft, stft
from ._document import KEY, Described, described
from ._extra import onnx_library

_PURPOSE = "running an exported core"


class ExportedModel(nn.Module):
    """A core in onnxruntime between PyTorch's Fourier transforms; it separates as the model does that it was made of.

    It runs on the CPU in the precision that it was exported in, for inference only.

    Args:
        session: An ``onnxruntime.InferenceSession`` of the core.
        about: What belongs to it.

    Attributes:
        audio_channels: Channels that it takes, 1 or 2.
        num_stems: Stems that it gives.
        stft_settings: Of its transforms.
        parts: The stable model's: a runtime sees no research variants.
        runs_under: Runtime and weights in words, such as ``onnxruntime 1.32.0``.
    """

    def __init__(self, session: Any, about: Described) -> None:
        super().__init__()
        self.audio_channels = about.channels
        self.num_stems = len(about.stems)
        self.stft_settings = about.stft
        self.parts = Parts()
        weights = "" if about.precision == "float32" else f" with weights in {about.precision}"
        self.runs_under = f"onnxruntime {onnx_library('onnxruntime', _PURPOSE).__version__}{weights}"
        self._session = session
        failures = _exceptions()
        self._failures = (failures.RuntimeException, failures.Fail)

    def forward(
        self, raw_audio: Float[Tensor, "batch channel time"], active_stem_ids: Sequence[int] | None = None
    ) -> Float[Tensor, "batch active channel time"]:
        """Separate audio.

        Args:
            raw_audio: Mixture, (batch, channel, time), finite, from one sample up.
            active_stem_ids: Stems to give, in the order wanted; None means all. All are computed.

        Returns:
            Stems, (batch, active stem, channel, time), as long as the input, in float32, through which no gradient
            flows.

        Raises:
            ValueError: Audio of the wrong shape, empty, or not finite; a stem that is not there.
            TypeError: Audio that is no tensor or not floating-point.
            MemoryError: The memory does not hold it.
        """
        mixture = checked_audio(raw_audio, self.audio_channels).detach().to("cpu", torch.float32)
        stem_ids = checked_stems(active_stem_ids, self.num_stems)
        spectrum = stft(mixture, self.stft_settings).mT
        pairs: Any = torch.view_as_real(spectrum).contiguous().numpy()
        masks = torch.view_as_complex(torch.as_tensor(self._masks(pairs)))[:, list(stem_ids)]
        return istft((masks * spectrum[:, None]).mT, self.stft_settings, mixture.shape[-1])

    def _masks(self, pairs: Any) -> Any:
        try:
            (masks,) = self._session.run(None, {"spectrum": pairs})
        except self._failures as error:
            if "alloc" in str(error):
                raise MemoryError(f"onnxruntime ran out of memory: {error}") from error
            raise
        return np.ascontiguousarray(masks)


@dataclass(frozen=True)
class ExportedCheckpoint:
    """An exported core and what belongs to it, as :class:`hfbs_model.Checkpoint` has it.

    Attributes:
        model: Separates as the model does that was exported.
        stems: One name per stem, in the model's order.
        sample_rate: In Hz.
        chunk_size: Samples to give to the model at once.
        num_overlap: How many chunks should hold each sample.
        report: Empty: all settings are the file's.
        provenance: Whence the weights are.
        precision: Of the weights in the graph, ``"float32"`` or ``"int8"``.
        residual: Name of what the stems leave of the mixture, where that is to be given beside them; None: it is not.
    """

    model: ExportedModel
    stems: tuple[str, ...]
    sample_rate: int
    chunk_size: int
    num_overlap: int
    report: Report = field(default_factory=Report)
    provenance: Mapping[str, str] = field(default_factory=dict[str, str])
    precision: str = "float32"
    residual: str | None = None


def load_exported(path: str | PathLike[str]) -> ExportedCheckpoint:
    """Load a file that :func:`export_onnx` wrote, to run under onnxruntime on as many threads as PyTorch has.

    The JSON file beside it is not needed: its copy in the file counts.

    Args:
        path: The ``.onnx`` file.

    Raises:
        CheckpointError: It is missing, damaged, or none of ours.
        ImportError: onnxruntime is not installed.
    """
    where = Path(path)
    runtime = onnx_library("onnxruntime", _PURPOSE)
    if not where.is_file():
        raise CheckpointError(f"there is no file {where}; hfbs export writes such files")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    damage = _exceptions()
    try:
        session = runtime.InferenceSession(str(where), options, providers=["CPUExecutionProvider"])
    except (damage.InvalidProtobuf, damage.InvalidGraph, damage.InvalidArgument, damage.Fail) as error:
        raise CheckpointError(f"{where} is no ONNX model, or a damaged one ({_first_line(error)})") from error
    except (damage.NotImplemented, damage.RuntimeException) as error:
        raise CheckpointError(
            f"onnxruntime {runtime.__version__} cannot run {where} ({_first_line(error)}); upgrade onnxruntime"
        ) from error
    properties: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    if KEY not in properties:
        raise CheckpointError(
            f"{where} is an ONNX model, but none that hfbs export wrote: it has no metadata property {KEY!r}"
        )
    about = described(properties[KEY], where)
    _check_graph(session, about, where)
    return ExportedCheckpoint(
        model=ExportedModel(session, about).eval(),
        stems=about.stems,
        sample_rate=about.sample_rate,
        chunk_size=about.chunk_size,
        num_overlap=about.num_overlap,
        provenance=about.provenance,
        precision=about.precision,
        residual=about.residual,
    )


def _check_graph(session: Any, about: Described, where: Path) -> None:
    """Raise CheckpointError where the document is of another graph."""
    bins = about.stft.num_bins
    expected = {
        "spectrum": (about.channels, bins, 2),
        "masks": (len(about.stems), about.channels, bins, 2),
    }
    found = {
        value.name: tuple(size for size in value.shape if isinstance(size, int))
        for value in (*session.get_inputs(), *session.get_outputs())
    }
    if found != expected:
        raise CheckpointError(
            f"what hfbs wrote into {where} is of another graph: that has {found}, and {expected} was expected; "
            "export it again"
        )


def _exceptions() -> Any:
    """The module of onnxruntime's exceptions, which share no class but Exception."""
    return onnx_library("onnxruntime.capi.onnxruntime_pybind11_state", _PURPOSE)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
