"""What importing the package loads."""

import subprocess
import sys


def test_import_leaves_out_what_few_models_need() -> None:
    """PoPE_pytorch loads einx and torch._dynamo, which takes longer than PyTorch."""
    program = "import sys, hfbs_attention; print([name for name in ('PoPE_pytorch', 'einx') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
