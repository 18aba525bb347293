"""What comes of damaged files, decoded in a process that may die of them."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_MEGABYTES = 100  # above what the process holds after its first file
_SAMPLES_PER_BYTE = 2000  # as in Opus's longest packets of silence


@dataclass(frozen=True)
class Outcome:
    """What came of one mutation.

    Attributes:
        number: which mutation of the corpus.
        file: the one that was damaged.
        size: bytes of the damaged file.
        samples: how many came before the end or the error.
        error: class of the exception, "" for none, or the signal that ended the process.
        message: what the exception says.
        megabytes: the most that the process held up to then.
    """

    number: int
    file: str
    size: int
    samples: int
    error: str
    message: str
    megabytes: int


def decode_mutations(folder: Path, count: int) -> list[Outcome]:
    """Decode so many mutations of the files in a folder; where one ends the process, go on with the next."""
    outcomes: list[Outcome] = []
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    while len(outcomes) < count:
        words = [sys.executable, "-m", "fuzz.worker", str(folder), str(len(outcomes)), str(count)]
        run = subprocess.run(words, capture_output=True, text=True, env=environment)
        outcomes += [Outcome(**json.loads(line)) for line in run.stdout.splitlines()]
        if run.returncode > 0 or run.stderr:
            raise RuntimeError(f"after {len(outcomes)} mutations: {run.stderr}")
        if run.returncode < 0:
            outcomes.append(Outcome(len(outcomes), "", 0, 0, signal.Signals(-run.returncode).name, "", 0))
    return outcomes


def faults(outcomes: list[Outcome]) -> list[Outcome]:
    """Those that gave neither samples nor an error in one line, or gave more or took more memory than they may."""
    memory = outcomes[0].megabytes + _MEGABYTES
    return [
        outcome
        for outcome in outcomes
        if outcome.error not in ("", "AudioFileError")
        or len(outcome.message.splitlines()) != bool(outcome.error)
        or (outcome.samples == 0 and not outcome.error)
        or outcome.samples > _SAMPLES_PER_BYTE * outcome.size
        or outcome.megabytes > memory
    ]
