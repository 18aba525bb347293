"""Every metric agrees with an independent implementation, and keeps the laws that it is used for."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hfbs_separate.evaluation import (
    bleedless_and_fullness,
    ideal_ratio_mask,
    is_silent,
    l1_freq,
    log_wmse,
    museval_sdr,
    sdr,
    si_sdr,
    static_wiener,
)

type Stems = NDArray[np.float32]

RATE = 8000
seeds = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> Stems:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(np.float32)


@pytest.fixture(scope="module")
def music(shared_audio: Path) -> tuple[Stems, Stems]:
    """Four seconds of the four stems of a real song, and estimates of different quality, (stem, channel, time)."""
    place = {"start": 207 * 44100, "frames": 4 * 44100, "dtype": "float32"}
    files = [shared_audio / "cc0" / "potassium" / f"{stem}.ogg" for stem in ("vocals", "drums", "bass", "other")]
    truth: Stems = np.stack([np.asarray(soundfile.read(file, **place)[0], np.float32).T for file in files])
    mixture = truth.sum(axis=0)
    return truth, np.stack(
        [ideal_ratio_mask(truth[0], mixture), static_wiener(truth[1], mixture), mixture, 0.9 * truth[3]]
    )


def pieces(truth: Stems, estimate: Stems) -> list[tuple[Stems, Stems]]:
    return list(zip(truth, estimate, strict=True))


# The ratios of energies


@given(seeds, st.floats(-40, 40))
def test_sdr_is_its_formula_spelled_out(seed: int, level: float) -> None:
    truth = noise(seed, 2, 60)
    estimate = truth + np.float32(10 ** (level / 20)) * noise(seed + 1, 2, 60)
    of_signal = of_error = 0.0
    for channel in range(2):
        for sample in range(60):
            of_signal += float(truth[channel, sample]) ** 2
            of_error += (float(truth[channel, sample]) - float(estimate[channel, sample])) ** 2
    assert sdr(truth, estimate) == pytest.approx(10 * np.log10((of_signal + 1e-8) / (of_error + 1e-8)), abs=1e-4)


def test_silence_has_an_sdr_of_zero_and_no_si_sdr() -> None:
    truth = noise(0, 2, 1000)
    assert sdr(truth, np.zeros_like(truth)) == 0
    assert np.isnan(si_sdr(truth, np.zeros_like(truth)))
    assert np.isnan(si_sdr(np.zeros_like(truth), truth))


@given(seeds, st.floats(-60, 60), st.floats(-60, 60), st.sampled_from((1, -1)))
def test_si_sdr_does_not_change_with_scale_and_sdr_does(seed: int, one: float, other: float, sign: int) -> None:
    truth = noise(seed, 2, 300)
    estimate = truth + 0.3 * noise(seed + 1, 2, 300)
    scaled = (sign * 10 ** (one / 20) * truth.astype(np.float64), 10 ** (other / 20) * estimate.astype(np.float64))
    assert si_sdr(*scaled) == pytest.approx(si_sdr(truth, estimate), abs=1e-3)
    assert sdr(truth, estimate * 2) < sdr(truth, estimate)


def test_si_sdr_of_a_known_angle() -> None:
    truth, across = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert si_sdr(truth, 5 * truth + 0.5 * across) == pytest.approx(20)


@settings(max_examples=5)
@given(seeds)
def test_a_perfect_estimate_has_the_highest_score(seed: int) -> None:
    truth, mixture = noise(seed, 2, 3000), noise(seed + 1, 2, 3000)
    assert sdr(truth, truth) > 100
    assert si_sdr(truth, 3 * truth) == pytest.approx(144.5, abs=10)
    assert museval_sdr(truth[None], truth[None], 1000) == pytest.approx(144.49, abs=0.01)
    assert l1_freq(truth, truth) == 100
    assert bleedless_and_fullness(truth, truth, RATE) == (100, 100)
    pytest.importorskip("log_wmse_audio_quality")
    assert log_wmse(truth, truth, mixture, 44100) == pytest.approx(-4 * np.log(1e-8), abs=1e-4)


@settings(max_examples=5)
@given(seeds)
def test_more_noise_scores_lower(seed: int) -> None:
    truth, disturbance = noise(seed, 2, 3 * RATE), noise(seed + 1, 2, 3 * RATE)
    scores = []
    for level in (-40, -25, -10, 5):
        estimate = truth + np.float32(10 ** (level / 20)) * disturbance
        scores.append(
            (
                sdr(truth, estimate),
                si_sdr(truth, estimate),
                float(museval_sdr(truth[None], estimate[None], RATE)[0]),
                l1_freq(truth, estimate),
                bleedless_and_fullness(truth, estimate, RATE)[0],
            )
        )
    assert (np.diff(scores, axis=0) < 0).all()


def test_what_is_there_in_excess_costs_bleedless_and_what_is_missing_costs_fullness() -> None:
    truth, other = noise(0, 1, 2 * RATE), noise(1, 1, 2 * RATE)
    too_much = bleedless_and_fullness(truth, 3 * truth, RATE)
    too_little = bleedless_and_fullness(truth, truth / 3, RATE)
    both = bleedless_and_fullness(truth, other, RATE)
    decibels = 20 * np.log10(3)
    assert too_much == pytest.approx((100 / (1 + decibels), 100), abs=0.01)
    assert too_little == pytest.approx((100, 100 / (1 + decibels)), abs=0.01)
    assert max(both) < 100


# Oracles


def musevals_sdr(truth: Stems, estimates: Stems, rate: int, taps: int) -> NDArray[np.floating]:
    """The median over the frames that museval scores; its filters' length decides how long that takes."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("museval asks for the program ffmpeg when it is imported, and there is none")
    metrics: Any = pytest.importorskip("museval.metrics")
    swapped = [stems.astype(np.float64).transpose(0, 2, 1) for stems in (truth, estimates)]
    frames = metrics.bss_eval(*swapped, window=rate, hop=rate, filters_len=taps)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the median of nothing
        return np.nanmedian(frames, axis=1)


@settings(max_examples=30)
@given(
    seeds,
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from((200, 999, 1000, 1001, 2500, 4000)),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=2),
)
def test_museval_sdr_is_musevals_on_generated_signals(
    seed: int, stems: int, channels: int, time: int, silences: list[tuple[int, int, bool]]
) -> None:
    truth = noise(seed, stems, channels, time)
    estimates = (truth + 0.2 * noise(seed + 1, stems, channels, time)).astype(np.float32)
    for stem, second, in_truth in silences:
        (truth if in_truth else estimates)[stem % stems, :, second * 1000 : (second + 1) * 1000] = 0
    if all(stem.any() for stem in (*truth, *estimates)):  # a whole signal of silence is an error to museval
        expected = musevals_sdr(truth, estimates, 1000, taps=8)
        np.testing.assert_allclose(museval_sdr(truth, estimates, 1000), expected, atol=0.01)


def test_museval_sdr_is_musevals_on_music(music: tuple[Stems, Stems]) -> None:
    truth, estimates = music
    expected = musevals_sdr(truth, estimates, 44100, taps=8)
    np.testing.assert_allclose(museval_sdr(truth, estimates, 44100), expected, atol=0.01)
    # One channel of two stems with all 512 taps, by museval's own call.
    museval: Any = pytest.importorskip("museval")
    swapped = [stems[:2, :1].transpose(0, 2, 1) for stems in (truth, estimates)]
    expected = np.median(museval.evaluate(*swapped, win=44100, hop=44100)[0], axis=1)
    np.testing.assert_allclose(museval_sdr(truth[:2, :1], estimates[:2, :1], 44100), expected, atol=0.01)


def test_frames_in_which_the_channels_cancel_are_silent_as_in_museval() -> None:
    truth = noise(0, 2, 2, 4000)
    truth[0, 1, :1000] = -truth[0, 0, :1000]
    estimates = truth + np.float32(0.1) * noise(1, 2, 2, 4000)
    expected = musevals_sdr(truth, estimates, 1000, taps=8)
    np.testing.assert_allclose(museval_sdr(truth, estimates, 1000), expected, atol=0.01)
    np.testing.assert_allclose(
        museval_sdr(truth, estimates, 1000), museval_sdr(truth[..., 1000:], estimates[..., 1000:], 1000)
    )


def test_where_no_frame_counts_there_is_no_museval_sdr() -> None:
    truth = noise(0, 2, 2, 3000)
    assert np.isnan(museval_sdr(truth, np.zeros_like(truth), 1000)).all()
    silent_in_turn = truth.copy()
    silent_in_turn[0, :, :1000] = silent_in_turn[1, :, 1000:] = 0
    assert np.isnan(museval_sdr(silent_in_turn, truth, 1000)).all()


def test_sdr_is_that_of_mir_evals_images(music: tuple[Stems, Stems]) -> None:
    separation: Any = pytest.importorskip("mir_eval.separation")
    for truth, estimate in pieces(music[0][:2, :1, :88200], music[1][:2, :1, :88200]):
        with pytest.warns(FutureWarning, match="Deprecated as of mir_eval version 0.8"):
            expected = separation.bss_eval_images(truth[None, 0], estimate[None, 0], compute_permutation=False)[0]
        assert sdr(truth, estimate) == pytest.approx(float(expected[0]), abs=0.01)


def test_si_sdr_is_mir_evals_sources_of_a_filter_that_only_scales() -> None:
    separation: Any = pytest.importorskip("mir_eval.separation")
    # Where reference and error are white, the 512 taps that BSS Eval allows find nothing but the scale.
    truth, error = noise(0, 1, 400_000), noise(1, 1, 400_000)
    estimate = 0.4 * truth + 0.1 * error
    with pytest.warns(FutureWarning, match="Deprecated as of mir_eval version 0.8"):
        expected = separation.bss_eval_sources(truth, estimate, compute_permutation=False)[0]
    assert si_sdr(truth, estimate) == pytest.approx(float(expected[0]), abs=0.1)


def test_l1_freq_is_that_of_librosas_spectra(music: tuple[Stems, Stems]) -> None:
    librosa: Any = pytest.importorskip("librosa")
    stft = {"n_fft": 2048, "hop_length": 1024, "window": np.ones(2048), "pad_mode": "reflect"}
    for truth, estimate in pieces(*music):
        difference = np.abs(librosa.stft(truth, **stft)) - np.abs(librosa.stft(estimate, **stft))
        assert l1_freq(truth, estimate) == pytest.approx(100 / (1 + 10 * np.abs(difference).mean()), abs=1e-3)


@pytest.mark.parametrize("rate", [44100, 48000, 16000])
def test_bleedless_and_fullness_are_those_of_librosas_spectra(music: tuple[Stems, Stems], rate: int) -> None:
    librosa: Any = pytest.importorskip("librosa")

    def levels(audio: Stems) -> NDArray[np.floating]:
        spectra = np.abs(librosa.stft(audio, n_fft=4096, hop_length=1024, window="hann", pad_mode="constant"))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Empty filters detected")
            weights = librosa.filters.mel(sr=rate, n_fft=4096, n_mels=512)
        decibels = 20 * np.log10(np.maximum(weights @ spectra, 1e-10))
        return np.maximum(decibels, decibels.max() - 80)  # of all channels, which librosa's own function is not

    for truth, estimate in pieces(music[0], music[1]):
        difference = levels(estimate) - levels(truth)
        expected = [100 / (1 + side[side > 0].mean()) for side in (difference, -difference) if (side > 0).any()]
        got = bleedless_and_fullness(truth, estimate, rate)
        # Each mean is over the places that differ: whether those do that are alike but for rounding, rounding decides.
        assert [score for score in got if score < 100] == pytest.approx(expected, rel=3e-3)


def test_log_wmse_is_the_librarys(music: tuple[Stems, Stems]) -> None:
    library: Any = pytest.importorskip("log_wmse_audio_quality")
    mixture = music[0].sum(axis=0)
    for truth, estimate in pieces(*music):
        expected = library.calculate_log_wmse(mixture, estimate, truth, 44100)
        assert log_wmse(truth, estimate, mixture, 44100) == pytest.approx(float(expected))


# What is refused


@pytest.mark.parametrize("metric", [sdr, si_sdr, l1_freq, ideal_ratio_mask, static_wiener])
def test_arrays_that_do_not_fit_are_refused(metric: Any) -> None:
    name = "mixture" if metric in (ideal_ratio_mask, static_wiener) else "estimate"
    truth = noise(0, 2, 2000)
    with pytest.raises(ValueError, match=rf"^{name} must have the same shape as the reference, \(2, 2000\), got"):
        metric(truth, truth[:, :-1])
    with pytest.raises(ValueError, match=r"^reference must have shape \(channel, time\) .* got \(2000,\)$"):
        metric(truth[0], truth[0])
    with pytest.raises(TypeError, match=r"^reference must be floating point with full scale 1, got int16: divide"):
        metric(truth.astype(np.int16), truth)
    with pytest.raises(ValueError, match=rf"^{name} must be finite, got NaN or infinity$"):
        metric(truth, np.where(truth == truth[1, 7], np.nan, truth))


def test_arrays_that_cannot_be_written_to_are_scored() -> None:
    truth = noise(0, 2, 2000)
    truth.flags.writeable = False
    once = np.broadcast_to(truth[:1], truth.shape)
    assert 0 < l1_freq(truth, once) < 100
    assert sdr(truth, ideal_ratio_mask(truth, once + truth)) > sdr(truth, once + truth)


def test_too_little_and_too_flat_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^l1_freq needs at least 1025 samples, got 1024$"):
        l1_freq(noise(0, 1, 1024), noise(1, 1, 1024))
    assert 0 < l1_freq(noise(0, 1, 1025), noise(1, 1, 1025)) < 100
    with pytest.raises(ValueError, match=r"shape \(stem, channel, time\), .* got \(2, 9\) and \(2, 9\)$"):
        museval_sdr(noise(0, 2, 9), noise(1, 2, 9), 8)


# Anchors


def test_the_anchors_of_a_real_song_have_their_order(music: tuple[Stems, Stems]) -> None:
    truth, _ = music
    mixture = truth.sum(axis=0)
    for stem in truth:
        ideal, fixed = ideal_ratio_mask(stem, mixture), static_wiener(stem, mixture)
        assert sdr(stem, ideal) > sdr(stem, fixed) + 1
        assert sdr(stem, fixed) > sdr(stem, mixture) + 1
        assert sdr(stem, fixed) > 0


@given(seeds, st.integers(1, 2), st.integers(1, 5000))
def test_anchors_keep_shape_and_give_the_mixture_to_a_stem_that_is_all_of_it(
    seed: int, channels: int, time: int
) -> None:
    song = noise(seed, channels, time)
    for anchor in (ideal_ratio_mask, static_wiener):
        whole = anchor(song, song)
        assert (whole.shape, whole.dtype) == (song.shape, np.float32)
        np.testing.assert_allclose(whole, song, atol=1e-5)
        np.testing.assert_allclose(anchor(np.zeros_like(song), song), 0, atol=1e-5)


@settings(max_examples=30)
@given(seeds)
def test_the_estimates_of_two_stems_add_up_to_the_mixture(seed: int) -> None:
    one, other = noise(seed, 2, 3000), noise(seed + 1, 2, 3000) * np.linspace(0, 1, 3000, dtype=np.float32)
    for anchor in (ideal_ratio_mask, static_wiener):
        np.testing.assert_allclose(anchor(one, one + other) + anchor(other, one + other), one + other, atol=1e-5)


def test_the_static_filter_takes_stems_apart_by_their_frequencies() -> None:
    time = np.arange(4 * RATE) / RATE
    low, high = (np.sin(2 * np.pi * hertz * time)[None].astype(np.float32) for hertz in (200, 2000))
    assert si_sdr(low, static_wiener(low, low + high)) > 30
    assert si_sdr(low, static_wiener(low, 2 * low)) > 100  # equal spectra: half the mixture


def test_a_target_is_silent_below_60_decibels() -> None:
    def tone(level: float) -> NDArray[np.floating]:
        return np.full((2, 1000), 10 ** (level / 20))

    assert is_silent(np.zeros((2, 1000)))
    assert is_silent(tone(-60.1))
    assert not is_silent(tone(-59.9))
    short = np.zeros((1, 1000))
    short[0, 0] = 0.04  # -58 dB of the mean square, in one sample
    assert not is_silent(short)
