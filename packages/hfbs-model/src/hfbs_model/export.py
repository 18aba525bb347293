"""Models that leave PyTorch: to ONNX, and under onnxruntime. Needs the extra ``onnx``:
``pip install "hfbs-model[onnx]"``."""

from ._export import ExportedCheckpoint as ExportedCheckpoint
from ._export import ExportedModel as ExportedModel
from ._export import MaskCore as MaskCore
from ._export import export_onnx as export_onnx
from ._export import load_exported as load_exported
