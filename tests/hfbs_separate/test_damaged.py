"""A few hundred of the damaged files that `nox -s fuzz` makes by the thousand."""

import sys
from pathlib import Path

import pytest

from fuzz.corpus import encoded_songs
from fuzz.mutations import mutate
from fuzz.outcomes import decode_mutations, faults


@pytest.mark.unchecked
@pytest.mark.skipif(sys.platform != "linux", reason="limits and measures memory as Linux does")
def test_a_damaged_file_gives_samples_or_one_line(tmp_path: Path) -> None:
    encoded_songs(tmp_path)
    outcomes = decode_mutations(tmp_path, 300)
    assert faults(outcomes) == []
    decoded = sum(not outcome.error for outcome in outcomes)
    assert 50 < decoded < 250, "damage that does nothing, or that leaves nothing, tests little"


def test_a_mutation_is_the_same_each_time_and_damages() -> None:
    corpus = [bytes(1000), bytes(range(256)) * 4]
    assert [mutate(corpus, number) for number in range(100)] == [mutate(corpus, number) for number in range(100)]
    assert sum(mutate(corpus, number) != corpus[number % 2] for number in range(100)) > 80
