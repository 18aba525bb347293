"""Models that a benchmark is told by name."""

from pathlib import Path

from configurations import CONFIGURATIONS, SAMPLE_RATE

from hfbs_model import BandSplitRotator, Checkpoint, load_checkpoint
from hfbs_separate.demo import MODEL

NAMES = f"demo, a checkpoint that needs no YAML, or one of {', '.join(CONFIGURATIONS)}"


def checkpoint_of(name: str) -> Checkpoint:
    """The model that ships, a file's, or a configuration's with random weights."""
    if name == "demo":
        return load_checkpoint(MODEL)
    if Path(name).is_file():
        return load_checkpoint(name)
    configuration = CONFIGURATIONS[name]
    stems = tuple(f"stem{number}" for number in range(configuration.stems))
    model = BandSplitRotator(**configuration.keywords).eval()
    return Checkpoint(model, stems, SAMPLE_RATE, int(configuration.seconds * SAMPLE_RATE))
