"""What is measured: the named models, and one measurement's settings. Nothing here loads PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SAMPLE_RATE = 44100
HOP = 441


@dataclass(frozen=True)
class Configuration:
    """A model in the words that all implementations share, and the length of its chunk."""

    dim: int
    depth: int
    stems: int = 1
    mel: bool = False
    seconds: float = 4.0

    @property
    def keywords(self) -> dict[str, Any]:
        bands = {"num_bands": 60, "sample_rate": SAMPLE_RATE} if self.mel else {}
        return bands | {
            "dim": self.dim,
            "depth": self.depth,
            "num_stems": self.stems,
            "stereo": True,
            "heads": 8,
            "dim_head": 64,
            "time_transformer_depth": 1,
            "freq_transformer_depth": 1,
            "stft_hop_length": HOP,
            "zero_dc": True,
        }


CONFIGURATIONS: Mapping[str, Configuration] = {
    "bs-384x6": Configuration(dim=384, depth=6),
    "bs-512x12": Configuration(dim=512, depth=12),
    "mel-384x6": Configuration(dim=384, depth=6, mel=True),
    "six-stems-256x12": Configuration(dim=256, depth=12, stems=6),
    "bs-384x2": Configuration(dim=384, depth=2),
    "tiny": Configuration(dim=32, depth=1, seconds=1.0),
}
# What each task is measured with unless the command says otherwise: a training step of the large ones needs tens of GB.
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "inference": ("bs-384x6", "bs-512x12", "mel-384x6", "six-stems-256x12"),
    "training": ("bs-384x2",),
}
BATCH: Mapping[str, int] = {"inference": 1, "training": 2}
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Setting:
    """What the contestants of one table have in common."""

    name: str
    precision: str
    task: str
    device: str
    batch: int
    seconds: float
    threads: int

    @property
    def configuration(self) -> Configuration:
        return CONFIGURATIONS[self.name]

    @property
    def samples(self) -> int:
        return int(self.seconds * SAMPLE_RATE)

    @property
    def frames(self) -> int:
        return 1 + self.samples // HOP

    def __str__(self) -> str:
        return f"{self.name}, {self.precision}, {self.task}, batch {self.batch} × {self.seconds:g} s"
