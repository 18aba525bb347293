"""The best checkpoints of a run, and its last one."""

from dataclasses import dataclass
from pathlib import Path

from hfbs_model import Checkpoint, save_checkpoint

from ._errors import writing


@dataclass(frozen=True, slots=True)
class KeptCheckpoints:
    """A folder with the checkpoints that scored best.

    Attributes:
        folder: Where they are.
        most: How many are kept.
        scores: Of those that are there, by file name.
    """

    folder: Path
    most: int
    scores: dict[str, float]

    def offer(self, checkpoint: Checkpoint, step: int, score: float) -> None:
        """Keep a checkpoint if it is among the best, and let go of those that no longer are.

        Raises:
            RunError: It cannot be written.
        """
        name = f"step-{step:08d}-sdr-{score:.3f}.safetensors"
        better = sum(other >= score for kept, other in self.scores.items() if kept != name)
        if better < self.most:
            self.write(checkpoint, name)
            self.scores[name] = score
        best = sorted(self.scores, key=lambda each: self.scores[each], reverse=True)
        for kept in best[self.most :]:
            (self.folder / kept).unlink(missing_ok=True)
            del self.scores[kept]

    def write(self, checkpoint: Checkpoint, name: str) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            RunError: It cannot be written.
        """
        with writing(self.folder / name):
            self.folder.mkdir(parents=True, exist_ok=True)
            save_checkpoint(checkpoint, self.folder / name)
