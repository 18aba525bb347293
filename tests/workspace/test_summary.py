"""The summary of a test run counts what hypothesis tried."""

import shutil
import subprocess
import sys
from pathlib import Path

from workspace._repository import ROOT

EXAMPLES = """
from hypothesis import given, settings, strategies as st

@given(st.integers())
@settings(max_examples=700)
def test_one(number): assert number == number

@given(st.integers())
@settings(max_examples=800)
def test_other(number): assert number == number
"""


def test_the_examples_of_all_tests_are_counted(tmp_path: Path):
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_examples.py").write_text(EXAMPLES)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "hypothesis: 1,500 examples" in run.stdout
