"""What samples are here: float32 at 44100 Hz."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

type Audio = NDArray[np.float32]
"""Stereo, shape (2, time)."""
type Mono = NDArray[np.float64]
"""One voice, shape (time,)."""

RATE: Final = 44100
