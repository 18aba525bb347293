"""Models that share a stem's spectrum: nothing is lost, added, delayed or cancelled where they meet."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hfbs_separate import OptionError, Separator
from hfbs_separate._crossover import low_pass, lowpassed, merged, transition

from .blending import merged_by_frequency
from .test_combine import cut, noise

RATE = 8000


def together(
    estimates: np.ndarray, crossover: list[float], rate: int = RATE, sizes: tuple[int, ...] = (999,)
) -> np.ndarray:
    return np.concatenate(list(merged(cut(estimates, sizes), crossover, rate)), axis=-1)


@pytest.mark.parametrize("crossover", [[500.0], [200.0, 1500.0], [100.0, 110.0, 3500.0]])
def test_models_are_merged_as_a_slow_reference_does(crossover: list[float]) -> None:
    estimates = noise(len(crossover) + 1, 1, 2, 3001)
    expected = merged_by_frequency(estimates[:, 0], crossover, RATE)
    np.testing.assert_allclose(together(estimates, crossover)[0], expected, atol=5e-5)


@example(samples=1, frequency=100.0).via("the shortest song")
@given(samples=st.integers(1, 700), frequency=st.floats(20, 5000))
@settings(max_examples=25, deadline=None)
def test_models_that_agree_are_given_back_to_the_bit(samples: int, frequency: float) -> None:
    song = noise(2, 1, samples)
    np.testing.assert_array_equal(together(np.stack([song] * 3), [frequency, frequency + 1]), song)


@pytest.mark.parametrize("samples", [1, 2, 3, 50, 4999])
@pytest.mark.parametrize("crossover", [[20.0], [300.0], [3700.0], [20.0, 3700.0]])
def test_a_constant_is_all_of_the_lowest_model_and_an_alternation_all_of_the_highest(
    samples: int, crossover: list[float]
) -> None:
    levels = np.array([0.3, -0.7, 0.9][: len(crossover) + 1], np.float32).reshape(-1, 1, 1, 1)
    constants = np.broadcast_to(levels, (len(levels), 1, 2, samples))
    np.testing.assert_allclose(together(constants, crossover), constants[0], rtol=2e-7)
    if samples > 1:  # a single sample is a constant
        alternation = (constants * (1 - 2 * (np.arange(samples) % 2))).astype(np.float32)
        np.testing.assert_allclose(together(alternation, crossover), alternation[-1], rtol=2e-7)


@pytest.mark.parametrize("frequency", [20.0, 100.0, 1000.0, 3700.0])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_the_filter_has_its_frequency_width_and_depth(frequency: float, rate: int) -> None:
    taps = low_pass(frequency, rate)
    np.testing.assert_array_equal(taps, taps[::-1])
    place = np.arange(len(taps)) - len(taps) // 2

    def gain(hertz: float) -> float:
        return float(taps @ np.cos(2 * np.pi * hertz / rate * place))

    half = transition(frequency) / 2
    assert gain(0) == pytest.approx(1, abs=1e-14)
    assert gain(rate / 2) == pytest.approx(0, abs=1e-14)
    assert gain(frequency) == pytest.approx(0.5, abs=1e-3)
    for outside in np.linspace(0, frequency - half, 50):
        assert gain(outside) == pytest.approx(1, abs=1e-5)
    for outside in np.linspace(frequency + half, rate / 2, 50):
        assert gain(outside) == pytest.approx(0, abs=1e-5)


def test_a_sweep_goes_from_one_model_to_the_next_and_never_fades() -> None:
    seconds, low, high = 20.0, 20.0, 3900.0
    time = np.arange(int(seconds * RATE)) / RATE
    frequency = low + (high - low) * time / seconds
    sweep = np.cos(2 * np.pi * (low * time + (high - low) * time**2 / (2 * seconds))).astype(np.float32)
    silent = np.zeros_like(sweep)
    lower, upper = (
        together(np.stack(models)[:, None, None], [1000.0])[0, 0] for models in ((sweep, silent), (silent, sweep))
    )
    np.testing.assert_allclose(lower + upper, sweep, atol=2e-7)
    below, above = frequency < 850, frequency > 1150  # a sweep passes the filter's edge not quite at its frequency
    np.testing.assert_allclose(lower[below], sweep[below], atol=1e-2)
    np.testing.assert_allclose(upper[above], sweep[above], atol=1e-2)
    inside = (frequency > 300) & (frequency < 3500)
    level = np.sqrt(np.convolve((lower + upper)[inside] ** 2, np.full(400, 2 / 400), "valid"))
    assert level.min() > 0.97


@pytest.mark.parametrize("delay", [0, 1, 7])
def test_nothing_moves_in_time(delay: int) -> None:
    """A click that both models have stays where it is, and what is seen of it alone is symmetric about it."""
    click = np.zeros(2001, np.float32)
    click[1000 + delay] = 1
    lower = together(np.stack([click, 0 * click])[:, None, None], [1000.0])[0, 0]
    assert lower.argmax() == 1000 + delay
    np.testing.assert_allclose(
        lower[1000 + delay - 900 : 1000 + delay], lower[1000 + delay + 900 : 1000 + delay : -1], atol=1e-12
    )


def test_how_the_song_comes_in_blocks_changes_no_bit() -> None:
    estimates = noise(2, 1, 1, 140_000)  # more than two of the blocks that are worked on
    whole = together(estimates, [700.0], sizes=(140_000,))
    assert whole.shape == (1, 1, 140_000)
    for sizes in ((1 << 16,), (1, 70_001, 13), (65_535,)):
        np.testing.assert_array_equal(together(estimates, [700.0], sizes=sizes), whole)


@pytest.mark.parametrize("crossover", [[3750.0], [3999.0, 5000.0], [10_000.0]])
def test_where_the_rate_does_not_hold_a_transition_the_model_below_gives_all(crossover: list[float]) -> None:
    estimates = noise(len(crossover) + 1, 1, 2, 300)
    np.testing.assert_array_equal(together(estimates, crossover), estimates[0])


def test_a_low_pass_takes_away_what_is_above_and_nothing_below() -> None:
    time = np.arange(8000) / RATE
    low, high = (np.cos(2 * np.pi * hertz * time) for hertz in (100, 3000))
    song = (0.5 + low + high + np.cos(np.pi * np.arange(8000))).astype(np.float32)
    (kept,) = lowpassed([song[None, None]], 1500.0, RATE)
    inside = slice(300, -300)
    np.testing.assert_allclose(kept[0, 0, inside], (0.5 + low)[inside], atol=5e-5)


@pytest.mark.parametrize("rate", [8000, 11025])
@pytest.mark.parametrize("samples", [1, 70_001])
def test_a_separator_gives_nothing_above_its_low_pass_and_residuals_make_up_for_it(
    gains_checkpoint: Callable[..., Any], rate: int, samples: int
) -> None:
    options: dict[str, Any] = {
        "device": "cpu",
        "precision": "float32",
        "stems": ["stem0"],
        "residuals": {"rest": ["stem0"]},
    }
    song = noise(2, samples) / 2
    plain = Separator(gains_checkpoint(), **options)
    filtered = Separator(gains_checkpoint(), lowpass=1000.0, **options)
    before, after = (separator.separate(song, rate) for separator in (plain, filtered))
    assert after["stem0"].shape == song.shape
    np.testing.assert_allclose(after["stem0"] + after["rest"], song, atol=3e-7)
    (expected,) = np.concatenate(list(lowpassed([before["stem0"][None]], 1000.0, rate)), axis=-1)
    inside = slice(0, samples if rate == 8000 else max(samples - 200, 0))  # resampled stems are longer by a sample
    np.testing.assert_allclose(after["stem0"][:, inside], expected[:, inside], atol=1e-6)
    assert (plain.settings | {"lowpass": 1000.0}) == filtered.settings


@pytest.mark.parametrize("lowpass", [4000.0, 3990.0, 19.0, float("nan")])
def test_a_low_pass_where_the_model_has_nothing_is_refused(
    gains_checkpoint: Callable[..., Any], lowpass: float
) -> None:
    with pytest.raises(
        OptionError, match=r"^lowpass is a frequency from 20 Hz to below .* rate, 4000 Hz, by half .*, got"
    ):
        Separator(gains_checkpoint(), device="cpu", lowpass=lowpass)
