"""A stream's stems come a stated number of samples later, and are those of its chunks cut offline."""

import itertools
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from hfbs_model import load_checkpoint
from hfbs_separate import OptionError, SeparationError, Separator
from hfbs_separate._live_plan import COST
from hfbs_separate.demo import MODEL
from hfbs_separate.live import LiveMeter, LivePlan, LiveSeparator

type Build = Callable[..., Any]


class Echo(torch.nn.Module):
    """A model that gives its input back, which a fixture could not give to generated tests."""

    audio_channels = 2
    stft_settings = SimpleNamespace(hop_length=1)
    parts = SimpleNamespace(recipe={})

    def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
        return raw_audio[:, None]


def echo() -> Any:
    """A checkpoint of it."""
    return SimpleNamespace(model=Echo(), stems=("all",), residual=None, sample_rate=8000, chunk_size=1, num_overlap=1)


def noise(samples: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(samples).uniform(-1, 1, (channels, samples)).astype(np.float32)


def whole(live: LiveSeparator, mixture: np.ndarray, lengths: Sequence[int] = ()) -> dict[str, np.ndarray]:
    """All that comes out, the flushed end included, for blocks of these lengths and one with the rest."""
    cuts = np.minimum(np.cumsum(lengths, dtype=int), mixture.shape[-1])
    parts = [live.process(block) for block in np.split(mixture, cuts, axis=1)]
    parts.append(live.flush())
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in live.stems}


def offline(model: Callable[[torch.Tensor], torch.Tensor], mixture: np.ndarray, plan: LivePlan) -> np.ndarray:
    """The same chunks cut from the whole song, separated one by one and crossfaded, (stem, channel, time): slowly."""
    samples = mixture.shape[-1]
    padded = np.pad(mixture, [(0, 0), (plan.chunk_size, plan.chunk_size + plan.latency)])
    total: np.ndarray | None = None
    weights = np.zeros(padded.shape[-1])
    for end in itertools.count(plan.hop, plan.hop):
        start = end - plan.chunk_size
        first = end - plan.latency  # of those kept
        if first >= samples:
            break
        chunk = padded[:, start + plan.chunk_size : end + plan.chunk_size]
        with torch.inference_mode():
            estimate = model(torch.tensor(chunk[np.newaxis]))[0].double().numpy()
        total = np.zeros((*estimate.shape[:2], padded.shape[-1])) if total is None else total
        for offset in range(plan.hop + plan.crossfade):
            rising = (offset + 1) / (plan.crossfade + 1)
            falling = (plan.hop + plan.crossfade - offset) / (plan.crossfade + 1)
            weight = min(rising, falling, 1.0)
            place = plan.chunk_size + first + offset
            total[:, :, place] += weight * estimate[:, :, first - start + offset]
            weights[place] += weight
    assert total is not None
    heard = slice(plan.chunk_size, plan.chunk_size + samples)
    np.testing.assert_allclose(weights[heard], 1, rtol=1e-12)
    return total[..., heard]


PLANS = [LivePlan(1, 0, 0, 1), LivePlan(64, 0, 0, 64), LivePlan(64, 64, 32, 512), LivePlan(192, 37, 192, 1024)]


@pytest.mark.parametrize("plan", PLANS)
def test_stems_are_those_of_the_same_chunks_cut_offline(tiny_checkpoint: tuple[Path, Path], plan: LivePlan) -> None:
    checkpoint = load_checkpoint(*tiny_checkpoint)
    mixture = noise(40 if plan.hop == 1 else 1500)
    live = LiveSeparator(checkpoint, plan, device="cpu", precision="float32")
    stems = whole(live, mixture)
    expected = offline(checkpoint.model, mixture, plan)
    for name, stem in zip(live.stems, expected, strict=True):
        assert stems[name].shape == (2, mixture.shape[1] + plan.latency)
        np.testing.assert_allclose(stems[name][:, plan.latency :], stem, atol=2e-6)


def test_of_chunks_with_nothing_else_kept_stems_are_those_of_the_separator(tiny_checkpoint: tuple[Path, Path]) -> None:
    mixture = noise(4096)
    live = LiveSeparator.from_checkpoint(*tiny_checkpoint, latency=LivePlan(4096, 0, 0, 4096), device="cpu")
    expected = Separator.from_checkpoint(*tiny_checkpoint, device="cpu", chunk_seconds=4096 / 8000).separate(
        mixture, 8000
    )
    for name, stem in whole(live, mixture).items():
        np.testing.assert_allclose(stem[:, live.latency :], expected[name], atol=1e-7)


@pytest.mark.parametrize("latency", [0.02, 0.1, 0.3, 0.5, 1.0, 9.0])
@pytest.mark.parametrize("place", [0, 777])
def test_an_impulse_comes_out_the_stated_latency_later(gains_checkpoint: Build, latency: float, place: int) -> None:
    live = LiveSeparator(gains_checkpoint((1.0,)), latency, device="cpu")
    assert live.latency == live.plan.hop + live.plan.crossfade + live.plan.look_ahead <= latency * 8000
    impulse = np.zeros((2, 1000), np.float32)
    impulse[:, place] = 1
    (heard,) = whole(live, impulse, [100] * 9).values()
    expected = np.zeros_like(heard)
    expected[:, place + live.latency] = 1
    np.testing.assert_array_equal(heard, expected)


@pytest.mark.parametrize("latency", [0.1, 0.4])
def test_a_noise_burst_through_a_real_model_comes_out_the_stated_latency_later(latency: float) -> None:
    live = LiveSeparator.from_checkpoint(MODEL, latency=latency, device="cpu", chunk_seconds=0.7)
    mixture = np.pad(noise(4410) / 4, [(0, 0), (20000, 30000)])
    heard = sum(whole(live, mixture).values())
    assert isinstance(heard, np.ndarray)
    spectra = np.fft.rfft(heard[0], 1 << 18) * np.fft.rfft(mixture[0], 1 << 18).conj()
    assert np.fft.irfft(spectra).argmax() == live.latency


@given(
    lengths=st.lists(st.integers(0, 700), max_size=12),
    hop=st.integers(1, 200),
    look_ahead=st.integers(0, 100),
    share=st.floats(0, 1),
    context=st.integers(0, 300),
    samples=st.integers(1, 800),
)
@example(lengths=[0, 1, 0, 699], hop=1, look_ahead=0, share=1.0, context=0, samples=700)
def test_a_model_that_gives_its_input_back_gives_the_stream_to_the_bit_however_it_is_cut(
    lengths: list[int], hop: int, look_ahead: int, share: float, context: int, samples: int
) -> None:
    crossfade = round(share * hop)
    plan = LivePlan(hop, look_ahead, crossfade, hop + look_ahead + crossfade + context)
    live = LiveSeparator(echo(), plan, device="cpu")
    mixture = noise(samples)
    (heard,) = whole(live, mixture, lengths).values()
    np.testing.assert_array_equal(heard, np.pad(mixture, [(0, 0), (plan.latency, 0)]))


def test_how_a_stream_is_cut_changes_no_bit_of_a_real_models_stems(tiny_checkpoint: tuple[Path, Path]) -> None:
    live = LiveSeparator.from_checkpoint(*tiny_checkpoint, latency=0.05, device="cpu")
    mixture = noise(3000)
    at_once = whole(live, mixture)
    in_blocks = whole(live, mixture, [1, 2, 500, 0, 63, 64, 65, 1111, 7])
    for name, stem in at_once.items():
        np.testing.assert_array_equal(in_blocks[name], stem)


def test_a_new_stream_hears_nothing_of_the_last(tiny_checkpoint: tuple[Path, Path]) -> None:
    live = LiveSeparator.from_checkpoint(*tiny_checkpoint, latency=0.05, device="cpu")
    first = whole(live, noise(700))
    assert live.meter.hops == 0
    live.process(noise(333))
    live.reset()
    for name, stem in whole(live, noise(700)).items():
        np.testing.assert_array_equal(stem, first[name])


def test_stems_are_chosen_and_residuals_are_of_the_mixture_then(gains_checkpoint: Build) -> None:
    checkpoint = gains_checkpoint((1.0, 0.5, 0.25))
    live = LiveSeparator(
        checkpoint, 0.02, stems=["stem2"], residuals={"rest": ["stem1"], "both": ["stem1", "stem2"]}, device="cpu"
    )
    assert live.stems == ("stem2", "rest", "both")
    mixture = noise(900)
    for (name, stem), gain in zip(whole(live, mixture, [200, 33]).items(), (0.25, 0.5, 0.25), strict=True):
        np.testing.assert_allclose(stem[:, live.latency :], gain * mixture, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("stems", [None, ["rest"], ["rest", "stem0"]])
def test_what_the_stems_leave_is_given_as_offline(gains_checkpoint: Build, stems: Sequence[str] | None) -> None:
    mixture = noise(900)
    live = LiveSeparator(gains_checkpoint((0.5, 0.25), residual="rest"), 0.02, stems=stems, device="cpu")
    offline = Separator(gains_checkpoint((0.5, 0.25), residual="rest"), stems=stems, device="cpu")
    given, expected = whole(live, mixture, [200, 33]), offline.separate(mixture, 8000)
    assert list(given) == list(expected)
    for name, stem in given.items():
        np.testing.assert_allclose(stem[:, live.latency :], expected[name], atol=1e-6, err_msg=name)


def test_the_model_gets_one_chunk_of_the_same_length_for_each_hop(gains_checkpoint: Build) -> None:
    checkpoint = gains_checkpoint()
    live = LiveSeparator(checkpoint, LivePlan(100, 20, 10, 300), device="cpu")
    calls = checkpoint.model.shapes
    calls.clear()  # of the silence that makes ready
    for length in (99, 1, 100, 250, 0, 49):
        live.process(noise(length))
    assert calls == [(1, 2, 300)] * 4
    assert live.meter.hops == 4


def test_memory_does_not_grow_with_the_stream() -> None:
    live = LiveSeparator(echo(), LivePlan(100, 20, 10, 300), residuals={"rest": ["all"]}, device="cpu")
    buffers = {name: id(value) for name, value in vars(live).items() if isinstance(value, np.ndarray)}
    block = noise(70)

    def traced(blocks: int) -> int:
        for _ in range(blocks):
            live.process(block)
        return tracemalloc.get_traced_memory()[0]

    traced(50)
    tracemalloc.start()
    try:
        early, late = traced(50), traced(2000)
    finally:
        tracemalloc.stop()
    assert late - early < 4000  # two bytes a block
    assert buffers == {name: id(value) for name, value in vars(live).items() if isinstance(value, np.ndarray)}


def test_tensors_come_back_as_tensors(gains_checkpoint: Build) -> None:
    live = LiveSeparator(gains_checkpoint(), 0.02, device="cpu")
    given = live.process(torch.zeros(2, 50, dtype=torch.float64))
    assert all(isinstance(stem, torch.Tensor) and stem.dtype == torch.float32 for stem in given.values())
    assert {name: tuple(stem.shape) for name, stem in given.items()} == {"stem0": (2, 50), "stem1": (2, 50)}


@pytest.mark.parametrize(
    ("channels", "block", "kind", "message"),
    [
        (2, np.zeros((2, 5), np.int16), TypeError, "floating point with full scale 1, got int16: divide"),
        (2, torch.zeros((2, 5), dtype=torch.int16), TypeError, "floating point with full scale 1, got int16: divide"),
        (
            2,
            np.zeros((5, 2)),
            ValueError,
            r"2 channels, got \(5, 2\): .* \(time, channel\), so pass block.T",
        ),
        (2, np.zeros(5), ValueError, r"got \(5,\): give mono as both channels, np.broadcast_to"),
        (1, np.zeros((2, 5)), ValueError, "1 channel, got .*each channel of stereo to a separator of its own"),
        (2, np.array([[0, 0], [0, np.nan]]), ValueError, r"must be finite, got nan at index \(1, 1\)"),
        (2, np.array([[1e300, 0], [0, 0]]), ValueError, r"must be finite, got inf at index \(0, 0\)"),
    ],
)
def test_a_block_that_is_none_is_refused_and_not_taken(
    gains_checkpoint: Build, channels: int, block: np.ndarray, kind: type[Exception], message: str
) -> None:
    live = LiveSeparator(gains_checkpoint((1.0,), audio_channels=channels), 0.02, device="cpu")
    with pytest.raises(kind, match=message):
        live.process(block)
    mixture = noise(500, channels)
    (heard,) = whole(live, mixture).values()
    np.testing.assert_array_equal(heard[:, live.latency :], mixture)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latency": 0.0}, "latency is in seconds, at least 0.016 for this model, whose frames are 64 samples apart"),
        ({"latency": float("nan")}, "got nan"),
        ({"chunk_seconds": 0.02}, "has at least 192 samples, .* got 160: give chunk_seconds of 0.024 or more"),
        ({"chunk_seconds": -1.0}, "chunk_seconds is the length of a chunk: a positive number of seconds, got -1"),
        ({"latency": LivePlan(64, 0, 0, 64), "chunk_seconds": 1.0}, "leave out chunk_seconds"),
        ({"device": "cuda:0,cuda:1"}, "PyTorch sees"),
        ({"stems": ["drums"]}, "the model has no stem 'drums', but vocals, other"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="names GPUs that are not there")
def test_options_out_of_range_are_refused(
    tiny_checkpoint: tuple[Path, Path], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        LiveSeparator.from_checkpoint(*tiny_checkpoint, **{"device": "cpu", **options})


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 0, 0, 10), "a hop of at least 1 sample"),
        ((10, -1, 0, 20), "a look_ahead of at least 0"),
        ((10, 0, 11, 40), "a crossfade from 0 to the hop, got 10, 0 and 11"),
        ((10, 5, 5, 19), "a chunk holds hop, crossfade and look-ahead, 20 samples here, and has 19"),
    ],
)
def test_an_impossible_plan_is_refused(numbers: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        LivePlan(*numbers)


@given(
    latency=st.floats(0.05, 20),
    hop_length=st.sampled_from([256, 441, 512, 1024]),
    sample_rate=st.sampled_from([44100, 48000]),
    longest_chunk=st.integers(4096, 600_000),
    chunk_seconds=st.none() | st.floats(0.1, 20),
)
def test_a_plan_keeps_its_budget_and_its_frames(
    latency: float, hop_length: int, sample_rate: int, longest_chunk: int, chunk_seconds: float | None
) -> None:
    plan = LivePlan.within(
        latency,
        sample_rate=sample_rate,
        hop_length=hop_length,
        longest_chunk=longest_chunk,
        chunk_seconds=chunk_seconds,
    )
    longest = longest_chunk if chunk_seconds is None else round(chunk_seconds * sample_rate)
    assert plan.latency <= latency * sample_rate
    assert plan.latency == min(int(latency * sample_rate), 2 * (longest - longest % hop_length) // 3)
    assert plan.hop % hop_length == plan.chunk_size % hop_length == 0
    assert plan.latency <= plan.chunk_size <= longest
    assert chunk_seconds is not None or plan.cost <= COST
    assert plan.crossfade + plan.look_ahead > 0


def test_a_model_without_numbers_is_an_error(gains_checkpoint: Build) -> None:
    with pytest.raises(SeparationError, match="the model gave NaN or infinity in float32: the checkpoint"):
        LiveSeparator(gains_checkpoint((float("nan"),)), 0.02, device="cpu", precision="float32")


def test_a_hop_in_time_is_no_drop_out_and_delay_is_carried_on() -> None:
    meter = LiveMeter(hop_seconds=1.0)
    for seconds, drop_outs, behind in ((0.5, 0, 0), (1.0, 0, 0), (1.75, 1, 0.75), (0.75, 2, 0.5), (0.25, 2, 0)):
        meter.add(seconds)
        assert (meter.drop_outs, meter.behind) == (drop_outs, behind)
    assert (meter.hops, meter.seconds, meter.load, meter.highest_load) == (5, 5.0, 0.85, 1.75)


def test_a_stream_that_did_not_begin_has_no_load() -> None:
    assert LiveMeter(0.1).load == LiveMeter(0.1).highest_load == 0


def test_the_meter_goes_by_the_clock_that_it_is_given(gains_checkpoint: Build) -> None:
    times = iter([0.0, 0.01, 1.0, 1.1])
    live = LiveSeparator(gains_checkpoint(), LivePlan(160, 0, 0, 160), device="cpu", clock=lambda: next(times))
    live.process(noise(320))
    assert (live.meter.hops, live.meter.drop_outs) == (2, 1)
    assert live.meter.longest == pytest.approx(0.1)
