"""Laws of clean chunking: where chunks lie, what their weights sum to, and that adding up loses nothing."""

from collections.abc import Iterator
from itertools import cycle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hfbs_separate import OptionError
from hfbs_separate._chunking import Clean, Mode, Signal, separated
from hfbs_separate._chunking._clean import partition_window
from hfbs_separate._options import samples_per_chunk

from .conftest import noise


@st.composite
def songs(draw: st.DrawFn) -> tuple[int, Clean]:
    """Length and chunking; lengths near multiples of the chunk are as likely as any."""
    chunk_size = draw(st.integers(1, 60))
    mode = Clean(chunk_size, draw(st.integers(1, chunk_size)), draw(st.integers(1, 12)))
    near = st.builds(lambda times, off: max(1, times * chunk_size + off), st.integers(0, 4), st.integers(-1, 1))
    shifts = draw(st.just(1) | st.integers(1, mode.step))
    return draw(st.integers(1, 300) | near), Clean(chunk_size, mode.overlap, mode.hop_length, shifts)


def in_pieces(audio: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (audio[..., start : start + size] for start in range(0, audio.shape[-1], size))


def identity(chunks: np.ndarray) -> np.ndarray:
    return chunks


def run(
    audio: np.ndarray, mode: Mode, estimate: object = identity, batch_size: int = 1, block: int = 10**9
) -> np.ndarray:
    stretches = separated(Signal(in_pieces(audio, block)), mode, [estimate], batch_size)  # type: ignore[arg-type]
    return np.concatenate(list(stretches), axis=-1)


def starts_of(length: int, mode: Mode) -> list[int]:
    return [chunk.start for batch in mode.batches(Signal([noise(1, length)]), 1) for chunk in batch]


@given(st.integers(1, 5000), st.integers(1, 40))
@example(352800, 4)
@example(132300, 7)
@example(485100, 50)
def test_window_is_a_partition_of_unity_without_rounding(chunk_size: int, overlap: int) -> None:
    step = chunk_size // min(overlap, chunk_size)
    window = partition_window(chunk_size, step).astype(np.float32)
    assert window.shape == (chunk_size,)
    summed = np.zeros(step, np.float32)
    for start in range(0, chunk_size, step):
        piece = window[start : start + step]
        summed[: len(piece)] += piece
    np.testing.assert_array_equal(summed, np.float32(1))
    assert window.min() > 0


@settings(max_examples=500)
@given(songs(), st.integers(1, 5), st.integers(1, 100))
def test_identity_model_gives_the_song_back(song: tuple[int, Clean], batch_size: int, block: int) -> None:
    length, mode = song
    audio = noise(2, length)
    np.testing.assert_allclose(run(audio, mode, identity, batch_size, block), audio, rtol=0, atol=1e-7)


@given(songs())
def test_without_shifts_not_even_a_bit_changes(song: tuple[int, Clean]) -> None:
    length, mode = song
    audio = noise(2, length)
    np.testing.assert_array_equal(run(audio, Clean(mode.chunk_size, mode.overlap, mode.hop_length)), audio)


def whole_chunk(chunks: np.ndarray) -> np.ndarray:
    """A model whose answer depends on the whole chunk, so that overlapping chunks disagree."""
    return np.stack([chunk * chunk.mean() + np.linspace(0, 1, chunk.shape[-1], dtype=np.float32) for chunk in chunks])


@given(songs(), st.integers(2, 7), st.integers(1, 100))
def test_neither_batch_size_nor_block_size_changes_a_bit(song: tuple[int, Clean], batch_size: int, block: int) -> None:
    length, mode = song
    audio = noise(2, length)
    np.testing.assert_array_equal(run(audio, mode, whole_chunk), run(audio, mode, whole_chunk, batch_size, block))


@given(songs())
def test_each_sample_of_a_song_longer_than_a_chunk_is_covered_overlap_times(song: tuple[int, Clean]) -> None:
    length, mode = song
    covers = np.zeros(length, int)
    for start in starts_of(length, mode):
        assert -mode.chunk_size < start < length, "a chunk outside the song is work for nothing"
        covers[max(start, 0) : start + mode.chunk_size] += 1
    if length <= mode.chunk_size:
        assert covers.tolist() == [1] * length
        return
    least, most = mode.chunk_size // mode.step, -(-mode.chunk_size // mode.step)
    assert least >= mode.overlap
    assert set(covers) <= set(range(mode.shifts * least, mode.shifts * most + 1))


@given(st.integers(20, 400), st.integers(1, 3), st.integers(1, 12))
def test_chunks_that_disagree_meet_without_a_jump(chunk_size: int, overlap: int, hop_length: int) -> None:
    """From three that say 0 to two that say 1, it goes in steps of a fade's, even at an overlap of 1."""
    said = cycle([0, 0, 0, 1, 1])

    def changing(chunks: np.ndarray) -> np.ndarray:
        return np.full_like(chunks, next(said))

    jumps = np.abs(np.diff(run(noise(1, 5 * chunk_size), Clean(chunk_size, overlap, hop_length), changing)[0]))
    assert 0 < jumps.max() <= 1 / (chunk_size // 10) + 1e-6


@given(songs())
def test_chunks_start_at_whole_hops_with_one_at_the_songs_start(song: tuple[int, Clean]) -> None:
    length, mode = song
    plain = Clean(mode.chunk_size, mode.overlap, mode.hop_length)
    starts = starts_of(length, plain)
    assert 0 in starts
    if length > plain.chunk_size:
        assert set(np.diff(starts)) == {plain.step}
    if plain.step >= plain.hop_length:
        assert all(start % plain.hop_length == 0 for start in starts)


def slow_reference(audio: np.ndarray, mode: Clean) -> np.ndarray:
    """The same result written from the definition, sample by sample.

    The model here gives chunk · (1 + position in the chunk), so that where a sample lies in a chunk matters.
    """
    length, chunk_size = len(audio), mode.chunk_size
    if length <= chunk_size:
        return audio.astype(float) * (1 + np.arange(length))
    fade = chunk_size // 10
    step = min(chunk_size // mode.overlap, chunk_size - fade)
    if step >= mode.hop_length:
        step -= step % mode.hop_length
    weight = [min(1.0, (i + 1) / (fade + 1), (chunk_size - i) / (fade + 1)) for i in range(chunk_size)]
    mirrored = np.pad(audio.astype(float), chunk_size, mode="reflect" if length > 1 else "edge")
    means = np.zeros(length)
    for shift in range(mode.shifts):
        result, weights = np.zeros(length), np.zeros(length)
        for start in range(shift * step // mode.shifts - 2 * chunk_size * step, length, step):
            if start <= -chunk_size:
                continue
            for i in range(max(0, -start), min(chunk_size, length - start)):
                result[start + i] += weight[i] * mirrored[chunk_size + start + i] * (1 + i)
                weights[start + i] += weight[i]
        means += result / weights / mode.shifts
    return means


@settings(max_examples=60)
@given(songs())
def test_overlap_add_equals_the_slow_reference(song: tuple[int, Clean]) -> None:
    length, mode = song
    audio = noise(1, length)

    def ramped(chunks: np.ndarray) -> np.ndarray:
        return chunks * np.arange(1, chunks.shape[-1] + 1, dtype=np.float32)

    np.testing.assert_allclose(run(audio, mode, ramped)[0], slow_reference(audio[0], mode), rtol=1e-4, atol=1e-4)


@given(st.integers(1, 200), st.integers(1, 100), st.integers(-150, 200), st.integers(1, 100))
def test_outside_the_song_a_signal_is_mirrored(length: int, block: int, start: int, count: int) -> None:
    audio = noise(2, length)
    reach = length - 1
    start = max(start, -reach)
    stop = min(start + count, length + reach)
    mirrored = np.pad(audio, ((0, 0), (reach, reach)), mode="reflect") if reach else audio
    if start < stop:
        cut = Signal(in_pieces(audio, block)).cut(start, stop)
        np.testing.assert_array_equal(cut, mirrored[:, reach + start : reach + stop])


def test_a_signal_holds_no_more_than_chunks_reach() -> None:
    """While a song of 100 chunks is read, at most the chunk, what lies a chunk before it, and a block are held."""
    mode, block, most = Clean(1000, 2, 10), 100, 0
    alive: list[np.ndarray] = []

    class Watched(Signal):
        def cut(self, start: int, stop: int) -> np.ndarray:
            nonlocal most
            most = max(most, sum(piece.shape[-1] for piece in self._held))
            return super().cut(start, stop)

    for stretch in separated(Watched(in_pieces(noise(1, 100_000), block)), mode, [identity], 1):
        alive = [stretch]
        assert stretch.shape[-1] <= mode.chunk_size
    assert alive
    assert most <= 2 * mode.chunk_size + mode.step + block


@pytest.mark.parametrize("overlap", [0, -1, 101])
def test_overlap_outside_its_range_is_refused(overlap: int) -> None:
    with pytest.raises(
        OptionError, match=rf"how many chunks cover each sample, is from 1 to chunk_size \(100\), got {overlap}"
    ):
        Clean(100, overlap, 10)


@pytest.mark.parametrize("shifts", [0, 51])
def test_shifts_outside_their_range_are_refused(shifts: int) -> None:
    with pytest.raises(OptionError, match=rf"^shifts is a number of passes, from 1 to .* \(50\), got {shifts}$"):
        Clean(100, 2, 10, shifts)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e-9])
def test_chunk_length_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(OptionError, match="chunk_seconds is the length of a chunk: a positive number of seconds"):
        samples_per_chunk(seconds, 44100)


def test_chunk_length_is_rounded_to_samples() -> None:
    assert samples_per_chunk(8.0, 44100) == 352800
    assert samples_per_chunk(0.1, 8001) == 800
