"""One separator for BS-RoFormer, Mel-Band RoFormer and any other layout of frequency bands.

The data's way through :class:`BandSplitRotator`: waveform → STFT → gather the bins of each band → :class:`BandSplit` →
attention along time and bands, layer by layer → :class:`MaskEstimator` per stem → average where bands overlap → complex
mask × STFT → inverse STFT → stems. :func:`load_checkpoint` builds it from a published checkpoint.
"""

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
from ._errors import CheckpointError as CheckpointError
from ._errors import ConfigError as ConfigError
from ._loss import ParametersComputeLoss as ParametersComputeLoss
from ._loss import lossComputation as lossComputation
from ._mask import MLP as MLP
from ._mask import MaskEstimator as MaskEstimator
from ._memory import inference_memory as inference_memory
from ._parts import Parts as Parts
from ._parts import Variant as Variant
from ._reband import reband as reband
from ._registry import KnownCheckpoint as KnownCheckpoint
from ._registry import checkpoint_by_sha256 as checkpoint_by_sha256
from ._registry import find_checkpoint as find_checkpoint
from ._registry import known_checkpoints as known_checkpoints
from ._rotator import BandSplitRotator as BandSplitRotator
from ._stft import ParametersSTFT as ParametersSTFT
