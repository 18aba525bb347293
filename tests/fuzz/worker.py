"""Decodes damaged files one after the other and prints what came of each as a line of JSON.

Run as a process of its own, with a folder of whole files and the numbers of the first mutation and of the one after the
last: a crash of FFmpeg ends it, and so does a file that takes too long or too much memory.
"""

import json
import resource
import signal
import sys
import tempfile
from pathlib import Path

from fuzz.mutations import mutate
from hfbs_separate import AudioFileError
from hfbs_separate._decode import open_song

SECONDS = 10
_ADDRESS_SPACE = 4 << 30


def main(folder: str, first: int, stop: int) -> None:
    files = sorted(Path(folder).iterdir())
    corpus = [file.read_bytes() for file in files]
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "song"
        for number in range(first, stop):
            path.write_bytes(mutate(corpus, number))
            signal.alarm(SECONDS)  # nobody handles it: it ends the process wherever it is
            outcome = decoded(path)
            signal.alarm(0)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            fields = {"number": number, "file": files[number % len(files)].name, "size": path.stat().st_size}
            print(json.dumps(fields | outcome | {"megabytes": memory}), flush=True)


def decoded(path: Path) -> dict[str, object]:
    """How many samples a file gave, and the error that it ended with, if any: its class and its text."""
    samples = 0
    try:
        for block in open_song(path).blocks():
            samples += block.shape[1]
    except AudioFileError as error:
        return {"samples": samples, "error": "AudioFileError", "message": str(error).removeprefix(f"{path}: ")}
    except Exception as error:
        return {"samples": samples, "error": type(error).__name__, "message": str(error)}
    return {"samples": samples, "error": "", "message": ""}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
