"""Thousands of damaged files: each gives samples or one line, soon, and in little memory."""

import os
from collections import Counter
from pathlib import Path

import pytest

from fuzz.corpus import encoded_songs, real_songs
from fuzz.outcomes import Outcome, decode_mutations, faults

COUNT = int(os.environ.get("HFBS_FUZZ_COUNT", "3000"))
SHARED_AUDIO = Path(__file__).parents[3] / "shared" / "audio"


def report(outcomes: list[Outcome]) -> None:
    """Print how often which error came."""
    kinds = Counter(outcome.message.split(":")[0] or outcome.error or "decoded" for outcome in outcomes)
    print(f"\n{len(outcomes)} damaged files, at most {max(outcome.megabytes for outcome in outcomes)} MB")
    for kind, times in kinds.most_common(12):
        print(f"{times:6}  {kind}")


def test_damaged_files_of_every_format(tmp_path: Path) -> None:
    encoded_songs(tmp_path)
    outcomes = decode_mutations(tmp_path, COUNT)
    report(outcomes)
    assert faults(outcomes) == []
    assert {outcome.file for outcome in outcomes} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.skipif(not SHARED_AUDIO.is_dir(), reason="no folder with real songs beside the repository")
def test_damaged_real_songs(tmp_path: Path) -> None:
    real_songs(SHARED_AUDIO, tmp_path)
    outcomes = decode_mutations(tmp_path, COUNT // 6)
    report(outcomes)
    assert faults(outcomes) == []
