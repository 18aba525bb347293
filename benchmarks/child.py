"""What one contestant costs in a process of its own: ``measuring.started`` runs this, and reads the JSON it prints."""

import json
import resource
import sys
import time
from pathlib import Path

from configurations import Setting
from contestants import CONTESTANTS, build, class_of


def peak_memory(device: str) -> int:
    """Bytes that this process, or on CUDA its tensors, took at the most.

    On Linux from the process's own record: ru_maxrss begins at what the parent had when it started this process.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    task = json.loads(sys.argv[1])
    contestant, setting = CONTESTANTS[task["contestant"]], Setting(**task["setting"])
    began = time.perf_counter()
    class_of(contestant.package, setting.configuration.mel)
    imports = time.perf_counter() - began

    import torch
    from measuring import ready, seconds_of

    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    began = time.perf_counter()
    run = ready(contestant, build(contestant, setting.configuration), setting)
    building = time.perf_counter() - began
    first, second = seconds_of(run, setting.device), seconds_of(run, setting.device)
    answer = {
        "imports": imports,
        "first_output": imports + building + first,
        "compilation": first - second,
        "peak": peak_memory(setting.device),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
