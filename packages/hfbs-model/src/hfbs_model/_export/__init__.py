"""From a checkpoint to a file that runs without PyTorch, and back to a model.

:mod:`_core` is what is exported, :mod:`_document` what stands beside it, :mod:`_write` writes both, :mod:`_load` reads.
"""

from ._core import MaskCore as MaskCore
from ._load import ExportedCheckpoint as ExportedCheckpoint
from ._load import ExportedModel as ExportedModel
from ._load import load_exported as load_exported
from ._write import export_onnx as export_onnx
