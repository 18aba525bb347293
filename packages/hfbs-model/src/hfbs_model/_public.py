"""The names of the package that load PyTorch, which it hands on when they are first asked for."""

from ._band_split import BandSplit as BandSplit
from ._checkpoints import Checkpoint as Checkpoint
from ._checkpoints import Finding as Finding
from ._checkpoints import Inspection as Inspection
from ._checkpoints import Parameters as Parameters
from ._checkpoints import Report as Report
from ._checkpoints import inspect_checkpoint as inspect_checkpoint
from ._checkpoints import load_checkpoint as load_checkpoint
from ._checkpoints import save_checkpoint as save_checkpoint
from ._checkpoints import save_msst_checkpoint as save_msst_checkpoint
from ._loss import ParametersComputeLoss as ParametersComputeLoss
from ._loss import lossComputation as lossComputation
from ._loss import spectral_error as spectral_error
from ._mask import MLP as MLP
from ._mask import MaskEstimator as MaskEstimator
from ._memory import inference_memory as inference_memory
from ._parts import Parts as Parts
from ._parts import Variant as Variant
from ._reband import reband as reband
from ._rotator import BandSplitRotator as BandSplitRotator
from ._stft import ParametersSTFT as ParametersSTFT
