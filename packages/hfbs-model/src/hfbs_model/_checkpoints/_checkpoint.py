"""A loaded checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._rotator import BandSplitRotator
from ._report import Report


@dataclass(frozen=True)
class Checkpoint:
    """A model and what belongs to it.

    Attributes:
        model: The separator in float32 on the CPU, ready for inference. Its weights may lie in the checkpoint's file,
            from which they are read when they are used: replace that file by another, but do not write into it.
        stems: One name per stem that the model gives, in its order.
        sample_rate: Samples a second of the audio that the model was trained on.
        chunk_size: Samples to give to the model at once.
        num_overlap: How many chunks should hold each sample.
        report: Where each setting came from.
        provenance: Whence it is, such as the name and the SHA-256 of the file that it was converted from.
    """

    model: BandSplitRotator
    stems: tuple[str, ...]
    sample_rate: int
    chunk_size: int
    num_overlap: int = 2
    report: Report = field(default_factory=Report)
    provenance: Mapping[str, str] = field(default_factory=dict[str, str])
