"""What importing the package brings with it, and what it costs."""

import subprocess
import sys


def printed_by(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


def test_import_loads_neither_torch_nor_librosa_nor_matplotlib():
    loaded = printed_by(
        "import sys, hfbs_filterbanks; print(*{name.partition('.')[0] for name in sys.modules})"
    ).split()
    assert "numpy" in loaded
    assert not {"torch", "librosa", "matplotlib", "scipy", "numba"} & {*loaded}


def test_import_takes_at_most_50_ms_more_than_numpys():
    # The processor's time, so that other load on the machine does not count; the least disturbed of five runs.
    program = (
        "import time, numpy; start = time.process_time(); import hfbs_filterbanks; print(time.process_time() - start)"
    )
    assert min(float(printed_by(program)) for _ in range(5)) <= 0.050
