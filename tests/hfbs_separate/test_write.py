"""Stems on disk: exact, never clipped in silence, whole or not at all, however long."""

import errno
import itertools
import os
import resource
import shutil
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hfbs_separate._decode import decode
from hfbs_separate._encode import CODINGS, Floats, Lossy, full_scale_gain
from hfbs_separate._options import EXTENSIONS, SAMPLE_FORMATS, SampleFormat
from hfbs_separate._resample import resampled
from hfbs_separate._write import decibels, stems_writer

ONE_STEP = 2.0**-23
SPOOLED = [name for name, coding in CODINGS.items() if not isinstance(coding, Floats)]


def noise(*shape: int, peak: float = 1.0) -> np.ndarray:
    return np.random.default_rng(shape[-1]).uniform(-peak, peak, shape).astype(np.float32)


def places(folder: Path, sample_format: SampleFormat = "float", names: tuple[str, ...] = ("a", "b")) -> dict[str, Path]:
    return {name: folder / f"{name}{EXTENSIONS[sample_format]}" for name in names}


def write(
    files: Mapping[str, Path],
    stems: Mapping[str, np.ndarray],
    sample_rate: int = 44100,
    sample_format: SampleFormat = "float",
    cuts: tuple[int, ...] = (),
) -> float:
    """Write stems (channel, time), in blocks that end at the cuts; the gain."""
    channels, length = next(iter(stems.values())).shape
    edges = [0, *sorted(cuts), length]
    with stems_writer(files, sample_rate=sample_rate, channels=channels, sample_format=sample_format) as writer:
        for start, stop in itertools.pairwise(edges):
            writer.write({name: stem[:, start:stop] for name, stem in stems.items()})
        gain = writer.encode()
        writer.put()
        return gain


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@given(
    arrays(np.float32, st.tuples(st.integers(1, 2), st.integers(1, 200)), elements=st.floats(-4, 4, width=32)),
    st.sampled_from([8000, 44100, 192000]),
)
def test_float_stems_read_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, stem: np.ndarray, sample_rate: int
) -> None:
    path = tmp_path_factory.mktemp("stems") / "vocals.wav"
    assert write({"vocals": path}, {"vocals": stem}, sample_rate) == 1.0
    info = soundfile.info(path)
    assert (info.samplerate, info.format.removesuffix("EX"), info.subtype) == (sample_rate, "WAV", "FLOAT")
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32", always_2d=True)[0].T, stem)


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
@given(st.integers(1, 2), st.lists(st.integers(0, 3000), max_size=5))
@settings(max_examples=10)
def test_blocks_of_any_size_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, sample_format: SampleFormat, channels: int, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("stems")
    whole, blocks = places(folder / "whole", sample_format), places(folder / "blocks", sample_format)
    stems = {"a": noise(channels, 3000), "b": noise(channels, 3000, peak=2)}
    assert write(whole, stems, 44100, sample_format) == write(blocks, stems, 44100, sample_format, tuple(cuts))
    for name in stems:
        assert blocks[name].read_bytes() == whole[name].read_bytes()


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.sampled_from(SPOOLED))
@settings(max_examples=50)
@example(43.5, 8.125, "mp3")  # five frames, which FFmpeg takes for no MP3 unless the file's name says so
def test_stems_are_turned_down_by_one_gain_so_that_none_clips(
    tmp_path_factory: pytest.TempPathFactory, peak: float, other_peak: float, sample_format: SampleFormat
) -> None:
    files = places(tmp_path_factory.mktemp("stems"), sample_format)
    tone = 0.1 * np.sin(np.arange(4000) * [[0.1], [0.15]])  # encoders do worse at noise than at what they are made for
    tone[:, 1000] = 1
    stems = {"a": (peak * tone).astype(np.float32), "b": (-other_peak * tone).astype(np.float32)}
    gain = write(files, stems, 48000, sample_format, (700,))
    extremes = [float(extreme) for stem in stems.values() for extreme in (stem.min(), stem.max())]
    assert gain == full_scale_gain(CODINGS[sample_format], min(extremes), max(extremes))
    assert 0 < gain <= 1
    for name, stem in stems.items():
        audio = decode(files[name]).audio[:, :4000]
        assert np.abs(audio).max() <= 1
        if isinstance(CODINGS[sample_format], Lossy):
            assert np.corrcoef(audio.ravel(), stem.ravel())[0, 1] > 0.8
            np.testing.assert_allclose(np.square(audio).mean(), np.square(gain * stem).mean(), rtol=0.3)
        else:
            np.testing.assert_allclose(audio, stem * gain, atol=2.0**-16 * (1 + 1e-6))


def test_decibels_show_that_even_a_small_gain_is_one() -> None:
    assert decibels(0.5) == "6.02"
    assert decibels(1 - ONE_STEP) == "1e-06"


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
def test_silence_is_written(tmp_path: Path, sample_format: SampleFormat) -> None:
    files = places(tmp_path, sample_format)
    assert write(files, dict.fromkeys(files, np.zeros((2, 1024), np.float32)), 48000, sample_format) == 1
    for file in files.values():
        np.testing.assert_allclose(decode(file).audio, np.zeros((2, 1024)), atol=1e-6)


@pytest.mark.parametrize(("sample_format", "rate"), [("opus", 44100), ("opus", 22050), ("mp3", 96000), ("m4a", 192000)])
def test_a_format_that_lacks_the_songs_rate_gets_it_resampled_in_place_and_length(
    tmp_path: Path, sample_format: SampleFormat, rate: int
) -> None:
    time = np.arange(rate // 2) / rate
    burst = 0.5 * np.exp(-0.5 * ((time - 0.3) * 30) ** 2) * np.sin(2 * np.pi * 1000 * time)
    stems = {"a": np.stack([burst, -burst]).astype(np.float32)}
    files = places(tmp_path, sample_format, ("a",))
    write(files, stems, rate, sample_format, (1, 5000))
    recording = decode(files["a"])
    expected = np.concatenate(list(resampled([stems["a"]], rate, recording.sample_rate)), axis=-1)
    assert recording.sample_rate == {"opus": 48000, "mp3": 48000, "m4a": 96000}[sample_format]
    assert 0 <= recording.audio.shape[1] - expected.shape[1] < (1024 if sample_format == "m4a" else 1)
    assert np.abs(recording.audio[:, : expected.shape[1]] - expected).max() < 0.05


def test_folders_are_made_and_files_get_the_users_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "out" / "song" / "a.flac"
    write({"a": path}, {"a": noise(1, 10)}, sample_format="flac")
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert left(path.parent) == ["a.flac"]


@pytest.mark.parametrize("sample_format", ["float", "flac"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_leaves_what_was_there_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sample_format: SampleFormat,
    failure: BaseException,
    existing: bool,
) -> None:
    files = places(tmp_path / "out" / "song", sample_format)
    if existing:
        files["a"].parent.mkdir(parents=True)
        files["a"].write_text("an earlier stem")
    synced: list[int] = []

    def fail_at_the_second(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise failure

    monkeypatch.setattr(os, "fsync", fail_at_the_second)
    with pytest.raises(type(failure)):
        write(files, {"a": noise(1, 10), "b": noise(1, 10)}, sample_format=sample_format)
    earlier = f"out/song/{files['a'].name}"
    assert left(tmp_path) == (["out", "out/song", earlier] if existing else [])
    assert not existing or files["a"].read_text() == "an earlier stem"


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
@pytest.mark.parametrize("failure", [None, ValueError("the model gave NaN"), KeyboardInterrupt()])
def test_leaving_before_stems_take_their_places_leaves_nothing(
    tmp_path: Path, sample_format: SampleFormat, failure: BaseException | None
) -> None:
    files = places(tmp_path / "out" / "song", sample_format)

    def leave() -> None:
        with stems_writer(files, sample_rate=44100, channels=2, sample_format=sample_format) as writer:
            writer.write(dict.fromkeys(files, noise(2, 5000)))
            assert len(left(tmp_path / "out" / "song")) == 2
            writer.encode()
            if failure is not None:
                raise failure

    with nullcontext() if failure is None else pytest.raises(type(failure)):
        leave()
    assert left(tmp_path) == []


@pytest.mark.parametrize("sample_format", ["float", "24", "mp3"])
def test_a_stem_appears_only_when_all_are_on_the_disk_and_then_their_folders_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_format: SampleFormat
) -> None:
    files = places(tmp_path / "out" / "song", sample_format, ("a", "b", "c"))
    seen: list[tuple[bool, list[str]]] = []

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append((is_folder, [name for name in files if files[name].exists()]))

    monkeypatch.setattr(os, "fsync", fsync)
    write(files, dict.fromkeys(files, noise(1, 10)), sample_format=sample_format)
    assert seen == [(False, [])] * 3 + [(True, ["a", "b", "c"])] * 3
    assert left(tmp_path / "out" / "song") == sorted(file.name for file in files.values())


@contextmanager
def largest_file(size: int) -> Generator[None]:
    """Let no file of this process grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
def test_wherever_the_disk_refuses_a_byte_the_reason_comes_out_and_nothing_is_left(
    tmp_path: Path, sample_format: SampleFormat, capfd: pytest.CaptureFixture[str]
) -> None:
    stems = {"a": noise(2, 20000, peak=0.5), "b": noise(2, 20000, peak=0.1)}
    whole = places(tmp_path / "whole", sample_format)
    write(whole, stems, 48000, sample_format)
    need = max(max(file.stat().st_size for file in whole.values()), 0 if sample_format == "float" else 160000)
    files = places(tmp_path / "out", sample_format)
    for limit in (0, 1, 50, 4096, 32768, 70000, need // 2, need - 32769, need - 100, need - 1):
        with pytest.raises(OSError, match="File too large") as caught, largest_file(limit):
            write(files, stems, 48000, sample_format, (100, 15000))
        assert caught.value.errno == errno.EFBIG
        assert not (tmp_path / "out").exists()
    with largest_file(need):
        write(files, stems, 48000, sample_format, (100, 15000))
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A disk of 512 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    words = [mount or "", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder]
    if mount is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
def test_a_full_disk_is_told_by_its_reason_and_is_as_empty_as_before(
    small_disk: Path, sample_format: SampleFormat
) -> None:
    files = places(small_disk / "song", sample_format)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(files, dict.fromkeys(files, noise(2, 50000)), 48000, sample_format)
    assert caught.value.errno == errno.ENOSPC
    assert left(small_disk) == []
    assert shutil.disk_usage(small_disk).used == 0


@pytest.mark.parametrize("sample_format", ["float", "flac"])
def test_a_lost_folder_is_told_by_its_reason(tmp_path: Path, sample_format: SampleFormat) -> None:
    files = places(tmp_path / "out", sample_format)

    def lose() -> None:
        with stems_writer(files, sample_rate=44100, channels=1, sample_format=sample_format) as writer:
            writer.write(dict.fromkeys(files, noise(1, 1000)))
            shutil.rmtree(tmp_path / "out")
            writer.encode()
            writer.put()

    with pytest.raises(FileNotFoundError):
        lose()
    assert left(tmp_path) == []


def test_a_folder_that_is_a_file_is_told_by_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        write(places(tmp_path / "file"), {"a": noise(1, 10), "b": noise(1, 10)})


def test_a_folder_that_may_not_be_written_to_is_told_by_its_reason(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(PermissionError):
        write(places(tmp_path), {"a": noise(1, 10), "b": noise(1, 10)})


@pytest.mark.parametrize("sample_format", ["float", "flac"])
def test_a_disk_that_turns_read_only_is_told_by_its_reason(small_disk: Path, sample_format: SampleFormat) -> None:
    files = places(small_disk, sample_format)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match="Read-only file system"):
        write(files, dict.fromkeys(files, noise(1, 10)), sample_format=sample_format)
    assert left(small_disk) == []


@pytest.mark.parametrize("sample_format", ["float", "flac", "opus"])
def test_stems_with_long_names_in_any_script_are_written(tmp_path: Path, sample_format: SampleFormat) -> None:
    extension = EXTENSIONS[sample_format]
    names = ("声" * ((255 - len(extension)) // 3), "x" * (255 - len(extension)), "é", "🎤" * 60, "a b\\c%d")
    files = places(tmp_path, sample_format, names)
    write(files, dict.fromkeys(names, noise(1, 100)), 48000, sample_format)
    assert left(tmp_path) == sorted(file.name for file in files.values())


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"a": noise(2, 5)}, r"each stem needs its block: expected \['a', 'b'\], got \['a'\]"),
        ({"a": noise(2, 5), "b": noise(2, 6)}, r"blocks must have shape \(2, 5\), got \(2, 6\) for b"),
        ({"a": noise(1, 5), "b": noise(1, 5)}, r"blocks must have shape \(2, 5\), got \(1, 5\) for a"),
        ({"a": noise(5), "b": noise(5)}, r"blocks must have shape \(2, 5\), got \(5,\) for a"),
        ({"a": noise(2, 5), "b": noise(2, 5) * np.float32(np.nan)}, "samples must be finite, got nan to nan for b"),
        ({"a": noise(2, 5) * np.float32(np.inf), "b": noise(2, 5)}, "samples must be finite, got -inf to inf for a"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(tmp_path: Path, blocks: dict[str, np.ndarray], message: str) -> None:
    files = places(tmp_path, "mp3")
    with (
        pytest.raises(ValueError, match=message),
        stems_writer(files, sample_rate=44100, channels=2, sample_format="mp3") as writer,
    ):
        writer.write(blocks)
    assert left(tmp_path) == []


@pytest.mark.parametrize(("sample_format", "samples"), [("float", 0), ("flac", 200000), ("opus", 217688)])
def test_progress_goes_up_to_all_samples_of_all_stems(
    tmp_path: Path, sample_format: SampleFormat, samples: int
) -> None:
    files = places(tmp_path, sample_format)
    seen: list[tuple[int, int]] = []
    with stems_writer(files, sample_rate=44100, channels=1, sample_format=sample_format) as writer:
        for _ in range(4):
            writer.write(dict.fromkeys(files, np.zeros((1, 50000), np.float32)))
        writer.encode(lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert {total for _, total in seen} == ({2 * samples} if samples else set())
    assert not samples or seen[-1][0] == 2 * samples


LONG = """
import resource, sys
from pathlib import Path
import numpy as np
from hfbs_separate._write import stems_writer
block = np.zeros((2, 100000), np.float32)
block[:, ::1000] = 0.5
def write(blocks):
    files = {name: Path(sys.argv[1]) / name for name in ("a", "b")}
    with stems_writer(files, sample_rate=44100, channels=2, sample_format=sys.argv[2]) as stems:
        for _ in range(blocks):
            stems.write(dict.fromkeys(files, block))
        stems.encode()
        stems.put()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
short = write(1)
print(write(20) - short)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory in Linux's unit")
@pytest.mark.parametrize("sample_format", ["float", "flac", "mp3"])
def test_memory_does_not_grow_with_the_song(tmp_path: Path, sample_format: SampleFormat) -> None:
    """FFmpeg's memory included, where a stem has 16 MB."""
    words = [sys.executable, "-c", LONG, tmp_path, sample_format]
    grown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert int(grown) < 4096  # kB


def test_arrays_do_not_outlive_their_block(tmp_path: Path) -> None:
    files = places(tmp_path, "24")
    tracemalloc.start()
    try:
        with stems_writer(files, sample_rate=44100, channels=2, sample_format="24") as writer:
            for _ in range(20):
                writer.write(dict.fromkeys(files, np.zeros((2, 100000), np.float32)))
            writer.encode()
            writer.put()
        assert tracemalloc.get_traced_memory()[1] < 8e6  # ten blocks
    finally:
        tracemalloc.stop()
