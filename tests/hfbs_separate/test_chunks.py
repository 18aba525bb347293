"""Laws of chunking: where chunks lie, what their weights sum to, and that adding up loses nothing."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hfbs_separate import OptionError
from hfbs_separate._chunks import overlap_add, partition_window, plan_chunks, samples_per_chunk


@st.composite
def settings_of_a_song(draw: st.DrawFn) -> tuple[int, int, int]:
    """Length, chunk size and overlap; lengths near multiples of the chunk are as likely as any."""
    chunk_size = draw(st.integers(1, 60))
    overlap = draw(st.integers(1, chunk_size))
    near = st.builds(lambda times, off: max(1, times * chunk_size + off), st.integers(0, 4), st.integers(-1, 1))
    return draw(st.integers(1, 300) | near), chunk_size, overlap


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[-1]).uniform(-1, 1, shape).astype(np.float32)


@given(st.integers(1, 5000), st.integers(1, 40))
@example(352800, 4)
@example(132300, 7)
@example(485100, 50)
def test_window_is_a_partition_of_unity_without_rounding(chunk_size: int, overlap: int) -> None:
    step = chunk_size // min(overlap, chunk_size)
    window = partition_window(chunk_size, step)
    assert (window.shape, window.dtype) == ((chunk_size,), np.float32)
    summed = np.zeros(step, np.float32)
    for start in range(0, chunk_size, step):
        piece = window[start : start + step]
        summed[: len(piece)] += piece
    np.testing.assert_array_equal(summed, np.float32(1))
    assert window.min() > 0


@given(settings_of_a_song())
def test_weights_over_each_sample_sum_to_exactly_one(song: tuple[int, int, int]) -> None:
    length, chunk_size, overlap = song
    plan = plan_chunks(length, chunk_size, overlap)
    total = np.zeros((1, length), np.float32)
    for start in plan.starts:
        plan.add(total, np.ones((1, plan.chunk_size), np.float32), start)
    np.testing.assert_array_equal(total, np.float32(1))


@given(settings_of_a_song())
def test_each_sample_of_a_song_longer_than_a_chunk_is_covered_overlap_times(song: tuple[int, int, int]) -> None:
    length, chunk_size, overlap = song
    plan = plan_chunks(length, chunk_size, overlap)
    covers = np.zeros(length, int)
    for start in plan.starts:
        assert -plan.chunk_size < start < length, "a chunk outside the song is work for nothing"
        covers[max(start, 0) : start + plan.chunk_size] += 1
    if length <= chunk_size:
        assert (covers.tolist(), plan.chunk_size) == ([1] * length, length)
    else:
        assert set(covers) <= ({overlap} if chunk_size % overlap == 0 else set(range(overlap, 2 * overlap + 1)))


@given(settings_of_a_song())
def test_chunks_start_every_step_with_one_starting_at_the_songs_start(song: tuple[int, int, int]) -> None:
    length, chunk_size, overlap = song
    step = chunk_size // overlap
    starts = plan_chunks(length, chunk_size, overlap).starts
    assert starts.step == (step if length > chunk_size else 1)
    if chunk_size % overlap == 0 or length <= chunk_size:
        assert 0 in starts


@given(settings_of_a_song(), st.integers(1, 5))
def test_identity_model_gives_the_song_back(song: tuple[int, int, int], batch_size: int) -> None:
    length, chunk_size, overlap = song
    audio = noise(2, length)
    plan = plan_chunks(length, chunk_size, overlap)
    added = overlap_add(audio, plan, lambda chunks: chunks, batch_size=batch_size, progress=None)
    # Each product and each sum rounds once, relative to at most |audio|.
    covers = 1 if length <= chunk_size else -(-chunk_size // (chunk_size // overlap))
    assert np.all(np.abs(added - audio) <= covers * np.finfo(np.float32).eps * np.abs(audio))


@given(settings_of_a_song(), st.integers(2, 7))
def test_batch_size_changes_no_bit(song: tuple[int, int, int], batch_size: int) -> None:
    length, chunk_size, overlap = song
    audio = noise(2, length)
    plan = plan_chunks(length, chunk_size, overlap)

    def disagreeing(chunks: np.ndarray) -> np.ndarray:
        """A model whose answer depends on the whole chunk, so that overlapping chunks disagree."""
        return np.stack(
            [chunk * chunk.mean() + np.linspace(0, 1, chunk.shape[-1], dtype=np.float32) for chunk in chunks]
        )

    one = overlap_add(audio, plan, disagreeing, batch_size=1, progress=None)
    many = overlap_add(audio, plan, disagreeing, batch_size=batch_size, progress=None)
    np.testing.assert_array_equal(one, many)


def slow_reference(audio: np.ndarray, chunk_size: int, overlap: int) -> np.ndarray:
    """The same result written from the definition, in float64, sample by sample.

    The model here gives chunk · (1 + position in the chunk), so that where a sample lies in a chunk matters.
    """
    length = len(audio)
    if length <= chunk_size:
        return audio.astype(float) * (1 + np.arange(length))
    step, fade = chunk_size // overlap, chunk_size // 10
    weight = [min(1.0, (i + 1) / (fade + 1), (chunk_size - i) / (fade + 1)) for i in range(chunk_size)]
    mirrored = np.pad(audio.astype(float), chunk_size, mode="reflect" if length > 1 else "edge")
    result, weights = np.zeros(length), np.zeros(length)
    start = step - chunk_size
    while start < length:
        for i in range(chunk_size):
            if 0 <= start + i < length:
                result[start + i] += weight[i] * mirrored[chunk_size + start + i] * (1 + i)
                weights[start + i] += weight[i]
        start += step
    return result / weights


@given(settings_of_a_song())
def test_overlap_add_equals_the_slow_reference(song: tuple[int, int, int]) -> None:
    length, chunk_size, overlap = song
    audio = noise(1, length)
    plan = plan_chunks(length, chunk_size, overlap)

    def ramped(chunks: np.ndarray) -> np.ndarray:
        return chunks * np.arange(1, chunks.shape[-1] + 1, dtype=np.float32)

    added = overlap_add(audio, plan, ramped, batch_size=2, progress=None)
    np.testing.assert_allclose(added[0], slow_reference(audio[0], chunk_size, overlap), rtol=1e-4, atol=1e-4)


@given(settings_of_a_song())
def test_outside_the_song_a_chunk_is_the_song_mirrored(song: tuple[int, int, int]) -> None:
    length, chunk_size, overlap = song
    audio = noise(2, length)
    plan = plan_chunks(length, chunk_size, overlap)
    mirrored = np.pad(audio, ((0, 0), (chunk_size, chunk_size)), mode="reflect" if length > 1 else "edge")
    for start in plan.starts:
        expected = mirrored[:, chunk_size + start : chunk_size + start + plan.chunk_size]
        np.testing.assert_array_equal(plan.cut(audio, start), expected)


@given(settings_of_a_song(), st.integers(1, 5))
def test_progress_counts_every_chunk_once(song: tuple[int, int, int], batch_size: int) -> None:
    length, chunk_size, overlap = song
    plan = plan_chunks(length, chunk_size, overlap)
    seen: list[tuple[int, int]] = []
    overlap_add(
        noise(1, length), plan, lambda chunks: chunks, batch_size=batch_size, progress=lambda *now: seen.append(now)
    )
    count = len(plan.starts)
    assert seen == [(min(done, count), count) for done in range(0, count + batch_size, batch_size)]


@pytest.mark.parametrize("overlap", [0, -1, 101])
def test_overlap_outside_its_range_is_refused(overlap: int) -> None:
    with pytest.raises(
        OptionError, match=rf"how many chunks cover each sample, is from 1 to chunk_size \(100\), got {overlap}"
    ):
        plan_chunks(1000, 100, overlap)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e-9])
def test_chunk_length_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(OptionError, match="chunk_seconds is the length of a chunk: a positive number of seconds"):
        samples_per_chunk(seconds, 44100)


def test_chunk_length_is_rounded_to_samples() -> None:
    assert samples_per_chunk(8.0, 44100) == 352800
    assert samples_per_chunk(0.1, 8001) == 800
