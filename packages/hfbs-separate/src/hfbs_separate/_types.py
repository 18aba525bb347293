"""What samples are, from decoding to writing."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

type Audio = NDArray[np.float32]
type Progress = Callable[[int, int | None], None]
"""Called with the samples done and the samples in all, None where nobody knows them yet."""
