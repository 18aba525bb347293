"""What importing the package brings with it, and what it costs."""

import os
import subprocess
import sys

TIMED = """
import time, numpy
start = time.process_time()
import hfbs_filterbanks
print(time.process_time() - start)
"""


def printed_by(program: str) -> str:
    # An installed package has its bytecode, whatever this run of the tests leaves behind.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_import_loads_neither_torch_nor_librosa_nor_matplotlib():
    loaded = {
        name.partition(".")[0] for name in printed_by("import sys, hfbs_filterbanks; print(*sys.modules)").split()
    }
    assert "numpy" in loaded
    assert not loaded & {"torch", "librosa", "matplotlib", "scipy", "numba"}


def test_import_takes_at_most_50_ms_more_than_numpys():
    # The processor's time, so that other load on the machine does not count; the least disturbed of six runs.
    assert min(float(printed_by(TIMED)) for _ in range(6)) <= 0.050
