"""Stems on disk: exact, never clipped in silence, whole or not at all."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hfbs_separate import _write
from hfbs_separate._write import decibels, full_scale_gain, write_stems

ONE_STEP = 2.0**-23


def noise(*shape: int, peak: float = 1.0) -> np.ndarray:
    return np.random.default_rng(shape[-1]).uniform(-peak, peak, shape).astype(np.float32)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 2), st.integers(1, 200)), elements=st.floats(-4, 4, width=32)),
    st.sampled_from([8000, 44100, 192000]),
)
def test_float_stems_read_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, stem: np.ndarray, sample_rate: int
) -> None:
    path = tmp_path_factory.mktemp("stems") / "vocals.wav"
    assert write_stems({"vocals": path}, {"vocals": stem}, sample_rate, "float") == 1.0
    info = soundfile.info(path)
    assert (info.samplerate, info.format, info.subtype) == (sample_rate, "WAV", "FLOAT")
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32", always_2d=True)[0].T, stem)


@given(st.lists(st.integers(-(2**23), 2**23 - 1), min_size=1, max_size=100))
def test_samples_that_24_bits_hold_are_written_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    path = tmp_path_factory.mktemp("stems") / "vocals.wav"
    stem = (np.array(steps) * ONE_STEP).astype(np.float32)
    assert write_stems({"vocals": path}, {"vocals": stem}, 44100, "24") == 1.0
    assert soundfile.info(path).subtype == "PCM_24"
    np.testing.assert_array_equal(soundfile.read(path, dtype="int32")[0], np.array(steps) * 256)


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_24_bit_stems_are_turned_down_by_one_gain_so_that_none_clips(
    tmp_path_factory: pytest.TempPathFactory, peak: float, other_peak: float
) -> None:
    folder = tmp_path_factory.mktemp("stems")
    stems = {"vocals": noise(2, 300, peak=peak), "other": noise(2, 300, peak=other_peak)}
    gain = write_stems({name: folder / f"{name}.wav" for name in stems}, stems, 44100, "24")
    assert gain == full_scale_gain(stems)
    loudest = max(np.abs(stem).max() for stem in stems.values())
    assert gain == 1 if loudest < 0.999 else gain == pytest.approx(min(1, 1 / loudest), rel=1e-6)
    for name, stem in stems.items():
        read = soundfile.read(folder / f"{name}.wav", dtype="float64")[0].T
        np.testing.assert_allclose(read, stem * gain, atol=0.5 * ONE_STEP * (1 + 1e-6))


def test_full_scale_is_minus_one_to_one_step_below_one() -> None:
    assert full_scale_gain({"stem": np.array([-1, 1 - ONE_STEP], np.float32)}) == 1
    assert full_scale_gain({"stem": np.array([0, 1], np.float32)}) == pytest.approx(1 - ONE_STEP, abs=1e-12)
    assert full_scale_gain({"one": np.array([0.5], np.float32), "two": np.array([-2], np.float32)}) == 0.5


def test_decibels_show_that_even_a_small_gain_is_one() -> None:
    assert decibels(0.5) == "6.02"
    assert decibels(1 - ONE_STEP) == "1e-06"


def test_silence_is_written(tmp_path: Path) -> None:
    assert write_stems({"a": tmp_path / "a.wav"}, {"a": np.zeros(10, np.float32)}, 44100, "24") == 1
    assert soundfile.read(tmp_path / "a.wav")[0].tolist() == [0] * 10


def test_beyond_what_a_wav_header_can_state_the_file_is_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_write, "_RIFF_LIMIT", 400)
    stem = noise(2, 50)
    write_stems({"a": tmp_path / "a.wav"}, {"a": stem}, 44100, "float")
    assert soundfile.info(tmp_path / "a.wav").format == "RF64"
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="float32")[0].T, stem)


def test_folders_are_made_and_files_get_the_users_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "out" / "song" / "a.wav"
    write_stems({"a": path}, {"a": noise(10)}, 44100, "float")
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert [file.name for file in path.parent.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, existing: bool
) -> None:
    folder = tmp_path / "out" / "song"
    files = {name: folder / f"{name}.wav" for name in ("a", "b")}
    if existing:
        folder.mkdir(parents=True)
        files["a"].write_text("an earlier stem")
    synced: list[int] = []

    def fail_at_the_second(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise failure

    monkeypatch.setattr(os, "fsync", fail_at_the_second)
    with pytest.raises(type(failure)):
        write_stems(files, {"a": noise(10), "b": noise(10)}, 44100, "float")
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == (["out", "out/song", "out/song/a.wav"] if existing else [])
    assert not existing or files["a"].read_text() == "an earlier stem"


def test_a_stem_appears_only_when_all_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: tmp_path / f"{name}.wav" for name in ("a", "b", "c")}
    seen: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append([name for name in files if files[name].exists()]))
    write_stems(files, dict.fromkeys(files, noise(10)), 44100, "float")
    assert seen == [[], [], []]
    assert all(file.exists() for file in files.values())
