"""What samples are, from decoding to writing."""

from collections.abc import Callable
from typing import Any

import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

type Audio = NDArray[np.float32]
type AudioPacket = Packet[Any]
type Progress = Callable[[int, int | None], None]
"""Called with the samples done and the samples in all, None where nobody knows them yet."""
