"""One separator for BS-RoFormer, Mel-Band RoFormer and any other layout of frequency bands.

The data's way through :class:`BandSplitRotator`: waveform → STFT → gather the bins of each band → :class:`BandSplit` →
attention along time and bands, layer by layer → :class:`MaskEstimator` per stem → average where bands overlap → complex
mask × STFT → inverse STFT → stems. :func:`load_checkpoint` builds it from a published checkpoint.

What needs PyTorch loads it on first use, so that the registry answers at once.
"""

from typing import TYPE_CHECKING

from ._errors import CheckpointError as CheckpointError
from ._errors import ConfigError as ConfigError
from ._registry import KnownCheckpoint as KnownCheckpoint
from ._registry import checkpoint_by_sha256 as checkpoint_by_sha256
from ._registry import find_checkpoint as find_checkpoint
from ._registry import known_checkpoints as known_checkpoints

if TYPE_CHECKING:
    from ._public import *  # noqa: F403 -- its names are the package's, and written there once


def __getattr__(name: str) -> object:
    if not name.startswith("_"):
        from . import _public

        if name in vars(_public):
            return vars(_public)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from . import _public

    return sorted(name for name in globals() | vars(_public) if not name.startswith("_"))
