"""The learning rate rises in a line and falls as it is wanted to."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfbs_train._configuration import Schedule
from hfbs_train._schedule import rate_factor

KINDS = st.sampled_from(["constant", "cosine", "linear", "exponential"])


@given(KINDS, st.integers(0, 50), st.integers(2, 200), st.floats(0.001, 1))
def test_it_rises_to_1_and_falls_to_its_share(kind: str, warmup: int, after: int, final: float):
    schedule = Schedule(kind=kind, warmup_steps=warmup, final=final)
    steps = warmup + after
    factors = [rate_factor(step, steps, schedule) for step in range(steps)]
    rising, falling = factors[:warmup], factors[warmup:]
    assert rising == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    assert falling[0] == pytest.approx(1)
    assert all(one >= other - 1e-12 for one, other in pairwise(falling))
    assert falling[-1] == pytest.approx(1 if kind == "constant" else final)


def test_half_way_down_a_cosine_is_in_the_middle():
    assert rate_factor(50, 101, Schedule(kind="cosine", warmup_steps=0, final=0.2)) == pytest.approx(0.6)
