"""Files are measured rightly, and any part of them is read at one rate and with one number of channels."""

import pickle
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from hfbs_separate import AudioFileError
from hfbs_train._data._facts import FileFacts, measure
from hfbs_train._data._facts_cache import FactsCache
from hfbs_train._data._readers import Readers
from hfbs_train._data._songs import StemFile
from training_songs import RATE, noise


def readers_of(*paths: Path, rate: int = RATE, channels: int = 2) -> Readers:
    return Readers({path: measure(path) for path in paths}, rate, channels)


def equal(one: FileFacts, other: FileFacts) -> bool:
    def plain(facts: FileFacts) -> tuple:
        assert facts.table is not None
        arrays = (facts.energies, facts.table.places, facts.table.checks, facts.table.starts)
        rest = (facts.path, facts.version, facts.peak, facts.clipped, facts.first_clipped, facts.is_doubled_mono)
        about = (facts.digest, facts.warnings, facts.error, facts.table.codec, facts.sample_rate, facts.table.channels)
        return *rest, *about, *((array.dtype, array.tolist()) for array in arrays)

    return plain(one) == plain(other)


@given(
    samples=st.integers(1, 40_000),
    rate=st.sampled_from([8000, 44100]),
    channels=st.integers(1, 2),
    seed=st.integers(0),
)
@settings(max_examples=12)
def test_a_file_is_measured_as_a_plain_loop_does(
    tmp_path_factory: pytest.TempPathFactory, samples: int, rate: int, channels: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    audio = random.normal(0, 0.5, (channels, samples)).clip(-1, 1).astype(np.float32)
    if random.random() < 0.5:
        audio[-1] = audio[0]
    path = tmp_path_factory.getbasetemp() / "measured.wav"
    soundfile.write(path, audio.T, rate, "FLOAT")
    facts = measure(path)
    assert (facts.error, facts.samples, facts.sample_rate) == (None, samples, rate)
    seconds = [audio[:, start : start + rate].astype(np.float64) for start in range(0, samples, rate)]
    np.testing.assert_allclose(facts.energies, [np.mean(second**2) for second in seconds], rtol=1e-5)
    assert facts.peak == np.abs(audio).max()
    assert facts.is_doubled_mono == (channels == 2 and np.array_equal(audio[0], audio[1]))
    runs: list[int] = []
    for signal in audio.tolist():
        length = 0
        for place, (before, now) in enumerate(pairwise(signal), 1):
            length = length + 1 if before == now and abs(now) >= 0.99 else 0
            if length == 2:
                runs.append(place)
    assert facts.clipped == len(runs)
    assert facts.first_clipped == (min(runs) / rate if runs else 0)


@pytest.mark.parametrize("at", [65534, 65535, 65536, 65537, 65538])
def test_clipping_across_a_block_counts_once(tmp_path: Path, at: int) -> None:
    audio = noise(0, 10)
    audio[0, at - 2 : at + 1] = 1
    soundfile.write(tmp_path / "song.wav", audio.T, RATE, "FLOAT")
    facts = measure(tmp_path / "song.wav")
    assert (facts.clipped, facts.first_clipped) == (1, at / RATE)


def test_equal_audio_has_equal_digests(tmp_path: Path) -> None:
    audio = np.random.default_rng(0).integers(-(2**15), 2**15, (100_000, 2)).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", audio, RATE)
    soundfile.write(tmp_path / "b.flac", audio, RATE)
    audio[50_000, 1] ^= 1
    soundfile.write(tmp_path / "c.flac", audio, RATE)
    digests = [measure(tmp_path / name).digest for name in ("a.wav", "b.flac", "c.flac")]
    assert digests[0] == digests[1] != digests[2]


def test_silence_is_below_60_decibels(tmp_path: Path) -> None:
    for level, silent in ((0.9e-3, True), (1.1e-3, False)):
        soundfile.write(tmp_path / "song.wav", noise(0, 5, level=level).T, RATE, "FLOAT")
        assert measure(tmp_path / "song.wav").is_silent == silent


@pytest.mark.parametrize("name", ["song.wav", "song.flac", "song.ogg"])
def test_what_is_kept_comes_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, noise(0, 3).T, RATE)
    cache = FactsCache(tmp_path / "kept" / "here")
    assert cache.load(path) is None
    facts = measure(path)
    cache.save(facts)
    kept = cache.load(path)
    assert kept is not None
    assert equal(kept, facts)
    assert [file.suffix for file in (tmp_path / "kept" / "here").iterdir()] == [".npz"]
    part = Readers({path: kept}, RATE, 2).read(path, 1000, 500)
    np.testing.assert_array_equal(part, Readers({path: facts}, RATE, 2).read(path, 1000, 500))


def test_a_changed_file_and_damaged_facts_are_not_known(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, noise(0, 3).T, RATE)
    cache = FactsCache(tmp_path / "kept")
    cache.save(measure(path))
    (kept,) = (tmp_path / "kept").iterdir()
    content = kept.read_bytes()
    for damaged in (content[: len(content) // 2], b"", content[:200] + b"\xff" * 100 + content[300:], b"PK" * 100):
        kept.write_bytes(damaged)
        assert cache.load(path) is None
    kept.write_bytes(content)
    assert cache.load(path) is not None
    soundfile.write(path, noise(1, 4).T, RATE)
    assert cache.load(path) is None
    path.unlink()
    assert cache.load(path) is None


@given(start=st.integers(-3000, 30_000), length=st.integers(1, 9000))
def test_silence_is_before_and_after_a_file(tmp_path_factory: pytest.TempPathFactory, start: int, length: int) -> None:
    path = tmp_path_factory.getbasetemp() / "padded.wav"
    audio = noise(0, 3)
    if not path.exists():
        soundfile.write(path, audio.T, RATE, "FLOAT")
    whole = np.pad(audio, ((0, 0), (3000, 40_000)))
    part = readers_of(path).read(path, start, length)
    np.testing.assert_array_equal(part, whole[:, start + 3000 :][:, :length])


@given(
    data=st.data(),
    rates=st.sampled_from([(48000, 44100), (44100, 48000), (22050, 44100), (96000, 44100), (8000, 11025)]),
)
@settings(max_examples=30)
def test_a_part_at_another_rate_is_the_slice_of_the_whole_resampled(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rates: tuple[int, int]
) -> None:
    there, here = rates
    path = tmp_path_factory.getbasetemp() / f"{there}.wav"
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 2 * there)).astype(np.float32)
    if not path.exists():
        soundfile.write(path, audio.T, there, "FLOAT")
    amid_silence = np.pad(audio, ((0, 0), (there, there)))
    whole = soxr.resample(amid_silence.T, there, here, quality="HQ").T[:, here:]
    readers = readers_of(path, rate=here)
    assert readers.samples(path) == 2 * here
    start = data.draw(st.integers(0, 2 * here - 1), "start")
    length = data.draw(st.integers(1, here // 2), "length")
    part = readers.read(path, start, length)
    assert part.shape == (2, length)
    np.testing.assert_allclose(part, whole[:, start : start + length], atol=2e-6)


def test_mono_fills_both_channels_and_stereo_is_averaged(tmp_path: Path) -> None:
    audio = noise(0, 1)
    soundfile.write(tmp_path / "mono.wav", audio[0], RATE, "FLOAT")
    soundfile.write(tmp_path / "stereo.wav", audio.T, RATE, "FLOAT")
    both = readers_of(tmp_path / "mono.wav").read(tmp_path / "mono.wav", 10, 100)
    np.testing.assert_array_equal(both, np.stack([audio[0], audio[0]])[:, 10:110])
    one = readers_of(tmp_path / "stereo.wav", channels=1).read(tmp_path / "stereo.wav", 10, 100)
    np.testing.assert_allclose(one, audio.mean(axis=0, keepdims=True)[:, 10:110], atol=1e-8)


def test_files_are_summed_with_their_gains(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(paths):
        soundfile.write(path, noise(number, 1).T, RATE, "FLOAT")
    total = readers_of(*paths).total([StemFile(paths[0]), StemFile(paths[1], -1), StemFile(paths[2], 2)], 100, 300)
    expected = noise(0, 1) - noise(1, 1) + 2 * noise(2, 1)
    np.testing.assert_allclose(total, expected[:, 100:400], atol=1e-7)
    np.testing.assert_array_equal(readers_of().total([], 0, 5), np.zeros((2, 5)))


def test_few_files_are_open_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(100)]
    for number, path in enumerate(paths):
        soundfile.write(path, np.full((50, 2), number / 128), RATE, "FLOAT")
    readers = readers_of(*paths)
    for _ in range(2):
        for number, path in enumerate(paths):
            np.testing.assert_array_equal(readers.read(path, 0, 5), number / 128)

    def open_files() -> int:
        links = [Path("/proc/self/fd") / name.name for name in Path("/proc/self/fd").iterdir()]
        return sum(link.is_symlink() and link.resolve() in paths for link in links)

    if Path("/proc/self/fd").is_dir():
        assert 0 < open_files() <= 64
        readers.close()
        assert open_files() == 0


def test_readers_go_to_other_processes_without_their_files(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    soundfile.write(path, noise(0, 1).T, RATE)
    readers = readers_of(path)
    part = readers.read(path, 100, 50)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(readers)).read(path, 100, 50), part)


def test_files_that_are_gone_or_changed_are_named(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, noise(0, 2).T, RATE)
    readers = readers_of(path)
    soundfile.write(path, noise(1, 3).T, RATE)
    with pytest.raises(AudioFileError, match=f"^{re.escape(str(path))}: the file has changed since it was checked; "):
        readers.read(path, 0, 10)
    path.unlink()
    with pytest.raises(AudioFileError, match=f"^{re.escape(str(path))}: no such file or directory$"):
        readers.read(path, 0, 10)
