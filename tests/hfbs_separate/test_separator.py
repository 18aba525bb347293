"""From samples to stems in Python: shapes, channels, rates, chunks, and what is refused."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfbs_model import load_checkpoint
from hfbs_separate import OptionError, SeparationError, Separator
from hfbs_separate._audio_source import ArraySource

from .conftest import FakeModel, Gains, noise

ROUNDING = 4 * np.finfo(np.float32).eps
# The fixtures used with @given are factories without state.
SHARED_FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


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
    class LeftRight(FakeModel):
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
    separator = Separator(gains_checkpoint(), device="cpu", precision="float32")
    assert repr(separator).startswith("Separator(stems=('stem0', 'stem1'), 8000 Hz, cpu, float32, ")


def test_progress_tells_samples_done_and_in_all(gains_checkpoint: Callable[..., Any]) -> None:
    seen: list[tuple[int, int | None]] = []
    Separator(gains_checkpoint(), device="cpu", batch_size=2).separate(
        noise(2500), 8000, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(0, 2500), (500, 2500), (1500, 2500), (2500, 2500)]


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
        (torch.zeros(9, dtype=torch.int16), TypeError, r"floating point .* got int16: divide integer samples"),
        (torch.zeros(9, dtype=torch.complex64), TypeError, r"floating point .* got complex64"),
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
        ({"chunking": "demucs"}, r"chunking is one of clean, msst, audio-separator, got 'demucs'"),
        (
            {"shifts": 2, "chunking": "msst"},
            r"shifts are passes with clean chunking, got shifts=2 with chunking='msst'",
        ),
        ({"stems": ["piano"]}, r"the model has no stem 'piano', but stem0, stem1, rest"),
        ({"residuals": {"all": ["rest"]}}, r"the model has no stem 'rest', but stem0, stem1"),
        ({"stems": ["rest"], "residuals": {"rest": ["stem0"]}}, r"the stem 'rest' would be given twice"),
        ({"residuals": {"rest": ["piano"]}}, r"the model has no stem 'piano', but stem0, stem1"),
        ({"stems": []}, r"no stem was chosen: name at least one of stem0, stem1, rest"),
        ({"stems": ["stem0", "stem0"]}, r"the stem 'stem0' would be given twice"),
        ({"residuals": {"stem1": ["stem0"]}}, r"the stem 'stem1' would be given twice"),
        ({"device": "tpu"}, r"device is one of auto, cpu, cuda, mps, or several .*, got 'tpu'"),
        ({"precision": "int8"}, r"precision is one of auto, float32, bfloat16, float16, got 'int8'"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(
    gains_checkpoint: Callable[..., Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        Separator(gains_checkpoint(residual="rest"), **{"device": "cpu", **options})


@pytest.mark.parametrize(
    ("precision", "remedy"), [("float32", "the checkpoint may be damaged"), ("float16", "use float32")]
)
def test_nan_from_the_model_is_an_error_not_a_stem(
    gains_checkpoint: Callable[..., Any], precision: str, remedy: str
) -> None:
    separator = Separator(gains_checkpoint((1.0, float("nan"))), device="cpu", precision=precision)
    with pytest.raises(SeparationError, match=rf"^the model gave NaN or infinity in {precision}: {remedy}$"):
        separator.separate(noise(50), 8000)


class Holding(FakeModel):
    """Memory for so many samples; gives what depends on the whole chunk."""

    def __init__(self, samples: int, error: Exception) -> None:
        super().__init__()
        self.samples, self.error = samples, error
        self.tried: list[tuple[int, int]] = []

    def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
        batch, _, length = raw_audio.shape
        self.tried.append((batch, length))
        if batch * length > self.samples:
            raise self.error
        return (raw_audio * raw_audio.mean(dim=(1, 2), keepdim=True))[:, None]


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.00 GB)"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_memory_that_runs_out_halves_the_batch_and_changes_no_stem(
    gains_checkpoint: Callable[..., Any], error: Exception
) -> None:
    song, notes = noise(2, 9000), []
    plenty, scarce = Holding(10**9, error), Holding(2500, error)
    expected = Separator(gains_checkpoint((1.0,), model=plenty), device="cpu", batch_size=8).separate(song, 8000)
    separator = Separator(gains_checkpoint((1.0,), model=scarce), device="cpu", batch_size=8)
    blocks = [block["stem0"] for block in separator.stream(ArraySource(song, 8000), note=notes.append)]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=-1), expected["stem0"])
    assert [batch for batch, _ in scarce.tried[:3]] == [8, 4, 2]
    assert notes == [
        "the memory of cpu ran out with 8 chunks at once: going on with 4, which changes nothing else",
        "the memory of cpu ran out with 4 chunks at once: going on with 2, which changes nothing else",
    ]


def test_memory_that_holds_no_chunk_halves_it_as_if_it_had_been_asked_for(
    gains_checkpoint: Callable[..., Any],
) -> None:
    song, notes = noise(2, 9000), []
    scarce = Holding(300, OUT_OF_MEMORY[0])
    separator = Separator(gains_checkpoint((1.0,), model=scarce), device="cpu")
    blocks = [block["stem0"] for block in separator.stream(ArraySource(song, 8000), note=notes.append)]
    asked = Separator(
        gains_checkpoint((1.0,), model=Holding(300, OUT_OF_MEMORY[0])), device="cpu", chunk_seconds=250 / 8000
    )
    np.testing.assert_array_equal(np.concatenate(blocks, axis=-1), asked.separate(song, 8000)["stem0"])
    assert notes == [
        "the memory of cpu does not hold a single chunk: chunks are halved to 0.0625 s for this song",
        "the memory of cpu does not hold a single chunk: chunks are halved to 0.0312 s for this song",
    ]


def test_chunks_of_a_short_song_are_halved_as_others_are(gains_checkpoint: Callable[..., Any]) -> None:
    scarce = Holding(600, OUT_OF_MEMORY[0])
    scarce.stft_settings = SimpleNamespace(hop_length=4)  # chunks of 255 hops, where the usual ones have 250
    separator = Separator(gains_checkpoint((1.0,), model=scarce), device="cpu", chunking="audio-separator")
    stems = separator.separate(noise(2, 3000), 8000)
    assert stems["stem0"].shape == (2, 3000)
    assert [length for _, length in scarce.tried[:2]] == [1020, 508]


def test_memory_that_holds_nothing_is_an_error(gains_checkpoint: Callable[..., Any]) -> None:
    separator = Separator(gains_checkpoint((1.0,), model=Holding(0, OUT_OF_MEMORY[0])), device="cpu")
    with pytest.raises(SeparationError, match=r"^the memory of cpu does not hold a single chunk of 0\.000375 s$"):
        separator.separate(noise(50), 8000)


def test_another_error_of_the_model_is_not_taken_for_memory(gains_checkpoint: Callable[..., Any]) -> None:
    model = Holding(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Separator(gains_checkpoint((1.0,), model=model), device="cpu").separate(noise(50), 8000)


@SHARED_FIXTURES
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=9), sample_rate=st.sampled_from([8000, 7999, 44100]))
def test_how_a_song_comes_changes_no_bit(
    gains_checkpoint: Callable[..., Any], sizes: list[int], sample_rate: int
) -> None:
    """Blocks of any size, batches of any size: the stems are those of the song as one array."""
    song = noise(2, sum(sizes) + 1)

    class Source:
        channels, samples = 2, None

        def __init__(self) -> None:
            self.sample_rate = sample_rate

        def blocks(self) -> Iterator[np.ndarray]:
            yield from np.split(song, np.cumsum(sizes), axis=-1)

    model = Holding(10**9, OUT_OF_MEMORY[0])
    whole = Separator(gains_checkpoint((1.0,), model=model), device="cpu").separate(song, sample_rate)
    separator = Separator(
        gains_checkpoint((1.0,), model=model), device="cpu", batch_size=3, residuals={"rest": ["stem0"]}
    )
    blocks = list(separator.stream(Source()))
    for name, expected in (whole | {"rest": song - whole["stem0"]}).items():
        np.testing.assert_array_equal(np.concatenate([block[name] for block in blocks], axis=-1), expected)


def test_a_tensor_gives_tensors(gains_checkpoint: Callable[..., Any]) -> None:
    song = torch.from_numpy(noise(2, 3000))
    separator = Separator(gains_checkpoint(), device="cpu", precision="float32")
    stems = separator.separate(song, 8000)
    assert torch.equal(stems["stem0"], song)
    assert torch.equal(stems["stem1"], song / 2)


def test_only_the_stems_chosen_are_computed(gains_checkpoint: Callable[..., Any]) -> None:
    class Asked(Gains):
        def forward(self, raw_audio: torch.Tensor, active_stem_ids: Sequence[int] | None = None) -> torch.Tensor:
            asked.append(None if active_stem_ids is None else list(active_stem_ids))
            return super().forward(raw_audio, active_stem_ids)

    asked: list[list[int] | None] = []
    gains = (1.0, 0.5, 0.25)
    song = noise(2, 700)

    def separate(**options: Any) -> dict[str, np.ndarray]:
        checkpoint = gains_checkpoint(gains, model=Asked(gains, 2))
        return Separator(checkpoint, device="cpu", precision="float32", **options).separate(song, 8000)

    stems = separate(stems=["stem2"])
    assert (list(stems), asked) == (["stem2"], [[2]])
    np.testing.assert_array_equal(stems["stem2"], song / 4)

    stems = separate(stems=["stem2", "stem0"])
    assert (list(stems), asked[1:]) == (["stem2", "stem0"], [[0, 2]])
    np.testing.assert_array_equal(stems["stem0"], song)
    np.testing.assert_array_equal(stems["stem2"], song / 4)

    stems = separate(stems=["stem0"], residuals={"rest": ["stem1", "stem2"]})
    assert (list(stems), asked[2:]) == (["stem0", "rest"], [None])
    np.testing.assert_allclose(stems["rest"], song / 4, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"stem0": 0.25, "stem1": 0.5, "rest": 0.25}),
        ({"stems": ["rest"]}, {"rest": 0.25}),
        ({"stems": ["rest", "stem1"]}, {"rest": 0.25, "stem1": 0.5}),
        ({"stems": ["stem1", "stem0"]}, {"stem1": 0.5, "stem0": 0.25}),
        ({"residuals": {"all but one": ["stem1"]}}, {"stem0": 0.25, "stem1": 0.5, "rest": 0.25, "all but one": 0.5}),
        ({"residuals": {"rest": ["stem0"]}}, {"stem0": 0.25, "stem1": 0.5, "rest": 0.75}),
        ({"stems": ["stem0"], "residuals": {"rest": ["stem0"]}}, {"stem0": 0.25, "rest": 0.75}),
    ],
)
def test_what_the_stems_leave_is_given_last_unless_others_are_chosen(
    gains_checkpoint: Callable[..., Any], options: dict[str, Any], expected: dict[str, float]
) -> None:
    checkpoint = gains_checkpoint((0.25, 0.5), residual="rest")
    song = noise(2, 2500)
    stems = Separator(checkpoint, device="cpu", precision="float32", **options).separate(song, 8000)
    assert list(stems) == list(expected)
    for name, gain in expected.items():
        np.testing.assert_allclose(stems[name], gain * song, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("audio_channels", [1, 2])
def test_test_time_augmentation_averages_over_swapped_channels_and_polarity(
    gains_checkpoint: Callable[..., Any], audio_channels: int
) -> None:
    """What is left of a model whose left channel is louder and that adds a constant."""

    class Lopsided(FakeModel):
        def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
            return (raw_audio * torch.tensor([1.0, 3.0])[:audio_channels, None] + 0.25)[:, None]

    model = Lopsided()
    model.audio_channels = audio_channels
    song = noise(audio_channels, 900)
    separator = Separator(gains_checkpoint((1.0,), model=model), device="cpu", test_time_augmentation=True)
    stem = separator.separate(song, 8000)["stem0"]
    if audio_channels == 1:
        np.testing.assert_allclose(stem, song, atol=1e-6)
    else:
        gain = np.array([[(1 + 3 + 1) / 3], [(3 + 1 + 3) / 3]])
        np.testing.assert_allclose(stem, gain * song + 0.25 / 3, atol=1e-6)


def test_several_threads_separate_at_once(tiny_checkpoint: tuple[Path, Path]) -> None:
    separator = Separator.from_checkpoint(*tiny_checkpoint, device="cpu")
    songs = [noise(2, 9000 + 500 * number) for number in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda song: separator.separate(song, 8000), songs))
    for song, stems in zip(songs, together, strict=True):
        np.testing.assert_array_equal(stems["vocals"], separator.separate(song, 8000)["vocals"])


def test_precision_reaches_the_models_layers_and_the_sums_stay_float32(gains_checkpoint: Callable[..., Any]) -> None:
    class Recorder(FakeModel):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(1, 1)
            self.seen: list[torch.dtype] = []

        def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
            hidden = self.linear(raw_audio[..., None].to(self.linear.weight.dtype))[..., 0]
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


@pytest.mark.parametrize(
    ("precision", "computed_in"), [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_research_variants_are_not_cast_but_run_under_autocast(
    gains_checkpoint: Callable[..., Any], precision: str, computed_in: torch.dtype
) -> None:
    """Their weights may be complex numbers, of which half precision has none."""

    class Research(FakeModel):
        parts = SimpleNamespace(recipe={"fno": {}})

        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(1, 1)
            self.seen: list[torch.dtype] = []

        def forward(self, raw_audio: torch.Tensor) -> torch.Tensor:
            hidden = self.linear(raw_audio[..., None])[..., 0]
            self.seen += [self.linear.weight.dtype, hidden.dtype]
            return hidden[:, None]

    model = Research()
    Separator(gains_checkpoint((1.0,), model=model), device="cpu", precision=precision).separate(noise(2, 50), 8000)
    assert model.seen == [torch.float32, computed_in]


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
