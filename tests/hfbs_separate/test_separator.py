"""From samples to stems in Python: shapes, channels, rates, chunks, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfbs_model import load_checkpoint
from hfbs_separate import OptionError, SeparationError, Separator

ROUNDING = 4 * np.finfo(np.float32).eps
# The fixtures used with @given are factories without state.
SHARED_FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[-1]).uniform(-1, 1, shape).astype(np.float32)


@SHARED_FIXTURES
@given(
    shape=st.tuples(st.integers(1, 3500)) | st.tuples(st.integers(1, 2), st.integers(1, 3500)),
    audio_channels=st.integers(1, 2),
    overlap=st.integers(1, 5),
    batch_size=st.integers(1, 4),
)
def test_a_model_that_gives_its_input_back_gives_the_song_back(
    gains_checkpoint: Callable[..., Any], shape: tuple[int, ...], audio_channels: int, overlap: int, batch_size: int
) -> None:
    """Whatever the channels of song and model, for any length, chunking and batch size."""
    checkpoint = gains_checkpoint((1.0, 0.5), audio_channels=audio_channels)
    separator = Separator(checkpoint, device="cpu", overlap=overlap, batch_size=batch_size)
    audio = noise(*shape)
    stems = separator.separate(audio, 8000)
    assert list(stems) == ["stem0", "stem1"]
    for stem, gain in zip(stems.values(), (1, 0.5), strict=True):
        assert (stem.shape, stem.dtype) == (shape, np.float32)
        np.testing.assert_allclose(stem, audio * gain, rtol=2 * ROUNDING, atol=0)


@SHARED_FIXTURES
@given(
    samples=st.integers(1, 3000),
    channels=st.integers(1, 2),
    sample_rate=st.sampled_from([1000, 7999, 11025, 16000, 44100, 96000]),
)
def test_stems_have_the_songs_length_at_any_rate(
    gains_checkpoint: Callable[..., Any], samples: int, channels: int, sample_rate: int
) -> None:
    separator = Separator(gains_checkpoint(), device="cpu")
    for stem in separator.separate(noise(channels, samples), sample_rate).values():
        assert stem.shape == (channels, samples)


def test_stems_of_another_rate_are_in_place(gains_checkpoint: Callable[..., Any]) -> None:
    time = np.arange(48000) / 48000
    audio = (np.sin(2 * np.pi * 440 * time) * np.hanning(48000)).astype(np.float32)
    stem = Separator(gains_checkpoint(sample_rate=44100, chunk_size=10000), device="cpu").separate(audio, 48000)[
        "stem0"
    ]
    np.testing.assert_allclose(stem, audio, atol=5e-6)


def test_a_mono_song_fills_both_channels_of_a_stereo_model_and_stems_are_their_mean(
    gains_checkpoint: Callable[..., Any],
) -> None:
    class LeftRight(torch.nn.Module):
        audio_channels = 2

        def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
            assert torch.equal(raw_audio[:, 0], raw_audio[:, 1])
            return (raw_audio * torch.tensor([[1.0], [3.0]]))[:, None]

    separator = Separator(gains_checkpoint((1.0,), model=LeftRight()), device="cpu", overlap=1)
    audio = noise(700)
    np.testing.assert_array_equal(separator.separate(audio, 8000)["stem0"], 2 * audio)


def test_the_channels_of_a_stereo_song_go_through_a_mono_model_by_themselves(
    gains_checkpoint: Callable[..., Any],
) -> None:
    checkpoint = gains_checkpoint(audio_channels=1)
    audio = noise(2, 2500)
    whole = Separator(checkpoint, device="cpu").separate(audio, 8000)["stem1"]
    alone = [Separator(checkpoint, device="cpu").separate(channel, 8000)["stem1"] for channel in audio]
    np.testing.assert_array_equal(whole, alone)


def test_the_model_gets_chunks_in_batches_and_a_short_song_whole(gains_checkpoint: Callable[..., Any]) -> None:
    checkpoint = gains_checkpoint()
    separator = Separator(checkpoint, device="cpu", batch_size=3)
    separator.separate(noise(2, 2500), 8000)
    assert checkpoint.model.shapes == [(3, 2, 1000), (3, 2, 1000)]
    checkpoint.model.shapes.clear()
    separator.separate(noise(2, 999), 8000)
    assert checkpoint.model.shapes == [(1, 2, 999)]


def test_options_take_the_place_of_the_configuration(gains_checkpoint: Callable[..., Any]) -> None:
    separator = Separator(gains_checkpoint(num_overlap=4), device="cpu")
    assert (separator.chunk_size, separator.overlap, separator.batch_size) == (1000, 4, 1)
    separator = Separator(gains_checkpoint(), device="cpu", chunk_seconds=0.5, overlap=8, batch_size=2)
    assert (separator.chunk_size, separator.overlap, separator.batch_size) == (4000, 8, 2)
    assert (separator.stems, separator.sample_rate, separator.audio_channels) == (("stem0", "stem1"), 8000, 2)
    assert repr(separator).startswith("Separator(stems=('stem0', 'stem1'), 8000 Hz, cpu, float32, ")


def test_progress_tells_chunks_done_and_in_all(gains_checkpoint: Callable[..., Any]) -> None:
    seen: list[tuple[int, int]] = []
    Separator(gains_checkpoint(), device="cpu", batch_size=4).separate(
        noise(2500), 8000, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(0, 6), (4, 6), (6, 6)]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floating_types_and_lists_are_taken(gains_checkpoint: Callable[..., Any], dtype: type) -> None:
    separator = Separator(gains_checkpoint(), device="cpu")
    audio = noise(2, 50).astype(dtype)
    for given_audio in (audio, audio[:, ::-1][:, ::-1], np.asfortranarray(audio), audio.tolist()):
        stem = separator.separate(given_audio, 8000)["stem0"]
        assert stem.dtype == np.float32
        np.testing.assert_allclose(stem, audio.astype(np.float32), rtol=ROUNDING)


def test_the_songs_array_is_not_changed(gains_checkpoint: Callable[..., Any]) -> None:
    audio = noise(2, 50)
    before = audio.copy()
    for stem in Separator(gains_checkpoint(), device="cpu").separate(audio, 8000).values():
        stem *= 0
    np.testing.assert_array_equal(audio, before)


@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        (np.zeros(9, np.int16), TypeError, r"floating point .* got int16: divide integer samples by full scale first"),
        (np.zeros(9, complex), TypeError, r"floating point .* got complex128"),
        (np.zeros((1, 2, 9)), ValueError, r"shape \(time,\) or \(channel, time\), got \(1, 2, 9\)"),
        (np.float32(1), ValueError, r"shape \(time,\) or \(channel, time\), got \(\)"),
        (np.zeros((900, 2)), ValueError, r"got shape \(900, 2\): it looks like \(time, channel\), so pass audio\.T"),
        (np.zeros((6, 900)), ValueError, r"one or two channels in its first axis, got shape \(6, 900\): downmix first"),
        (np.zeros((0, 900)), ValueError, r"one or two channels in its first axis, got shape \(0, 900\)"),
        (np.zeros((2, 0)), ValueError, r"at least one sample, got shape \(2, 0\)"),
        (np.array([[0.0, 0.0], [0.0, np.nan]]), ValueError, r"must be finite, got nan at index \(1, 1\)"),
        (np.array([0.0, -np.inf]), ValueError, r"must be finite, got -inf at index \(1,\)"),
        (np.array([1e300]), ValueError, r"must be finite, got inf at index \(0,\)"),
    ],
)
def test_audio_that_is_none_is_refused(
    gains_checkpoint: Callable[..., Any], audio: np.ndarray, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Separator(gains_checkpoint(), device="cpu").separate(audio, 8000)


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (44.1, TypeError, r"sample_rate must be an integer number of Hz, got 44\.1"),
        ("44100", TypeError, r"integer number of Hz, got '44100'"),
        (48, ValueError, r"sample_rate is in Hz, from 1000 to 1000000, got 48"),
        (-44100, ValueError, r"got -44100"),
    ],
)
def test_a_rate_that_is_none_is_refused(
    gains_checkpoint: Callable[..., Any], rate: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Separator(gains_checkpoint(), device="cpu").separate(np.zeros(9), rate)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 0}, r"overlap, how many chunks cover each sample, is from 1 to chunk_size \(1000\), got 0"),
        ({"overlap": 1001}, r"got 1001"),
        ({"chunk_seconds": -1.0}, r"chunk_seconds is the length of a chunk: a positive number of seconds, got -1\.0"),
        ({"batch_size": 0}, r"batch_size is how many chunks the model gets at once, at least 1, got 0"),
        ({"device": "tpu"}, r"device is one of auto, cpu, cuda, mps, got 'tpu'"),
        ({"precision": "int8"}, r"precision is one of auto, float32, bfloat16, float16, got 'int8'"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(
    gains_checkpoint: Callable[..., Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        Separator(gains_checkpoint(), **{"device": "cpu", **options})


@pytest.mark.parametrize(
    ("precision", "remedy"), [("float32", "the checkpoint may be damaged"), ("float16", "use float32")]
)
def test_nan_from_the_model_is_an_error_not_a_stem(
    gains_checkpoint: Callable[..., Any], precision: str, remedy: str
) -> None:
    separator = Separator(gains_checkpoint((1.0, float("nan"))), device="cpu", precision=precision)
    with pytest.raises(SeparationError, match=rf"^the model gave NaN or infinity in {precision}: {remedy}$"):
        separator.separate(noise(50), 8000)


def test_memory_that_runs_out_is_an_error_that_says_what_to_make_smaller(gains_checkpoint: Callable[..., Any]) -> None:
    class Greedy(torch.nn.Module):
        audio_channels = 2

        def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB.")

    separator = Separator(gains_checkpoint(model=Greedy(), chunk_size=64000), device="cpu", batch_size=4)
    with pytest.raises(
        SeparationError,
        match=r"^the memory of cpu ran out with chunks of 8\.0 s and a batch size of 4: make either smaller$",
    ):
        separator.separate(noise(50), 8000)


def test_precision_reaches_the_models_layers_and_the_sums_stay_float32(gains_checkpoint: Callable[..., Any]) -> None:
    class Recorder(torch.nn.Module):
        audio_channels = 2

        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(1, 1)
            self.seen: list[torch.dtype] = []

        def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
            hidden = self.linear(raw_audio[..., None])[..., 0]
            self.seen.append(hidden.dtype)
            assert torch.is_inference_mode_enabled()
            assert not self.training
            return hidden[:, None]

    for precision in ("float32", "bfloat16", "float16"):
        model = Recorder()
        checkpoint = gains_checkpoint((1.0,), model=model)
        stems = Separator(checkpoint, device="cpu", precision=precision).separate(noise(2, 50), 8000)
        assert model.seen == [getattr(torch, precision)]
        assert stems["stem0"].dtype == np.float32


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_real_checkpoint_separates_a_short_song_as_its_model_does(
    tiny_checkpoint: tuple[Path, Path], precision: str
) -> None:
    separator = Separator.from_checkpoint(*tiny_checkpoint, device="cpu", precision=precision)
    audio = noise(2, 3000)
    stems = separator.separate(audio, 8000)
    model = load_checkpoint(*tiny_checkpoint).model
    with torch.inference_mode():
        expected = model(torch.from_numpy(audio)[None])[0].numpy()
    difference = np.sqrt(np.mean((np.stack(list(stems.values())) - expected) ** 2) / np.mean(expected**2))
    assert list(stems) == ["vocals", "other"]
    assert difference < {"float32": 1e-6, "bfloat16": 5e-2, "float16": 5e-3}[precision]
    assert precision == "float32" or difference > 0


def test_batch_size_does_not_matter_to_a_real_model(tiny_checkpoint: tuple[Path, Path]) -> None:
    audio = noise(2, 20000)
    one, many = (
        Separator.from_checkpoint(*tiny_checkpoint, device="cpu", batch_size=size).separate(audio, 8000)["vocals"]
        for size in (1, 3)
    )
    np.testing.assert_allclose(one, many, atol=1e-6)
