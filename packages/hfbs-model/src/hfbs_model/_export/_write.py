"""From a checkpoint to an ONNX file and its JSON, each whole or not at all."""

import json
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch

from .._checkpoints import Checkpoint
from .._checkpoints._build import no_initial_values
from .._rotator import BandSplitRotator
from ..files import written_whole
from ._core import MaskCore, example_spectrum
from ._document import KEY, document_of
from ._extra import onnx_library

_LARGEST = 2_000_000_000
"""Bytes of weights. An ONNX file is one message of protobuf, which ends at 2 GiB."""
_NEAR = 0.25
"""Relative difference of masks in 8 bits, at most: four times the most that rounding was seen to make, 0.01 to 0.06."""
_PURPOSE = "export to ONNX"


def export_onnx(checkpoint: Checkpoint, path: str | PathLike[str], *, int8: bool = False) -> None:
    """Write a checkpoint's :class:`MaskCore` as an ONNX model, and what a host has to know beside it as JSON.

    Batch and frames are free. The JSON goes to ``path`` with the suffix ``.json``, and as the metadata property
    ``hfbs`` into the ONNX file too, so that :func:`load_exported` needs that file alone. Before it takes its place, the
    graph is run under onnxruntime and compared with PyTorch.

    Args:
        checkpoint: The model and what belongs to it. Weights are exported in float32, whatever they are in.
        path: Ends with ``.onnx``. Files that are there are replaced.
        int8: Store the weights of products in 8 bits, unsigned, with a scale for each output feature; activations are
            rounded to 8 bits as they come. The file is a quarter as long.

    Raises:
        ValueError: Another suffix; a model over 2 GB or with parts that PyTorch cannot export; or a window that no file
            can hold.
        RuntimeError: What onnxruntime computes from the graph is not what PyTorch computes, within 10⁻³ of it in
            float32 and within a quarter in 8 bits, where rounding makes a few hundredths.
        ImportError: onnx, onnxscript or onnxruntime is not installed.
        OSError: A file cannot be written.
    """
    where = Path(path)
    if where.suffix != ".onnx":
        raise ValueError(f"a core is exported as .onnx, got {where.name!r}; name it {where.stem}.onnx")
    for library in ("onnx", "onnx_ir", "onnxscript", "onnxruntime"):
        onnx_library(library, _PURPOSE)
    size = 4 * sum(parameter.numel() for parameter in checkpoint.model.parameters())
    if size > _LARGEST:
        raise ValueError(
            f"an ONNX file holds at most {_LARGEST:,} bytes of weights, and this model has {size:,} in float32"
        )
    document = document_of(checkpoint, "int8" if int8 else "float32")
    model = _to_export(checkpoint.model)
    with TemporaryDirectory(dir=where.parent, prefix=f".{where.name[:40]}.") as folder:
        plain = Path(folder, "plain.onnx")
        _export(model, plain, json.dumps(document))
        _compare(model, plain, 1e-3, "try another version of torch, onnxscript or onnxruntime")
        if int8:
            plain = _quantised(plain, Path(folder, "int8.onnx"))
            _compare(model, plain, _NEAR, "export it in float32, or try another version of onnxruntime")
        written_whole(where.with_suffix(".json"), lambda part: part.write_text(json.dumps(document, indent=1) + "\n"))
        written_whole(where, plain.replace)


def _to_export(model: BandSplitRotator) -> BandSplitRotator:
    """A copy in float32 on the CPU, for inference, with nothing compiled; weights that are so already are shared."""
    keywords: dict[str, Any] = {**model.keywords, "sage_attention": False, "use_torch_checkpoint": False}
    with no_initial_values():
        copy = BandSplitRotator(**keywords, parts=model.parts)
    state = {
        name: tensor.to("cpu", torch.float32 if tensor.is_floating_point() else None)
        for name, tensor in model.state_dict().items()
    }
    copy.load_state_dict(state, assign=True)
    return copy.eval()


def _export(model: BandSplitRotator, path: Path, document: str) -> None:
    from torch.export import Dim  # takes a second to import

    # Two at least of each: PyTorch takes a length of one for fixed.
    spectrum = example_spectrum(model, batch=2, frames=5)
    sizes = {0: Dim("batch", max=1 << 16), 2: Dim("frames", max=1 << 24)}
    try:
        with torch.no_grad(), _unheard():
            program: Any = cast("Any", torch.onnx).export(
                MaskCore(model).eval(),
                (spectrum,),
                dynamo=True,
                input_names=["spectrum"],
                output_names=["masks"],
                dynamic_shapes=(sizes,),
                external_data=False,
                verbose=False,
                optimize=False,
            )
    except torch.onnx.OnnxExporterError as error:
        parts = ", ".join(model.parts.recipe)
        of = f"this model, which has the research variants {parts}" if parts else "this model"
        raise ValueError(f"PyTorch cannot export {of}, to ONNX: {error}") from error
    _fold(program.model)
    # Where each node is from, with the folders of this machine, a fifth of a small file.
    for node in program.model.graph:
        for part in (node, *node.outputs):
            part.metadata_props.clear()
    program.model.graph.metadata_props.clear()
    program.model.metadata_props.clear()
    program.model.metadata_props[KEY] = document
    program.save(str(path), external_data=False)


def _fold(graph: Any) -> None:
    """Compute once what does not depend on the input, and hold once what is there twice.

    The exporter's own optimization leaves as many nodes and is no faster to run, but takes long, as it tries its rules
    on all pairs of nodes.
    """
    passes = onnx_library("onnx_ir.passes.common", _PURPOSE)
    passes.ShapeInferencePass()(graph)  # types too, without which conversions to "the type of" another value stay
    onnx_library("onnxscript.optimizer", _PURPOSE).fold_constants(graph)
    for each in (
        passes.RemoveUnusedNodesPass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
    ):
        each(graph)


@contextmanager
def _unheard() -> Generator[None]:
    """Without what exporter and quantiser say of their own insides; what is wrong with a graph, comparing it tells."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _compare(model: BandSplitRotator, path: Path, most: float, remedy: str) -> None:
    """Run the graph once, on sizes that it was not made with."""
    runtime = onnx_library("onnxruntime", _PURPOSE)
    spectrum = example_spectrum(model, batch=1, frames=7)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (masks,) = session.run(None, {"spectrum": spectrum.numpy()})
    with torch.no_grad():
        expected = MaskCore(model)(spectrum)
    difference = float((torch.as_tensor(masks) - expected).norm() / expected.norm())
    if not difference <= most:
        raise RuntimeError(
            f"onnxruntime {runtime.__version__} computes masks from the graph that differ from PyTorch's by "
            f"{difference:.2g} (relative, on noise), more than {most:g}; {remedy}"
        )


def _quantised(plain: Path, place: Path) -> Path:
    quantization = onnx_library("onnxruntime.quantization", _PURPOSE)
    with _unheard():
        quantization.quantize_dynamic(
            plain,
            place,
            op_types_to_quantize=["MatMul", "Gemm"],
            # Signed ones overflow on processors without VNNI, whose sums of two products have 16 bits.
            weight_type=quantization.QuantType.QUInt8,
            per_channel=True,
        )
    return place
