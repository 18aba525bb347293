"""Resampling: a length known beforehand, no delay, and a way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate._resample import resample, resampled

RATES = st.sampled_from([8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000])


@given(st.integers(1, 4000), RATES, RATES)
def test_the_way_there_is_as_long_as_its_rate_says_and_the_way_back_long_enough(
    samples: int, source: int, target: int
) -> None:
    audio = np.random.default_rng(samples).uniform(-1, 1, (2, samples)).astype(np.float32)
    there = resample(audio, source, target)
    assert there.dtype == np.float32
    assert there.shape == (2, -(-samples * target // source))
    assert resample(there, target, source).shape[-1] >= samples


@given(st.integers(1, 100), RATES)
def test_an_equal_rate_changes_nothing(samples: int, rate: int) -> None:
    audio = np.ones((1, samples), np.float32)
    assert resample(audio, rate, rate) is audio


@given(RATES, RATES, st.floats(0.3, 0.7))
def test_a_tone_comes_out_in_place(source: int, target: int, place: float) -> None:
    """A burst of a tone that both rates carry equals the same burst written down at the other rate: no delay."""
    hertz = 0.2 * min(source, target)

    def burst(rate: int) -> np.ndarray:
        time = np.arange(rate // 10) / rate - place / 10
        return np.exp(-0.5 * (time * 400) ** 2) * np.cos(2 * np.pi * hertz * time)

    got = resample(burst(source).astype(np.float32)[None], source, target)[0]
    expected = burst(target)
    samples = min(len(got), len(expected))
    np.testing.assert_allclose(got[:samples], expected[:samples], atol=2e-5)


@pytest.mark.parametrize("rate", [22050, 48000, 96000])
def test_there_and_back_gives_what_both_rates_carry(rate: int) -> None:
    time = np.arange(rate) / rate
    audio = (0.5 * np.sin(2 * np.pi * 1000 * time) * np.hanning(rate)).astype(np.float32)[None]
    back = resample(resample(audio, rate, 44100), 44100, rate)[:, :rate]
    np.testing.assert_allclose(back, audio, atol=2e-6)


def test_an_impulse_stays_in_place() -> None:
    audio = np.zeros((1, 4800), np.float32)
    audio[0, 2400] = 1
    there = resample(audio, 48000, 44100)
    assert int(np.abs(there).argmax()) == 2205
    assert int(np.abs(resample(there, 44100, 48000)).argmax()) == 2400


def test_axes_before_time_are_kept_and_each_is_resampled_alone() -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, (3, 2, 500)).astype(np.float32)
    whole = resample(audio, 48000, 44100)
    assert whole.shape == (3, 2, 460)
    for stem in range(3):
        for channel in range(2):
            np.testing.assert_array_equal(whole[stem, channel], resample(audio[stem, channel], 48000, 44100))


@given(st.integers(1, 2), st.lists(st.integers(0, 3000), min_size=1, max_size=5).filter(any), RATES, RATES)
def test_block_by_block_gives_what_the_whole_gives(channels: int, lengths: list[int], source: int, target: int) -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, (channels, sum(lengths))).astype(np.float32)
    blocks = np.split(audio, np.cumsum(lengths)[:-1], axis=1)
    got = np.concatenate(list(resampled(blocks, source, target)), axis=1)
    np.testing.assert_array_equal(got, resample(audio, source, target))


def test_no_block_gives_none() -> None:
    assert list(resampled([], 44100, 48000)) == []
