"""Each effect does what it says, measured; and what an item gets depends on seed and item alone."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from hfbs_train import ConfigurationError
from hfbs_train._augmentation import _stretch
from hfbs_train._augmentation._filters import cookbook
from hfbs_train._fft import quick_length
from hfbs_train.augmentation import AugmentationSettings, augment, codec_round_trip, degrade, read_augmentation

RATE = 8000
CODECS = ["mp3", "opus", "aac"]
# Settings under which each effect changes nothing; codecs have none.
NEUTRAL: dict[str, dict[str, Any]] = {
    "speed": {"ratio": [1, 1]},
    "pitch_and_tempo": {"semitones": [0, 0], "tempo": [1, 1]},
    "equalizer": {"decibels": [0, 0]},
    "saturation": {"decibels": [-60, -60]},
    "clipping": {"decibels": [0, 0]},
    "reverb": {"decibels": [-100, -100]},
    "low_pass": {"hertz": [1e6, 1e6]},
    "pan": {"position": [0, 0]},
    "gain": {"decibels": [0, 0]},
}
EFFECTS = ["codec", *NEUTRAL, "channel_swap", "polarity"]
LINEAR = ["speed", "equalizer", "reverb", "low_pass", "pan", "channel_swap", "polarity", "gain"]
each_effect = pytest.mark.parametrize("effect", EFFECTS)
seeds = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def only(effect: str, **values: Any) -> AugmentationSettings:
    at_this_rate = {"hertz": [500, 3000]} if effect == "low_pass" else {}
    return read_augmentation({effect: {"probability": 1, **at_this_rate, **values}})


def changed(stems: Tensor, options: AugmentationSettings, indices: Sequence[int] = (0,), seed: int = 0) -> Tensor:
    return augment(stems, indices, options, seed=seed, sample_rate=RATE)


def sine(hertz: float, seconds: float = 2.0) -> Tensor:
    """One item, one stem, two channels that are alike."""
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    return (0.5 * torch.sin(2 * math.pi * hertz * time)).float().expand(1, 1, 2, -1)


def level(audio: Tensor) -> float:
    """Of the middle, in dB, mean square."""
    quarter = audio.shape[-1] // 4
    return 10 * math.log10(audio[..., quarter:-quarter].double().square().mean().item() + 1e-30)


def frequency(audio: Tensor) -> float:
    """Of the loudest partial of the first channel, in Hz."""
    signal = audio[0, 0, 0].double().numpy()
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal)), 1 << 18))
    return float(np.argmax(spectrum)) * RATE / (1 << 18)


# What an item gets


def test_what_is_not_named_is_off() -> None:
    stems = noise(0, 2, 2, 2, 500)
    assert read_augmentation({}) == read_augmentation(None) == AugmentationSettings()
    assert torch.equal(changed(stems, AugmentationSettings(), [0, 1]), stems)


@each_effect
def test_what_is_not_drawn_stays_to_the_bit(effect: str) -> None:
    stems, options = noise(0, 2, 2, 2, 6000), read_augmentation({effect: {"probability": 0}})
    after = changed(stems, options, [0, 1])
    start = (stems.shape[-1] - after.shape[-1]) and 512
    assert torch.equal(after, stems[..., start : start + after.shape[-1]])


@pytest.mark.parametrize("effect", NEUTRAL)
def test_neutral_parameters_change_nothing(effect: str) -> None:
    stems = noise(0, 2, 2, 2, 6000)
    after = changed(stems, only(effect, **NEUTRAL[effect]), [0, 1])
    start = (stems.shape[-1] - after.shape[-1]) and 512
    torch.testing.assert_close(after, stems[..., start : start + after.shape[-1]], rtol=1e-5, atol=1e-5)


@settings(max_examples=40)
@given(
    effect=st.sampled_from(EFFECTS),
    indices=st.lists(st.integers(0, 2**40), min_size=2, max_size=4, unique=True),
    seed=st.integers(0, 2**63),
    probability=st.sampled_from([0.5, 1.0]),
)
def test_an_item_gets_the_same_in_any_batch(effect: str, indices: list[int], seed: int, probability: float) -> None:
    stems, options = noise(0, len(indices), 2, 2, 6000), only(effect, probability=probability)
    torch.manual_seed(seed % 1000)
    np.random.seed(seed % 1000)
    together = augment(stems, torch.tensor(indices), options, seed=seed, sample_rate=RATE)
    for item, index in enumerate(indices):
        alone = augment(stems[item : item + 1], [index], options, seed=seed, sample_rate=RATE)
        torch.testing.assert_close(alone[0], together[item], rtol=1e-5, atol=1e-6)


@each_effect
def test_the_same_call_gives_the_same_bits(effect: str) -> None:
    stems, options = noise(0, 2, 2, 2, 6000), only(effect, probability=0.5)
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()  # pyright: ignore
    assert torch.equal(changed(stems, options, [3, 4]), changed(stems, options, [3, 4]))
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.random.get_state()[1].tolist() == state[1]  # pyright: ignore


@pytest.mark.parametrize("effect", [effect for effect in EFFECTS if effect not in ("polarity", "channel_swap")])
def test_another_item_seed_or_stem_gets_another_draw(effect: str) -> None:
    stems = noise(0, 1, 1, 2, 6000).expand(1, 2, -1, -1)
    apart = {"same_for_all_stems": False} if effect in ("speed", "pitch_and_tempo") else {}
    options = only(effect, **apart)
    one, other = changed(stems, options)[0]
    assert not torch.allclose(one, other)
    assert not torch.allclose(changed(stems, options, [1])[0, 0], one)
    assert not torch.allclose(changed(stems, options, seed=1)[0, 0], one)


@pytest.mark.parametrize("effect", ["speed", "pitch_and_tempo"])
def test_stems_that_fit_each_other_still_do(effect: str) -> None:
    stems = noise(0, 2, 1, 2, 6000).expand(2, 3, -1, -1)
    after = changed(stems, only(effect, probability=0.5), range(2))
    for stem in (1, 2):
        torch.testing.assert_close(after[:, stem], after[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("effect", ["polarity", "channel_swap", "gain"])
def test_a_share_of_the_stems_is_drawn_as_probable(effect: str) -> None:
    stems = torch.ones(1000, 2, 2, 1) * torch.tensor([1.0, 2.0])[:, None]
    share = (changed(stems, only(effect, probability=0.3), range(1000)) != stems).any(-1).any(-1).float().mean().item()
    assert 0.25 < share < 0.35


def test_every_item_has_its_number() -> None:
    with pytest.raises(ValueError, match="indices must have one number per item, got 1 for 2 items"):
        changed(noise(0, 2, 1, 2, 10), only("gain"), [0])


def test_an_effect_leaves_the_draws_of_others_alone() -> None:
    stems = noise(0, 4, 2, 2, 500)
    gain = changed(stems, read_augmentation({"gain": None}), range(4))
    both = changed(stems, read_augmentation({"gain": None, "polarity": {"probability": 1}}), range(4))
    torch.testing.assert_close(both, -gain)


@each_effect
@pytest.mark.parametrize("loudness", [0.0, 1e-30, 1e3])
def test_silent_and_loud_stems_stay_finite(effect: str, loudness: float) -> None:
    stems = loudness * noise(0, 2, 2, 2, 6000)
    after = changed(stems, only(effect), [0, 1])
    assert after.isfinite().all()
    if loudness == 0:
        assert not after.any()


@pytest.mark.parametrize("effect", LINEAR)
def test_linear_effects_are_linear(effect: str) -> None:
    one, other, options = noise(0, 1, 1, 2, 4000), noise(1, 1, 1, 2, 4000), only(effect)
    together = changed(2 * one - 3 * other, options)
    torch.testing.assert_close(together, 2 * changed(one, options) - 3 * changed(other, options), rtol=1e-4, atol=2e-5)


@each_effect
def test_what_comes_out_is_in_single_precision_and_has_no_gradient(effect: str) -> None:
    stems = noise(0, 1, 2, 2, 6000).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = changed(stems, only(effect))
    assert within.dtype == torch.float32
    assert not within.requires_grad
    assert torch.equal(within, changed(stems.detach().float(), only(effect)))


# Levels and channels


@given(seeds, st.floats(-30, 30))
@settings(max_examples=20)
def test_gain_is_a_factor(seed: int, decibels: float) -> None:
    stems = noise(seed, 1, 2, 2, 50)
    torch.testing.assert_close(
        changed(stems, only("gain", decibels=[decibels, decibels])), stems * 10 ** (decibels / 20)
    )


def test_gains_lie_within_their_range() -> None:
    stems = torch.ones(300, 1, 1, 1)
    decibels = 20 * changed(stems, only("gain", decibels=[-6, 3]), range(300)).log10()
    assert -6.001 < decibels.min() < -5
    assert 2 < decibels.max() < 3.001


def test_polarity_and_swap_undo_themselves() -> None:
    stems = noise(0, 2, 2, 2, 100)
    assert torch.equal(changed(stems, only("polarity"), [0, 1]), -stems)
    assert torch.equal(changed(stems, only("channel_swap"), [0, 1]), stems.flip(2))


@given(st.floats(-1, 1))
@settings(max_examples=20)
def test_panning_keeps_the_energy_of_what_is_as_loud_on_both_sides(position: float) -> None:
    stems = torch.ones(1, 1, 2, 10)
    left, right = changed(stems, only("pan", position=[position, position]))[0, 0, :, 0].tolist()
    assert left**2 + right**2 == pytest.approx(2, rel=1e-5)
    assert math.atan2(right, left) == pytest.approx(math.pi / 4 * (1 + position), abs=1e-5)


@pytest.mark.parametrize("effect", ["pan", "channel_swap"])
def test_effects_of_stereo_refuse_mono(effect: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{effect} needs two channels, got 1: leave it out of augmentation"):
        changed(noise(0, 1, 1, 1, 100), only(effect))


@given(seeds, st.floats(-20, 20))
@settings(max_examples=20)
def test_saturation_keeps_the_peak_and_the_order_of_samples(seed: int, decibels: float) -> None:
    stems = noise(seed, 1, 1, 1, 100)
    after = changed(stems, only("saturation", decibels=[decibels, decibels]))
    assert after.abs().max().item() == pytest.approx(stems.abs().max().item(), rel=1e-5)
    order = stems.flatten().argsort()
    assert (after.flatten()[order].diff() >= 0).all()
    assert level(after) >= level(stems) - 1e-3
    torch.testing.assert_close(changed(-stems, only("saturation", decibels=[decibels, decibels])), -after)


def test_clipping_cuts_at_a_level_below_the_peak() -> None:
    stems = noise(0, 1, 1, 2, 1000)
    ceiling = stems.abs().max() * 10 ** (-6 / 20)
    after = changed(stems, only("clipping", decibels=[6, 6]))
    torch.testing.assert_close(after, stems.clamp(-ceiling, ceiling))
    assert (after != stems).any()


# Filters


@settings(max_examples=40)
@given(
    shape=st.sampled_from(["low", "bell", "high"]),
    hertz=st.floats(60, 3500),
    decibels=st.floats(-20, 20),
    quality=st.floats(0.3, 5),
)
def test_the_cookbooks_filters_have_their_gain_where_they_say(
    shape: Any, hertz: float, decibels: float, quality: float
) -> None:
    numerator, denominator = cookbook(shape, hertz, decibels, quality, RATE)
    places = [0, 2 * math.pi * hertz / RATE, math.pi]
    at_dc, at_middle, at_nyquist = 20 * np.log10(np.abs(scipy.signal.freqz(numerator, denominator, places)[1]))
    expected = {
        "low": (decibels, decibels / 2, 0),
        "bell": (0, decibels, 0),
        "high": (0, decibels / 2, decibels),
    }[shape]
    np.testing.assert_allclose((at_dc, at_middle, at_nyquist), expected, atol=1e-6)


@settings(max_examples=10)
@given(seeds, st.floats(-12, 12), st.floats(100, 3000), st.floats(0.5, 2))
def test_the_equalizer_is_the_filter_run_sample_by_sample(
    seed: int, decibels: float, hertz: float, quality: float
) -> None:
    """With one bell between two shelves, each of one setting, and against scipy's recursion."""
    stems = noise(seed, 1, 1, 2, 3000)
    options = only(
        "equalizer",
        decibels=[decibels, decibels],
        bells=1,
        low_hertz=[100, 100],
        bell_hertz=[hertz, hertz],
        high_hertz=[2500, 2500],
        quality=[quality, quality],
    )
    expected: NDArray[Any] = stems.double().numpy()
    for shape, middle, width in (("low", 100.0, 0.5**0.5), ("bell", hertz, quality), ("high", 2500.0, 0.5**0.5)):
        expected = np.asarray(scipy.signal.lfilter(*cookbook(shape, middle, decibels, width, RATE), expected))
    np.testing.assert_allclose(changed(stems, options).numpy(), expected, atol=2e-5)


@pytest.mark.parametrize(
    ("effect", "settings"),
    [
        ("equalizer", {"decibels": [12, 12], "bell_hertz": [60, 60], "quality": [10, 10]}),
        ("equalizer", {"decibels": [-30, 30], "bell_hertz": [20, 40], "low_hertz": [20, 40]}),
        ("low_pass", {"hertz": [200, 200], "octaves": [0.05, 0.05]}),
    ],
)
def test_the_end_of_an_excerpt_does_not_ring_into_its_beginning(effect: str, settings: dict[str, Any]) -> None:
    stems = torch.zeros(1, 1, 2, 12 * RATE)
    stems[..., -1000:] = noise(0, 2, 1000)
    after = changed(stems, only(effect, **settings))
    assert after[..., : 2 * RATE].abs().max() < 1e-5 * after.abs().max()


def test_the_equalizer_has_its_shelves_gain_at_dc_and_nyquist() -> None:
    stems = torch.ones(1, 1, 1, 4 * RATE)
    alternating = stems * (1 - 2 * (torch.arange(4 * RATE) % 2))
    options = only("equalizer", decibels=[5, 5], bells=0, low_hertz=[200, 200], high_hertz=[1500, 1500])
    for signal in (stems, alternating):
        assert level(changed(signal, options)) - level(signal) == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize("octaves", [0.05, 0.5, 2])
def test_the_low_pass_passes_what_is_below_its_slope_and_nothing_above(octaves: float) -> None:
    options = only("low_pass", hertz=[1000, 1000], octaves=[octaves, octaves])
    for hertz, expected in ((1000 * 2 ** (-octaves / 2) * 0.99, 0.0), (1000.0, -6.02)):
        tone = sine(hertz)
        after = changed(tone, options)
        assert level(after) - level(tone) == pytest.approx(expected, abs=0.1)
        middle = slice(RATE // 2, -RATE // 2)
        torch.testing.assert_close(
            after[..., middle], tone[..., middle] * 10 ** (expected / 20), rtol=0, atol=0.01
        )  # no phase is turned
    assert level(changed(sine(1000 * 2 ** (octaves / 2) * 1.01), options)) < -60
    constant = torch.ones(1, 1, 1, 2 * RATE)
    assert level(changed(constant, options)) == pytest.approx(0, abs=0.01)


# Reverberation


def test_reverb_is_the_sound_and_a_tail_of_the_energy_and_decay_drawn() -> None:
    seconds, decibels, delay = 0.5, -6.0, 0.02
    options = only("reverb", seconds=[seconds] * 2, decibels=[decibels] * 2, delay_milliseconds=[1000 * delay] * 2)
    click = torch.zeros(1, 1, 2, RATE)
    click[..., 0] = 1
    response = changed(click, options)[0, 0].double()
    torch.testing.assert_close(response[:, 0], torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-5)
    start = 1 + round(delay * RATE)
    assert response[:, 1:start].abs().max() < 1e-6
    energies = response[:, start:].square()
    assert 10 * math.log10(energies.sum().item() / 2) == pytest.approx(decibels, abs=0.01)
    # The energy that is left falls by 60 dB in so many seconds: by 30 in half the time.
    left = energies.sum(0).flip(0).cumsum(0).flip(0)
    assert 10 * (left[0] / left[round(seconds / 2 * RATE)]).log10() == pytest.approx(30, abs=1.5)
    correlation = torch.corrcoef(response[:, start:])[0, 1]
    assert abs(correlation) < 0.15


def test_reverb_is_the_convolution_with_its_response() -> None:
    options = only("reverb", seconds=[0.1, 0.3])
    click = torch.zeros(1, 1, 2, 3000)
    click[..., 0] = 1
    stems = noise(0, 1, 1, 2, 3000)
    response = changed(click, options)[0, 0].numpy()
    expected = [scipy.signal.fftconvolve(*pair)[:3000] for pair in zip(stems[0, 0].numpy(), response, strict=True)]
    np.testing.assert_allclose(changed(stems, options)[0, 0].numpy(), expected, atol=1e-5)


# Speed, pitch and tempo


@settings(max_examples=20)
@given(st.floats(0.5, 2.0), st.floats(100, 1500))
def test_speed_moves_every_frequency_by_its_ratio(ratio: float, hertz: float) -> None:
    tone = sine(hertz)
    after = changed(tone, only("speed", ratio=[ratio, ratio]))
    assert frequency(after) == pytest.approx(hertz * ratio, rel=1e-3, abs=0.5)
    assert level(after) == pytest.approx(level(tone), abs=0.1)
    # Sample j is the tone at ratio · (j + 512), from the first sample to the last.
    rounded = min(max(round(ratio, 3), ratio), ratio)
    places = rounded * (torch.arange(after.shape[-1], dtype=torch.float64) + 512)
    drift = 0.01 + 2 * math.pi * hertz / RATE  # the number of samples is whole
    expected = 0.5 * torch.sin(2 * math.pi * hertz / RATE * places)
    assert (after[0, 0, 0].double() - expected).abs().max() < drift


def test_speed_lets_nothing_above_half_the_rate_come_back() -> None:
    assert level(changed(sine(3500), only("speed", ratio=[1.3, 1.3]))) < -60


@settings(max_examples=15)
@given(st.floats(-12, 12), st.floats(0.7, 1.4), st.floats(300, 900))
def test_pitch_and_tempo_move_apart(semitones: float, tempo: float, hertz: float) -> None:
    """A tone whose loudness swells tells both: its frequency the pitch, its loudest place the tempo."""
    seconds, loudest = 4.0, 2.0
    time = torch.arange(round(seconds * RATE)) / RATE
    tone = sine(hertz, seconds) * torch.exp(-((time - loudest) ** 2) / 0.1)
    after = changed(tone, only("pitch_and_tempo", semitones=[semitones] * 2, tempo=[tempo] * 2))
    assert frequency(after) == pytest.approx(hertz * 2 ** (semitones / 12), rel=2e-3)
    envelope = after[0, 0, 0].square()
    centre = (envelope * torch.arange(len(envelope))).sum() / envelope.sum() / RATE
    assert centre.item() == pytest.approx(loudest / tempo - 512 / RATE, abs=0.03)
    assert after.square().sum().item() == pytest.approx(tone.square().sum().item() / tempo, rel=0.1)


def test_the_vocoder_keeps_chords_pure_and_channels_together() -> None:
    chord = sine(440) + sine(660.5) + 0.3 * sine(2000)
    stems = torch.cat([chord[:, :, :1], -0.5 * chord[:, :, 1:]], 2)
    after = changed(stems, only("pitch_and_tempo", semitones=[1, 1]))
    torch.testing.assert_close(after[:, :, 1], -0.5 * after[:, :, 0], rtol=1e-3, atol=1e-3)
    signal = after[0, 0, 0, 2000:-2000].double().numpy()
    power = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
    hertz = np.fft.rfftfreq(len(signal), 1 / RATE)
    partials = np.min([np.abs(hertz - 1.059 * each) for each in (440, 660.5, 2000)], axis=0) < 8
    assert 10 * np.log10(power[partials].sum() / power[~partials].sum()) > 35


def test_what_a_phase_vocoder_plays_is_the_spectrum_of_a_real_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuFFT, with several frames at once, lets what is imaginary at 0 Hz and half the rate into the result."""
    inverse = _stretch._istft
    spectra: list[torch.Tensor] = []

    def seen(spectrum: torch.Tensor, *transform: Any, **options: Any) -> torch.Tensor:
        spectra.append(spectrum)
        return inverse(spectrum, *transform, **options)

    monkeypatch.setattr(_stretch, "_istft", seen)
    _stretch.stretch(noise(0, 1, 1, 2, 8000)[0, 0], 0.9, 8000)
    (spectrum,) = spectra
    assert not spectrum[:, [0, -1]].imag.any()
    assert spectrum[:, 1:-1].imag.any(-1).all()


@given(
    length=st.integers(1, 5000),
    speed=st.none() | st.tuples(st.floats(0.5, 2), st.floats(0.5, 2)).map(sorted),
    tempo=st.none() | st.tuples(st.floats(0.5, 2), st.floats(0.5, 2)).map(sorted),
)
@settings(max_examples=30)
def test_as_many_samples_come_out_as_were_asked_for(length: int, speed: Any, tempo: Any) -> None:
    values = {"speed": speed and {"ratio": speed}, "pitch_and_tempo": tempo and {"tempo": tempo}}
    options = read_augmentation({name: value for name, value in values.items() if value})
    needed = options.input_length(length)
    assert needed >= length
    assert options.output_length(needed) == length
    assert changed(noise(0, 1, 2, 1, needed), options).shape == (1, 2, 1, length)


def test_excerpts_too_short_to_be_played_faster_are_refused() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"excerpts of 100 samples are too short for speed or pitch_and_tempo, which need 1078 for one: make them",
    ):
        changed(noise(0, 1, 1, 1, 100), only("speed"))


# Codecs


def music(seed: int, time: int, sample_rate: int) -> NDArray[np.float32]:
    """Noise of two channels with little in high frequencies, which no codec leaves out altogether."""
    white = np.random.default_rng(seed).standard_normal((2, time))
    return np.asarray(scipy.signal.lfilter([0.05], [1, -0.95], white), np.float32)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000, 96000])
def test_a_codec_gives_as_many_samples_in_their_places(name: Any, sample_rate: int) -> None:
    before = music(0, sample_rate, sample_rate)
    after = codec_round_trip(before, name, sample_rate=sample_rate, kilobits=96.0)
    assert after.shape == before.shape
    assert after.dtype == np.float32
    for ours, theirs in zip(after, before, strict=True):
        assert np.argmax(scipy.signal.correlate(ours, theirs, method="fft")) == len(ours) - 1
    # The last samples are there as the first are.
    tenth = sample_rate // 10
    for part in (slice(0, tenth), slice(-tenth, None)):
        error = np.square(after[:, part] - before[:, part]).mean() / np.square(before[:, part]).mean()
        assert error < 0.2


@pytest.mark.parametrize(
    ("name", "kilobits", "hertz"), [("mp3", 32.0, 14000), ("aac", 32.0, 17000), ("opus", 96.0, 21000)]
)
def test_a_codec_lets_nothing_above_its_limit_through(name: Any, kilobits: float, hertz: float) -> None:
    """MP3 and AAC give the high frequencies up where bits are few, Opus always what is above 20 kHz."""
    before = 0.1 * np.random.default_rng(0).standard_normal((1, 48000)).astype(np.float32)
    high_pass = scipy.signal.butter(10, hertz, "highpass", fs=48000, output="sos")

    def high(audio: NDArray[Any]) -> float:
        return 10 * math.log10(np.square(np.asarray(scipy.signal.sosfilt(high_pass, audio))[:, 2400:-2400]).mean())

    after = codec_round_trip(before, name, sample_rate=48000, kilobits=kilobits)
    assert high(after) < high(before) - 20


@pytest.mark.parametrize("name", CODECS)
def test_more_bits_are_nearer(name: Any) -> None:
    before = music(0, 44100, 44100)
    errors = [
        np.square(codec_round_trip(before, name, sample_rate=44100, kilobits=bits) - before).mean()
        for bits in (32.0, 64.0, 128.0)
    ]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("time", [1, 10, 600, 1500])
def test_a_codec_takes_any_length(name: Any, channels: int, time: int) -> None:
    audio = 0.1 * np.random.default_rng(0).standard_normal((channels, time)).astype(np.float32)
    after = codec_round_trip(audio, name, sample_rate=44100, kilobits=96.0)
    assert after.shape == audio.shape
    assert np.isfinite(after).all()


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_does_not_clip(name: Any) -> None:
    before = 20 * music(0, 20000, 44100)
    after = codec_round_trip(before, name, sample_rate=44100, kilobits=128.0)
    assert np.square(after - before).mean() < 0.1 * np.square(before).mean()


def test_a_loaders_worker_gives_what_augment_gives() -> None:
    stems, options = noise(0, 2, 3, 2, 3000), only("codec", probability=0.5)
    assert options.codec is not None
    after = changed(stems, options, [5, 9], seed=3)
    for item, index in enumerate([5, 9]):
        own = degrade(stems[item].numpy(), options.codec, seed=3, index=index, sample_rate=RATE, numbers=range(3))
        np.testing.assert_array_equal(own, after[item].numpy())
        part = degrade(
            stems[item, [2, 0]].numpy(), options.codec, seed=3, index=index, sample_rate=RATE, numbers=[2, 0]
        )
        np.testing.assert_array_equal(part, own[[2, 0]])
    assert (after != stems).any()
    assert any(torch.equal(*pair) for pair in zip(after.flatten(0, 1), stems.flatten(0, 1), strict=True))


def test_a_codec_refuses_more_than_stereo() -> None:
    with pytest.raises(ConfigurationError, match="codec needs mono or stereo, got 3 channels"):
        codec_round_trip(np.ones((3, 10), np.float32), "mp3", sample_rate=44100, kilobits=64.0)


# What a configuration may say


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["gain"], r"augmentation must be a mapping of names to values, got \['gain'\]"),
        ({"chorus": {}}, r"augmentation: unknown key 'chorus'; there are codec, speed, pitch_and_tempo, equalizer, "),
        ({"gain": {"db": [0, 1]}}, r"augmentation\.gain: unknown key 'db'; there are probability, decibels"),
        ({"gain": 3}, r"augmentation\.gain must be a mapping of names to values, got 3"),
        ({"gain": {"decibels": 3}}, r"augmentation\.gain\.decibels must be a list, got 3"),
        ({"gain": {"decibels": [3]}}, r"augmentation\.gain\.decibels must be a list of 2 values, got \[3\]"),
        ({"gain": {"decibels": [0, "6"]}}, r"augmentation\.gain\.decibels must be a number, got '6'"),
        (
            {"gain": {"decibels": [6, -6]}},
            r"gain: decibels must be two numbers from -100 to 100, the smaller first, got \[6\.0, -6\.0\]",
        ),
        ({"polarity": {"probability": 1.5}}, r"augmentation\.polarity: probability must be from 0 to 1, got 1\.5"),
        ({"polarity": {"probability": math.nan}}, r"probability must be from 0 to 1, got nan"),
        ({"low_pass": {"hertz": [0, 4000]}}, r"hertz must be two numbers of at least 100, the smaller first, got \[0"),
        ({"low_pass": {"hertz": [100, math.inf]}}, r"hertz must be two numbers of at least 100, the smaller first"),
        ({"equalizer": {"bells": 2.5}}, r"augmentation\.equalizer\.bells must be a whole number, got 2\.5"),
        ({"equalizer": {"bells": -1}}, r"augmentation\.equalizer: bells must be from 0 to 20, got -1"),
        ({"speed": {"ratio": [0.9, 3]}}, r"ratio must be two numbers from 0\.5 to 2, the smaller first, got \[0\.9, 3"),
        ({"speed": {"same_for_all_stems": 1}}, r"speed\.same_for_all_stems must be true or false, got 1"),
        ({"codec": {"names": ["vorbis"]}}, r"augmentation\.codec\.names must be one of mp3, opus, aac, got 'vorbis'"),
        ({"codec": {"names": []}}, r"augmentation\.codec: names must list at least one of mp3, opus, aac, got none"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_augmentation(values)


def test_yaml_gives_all_settings() -> None:
    options = read_augmentation({"gain": None, "codec": {"names": ["mp3"]}, "equalizer": {"bells": 3}, "reverb": {}})
    assert options.gain is not None
    assert options.gain.decibels == (-6.0, 6.0)
    assert options.codec is not None
    assert options.codec.names == ("mp3",)
    assert options.equalizer is not None
    assert options.equalizer.bells == 3
    assert options.reverb is not None
    assert options.speed is None


@given(st.integers(1, 10**7))
def test_quick_lengths_are_not_much_longer(least: int) -> None:
    length = quick_length(least)
    assert least <= length <= max(1.25 * least, least + 1)
    while length % 2 == 0:
        length //= 2
    assert length in (1, 3, 5, 9, 15)
