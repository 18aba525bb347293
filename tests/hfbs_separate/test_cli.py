"""The command: what it writes, what it says, and that every refusal is one line with nothing left behind."""

import json
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner, Result

from hfbs_separate import SeparationError, Separator
from hfbs_separate._decode import SongFile, decode
from hfbs_separate._device import resolve_precision
from hfbs_separate._encode import Encoder
from hfbs_separate._options import EXTENSIONS, SAMPLE_FORMATS, SampleFormat
from hfbs_separate._write import StemsWriter
from hfbs_separate.cli import main

HFBS = Path(sys.executable).with_name("hfbs")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def test_the_package_run_as_a_module_is_the_command():
    module, command = (
        subprocess.run([*words, "--version"], check=True, capture_output=True, text=True).stdout
        for words in ([sys.executable, "-m", "hfbs_separate"], [HFBS])
    )
    assert module == command


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Three quarters of a second of noise in stereo at 8 kHz, 24 bits: two chunks and more of the tiny model."""
    path = tmp_path / "My song [live].flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (6000, 2)), 8000, "PCM_24")
    return path


@pytest.fixture
def separate(tiny_checkpoint: tuple[Path, Path], tmp_path: Path) -> Callable[..., Result]:
    """Run ``hfbs separate`` on the CPU in this process; stems go to the folder "out"."""

    def run(*words: object, checkpoint: Path = tiny_checkpoint[0], config: Path | None = tiny_checkpoint[1]) -> Result:
        options = ["--checkpoint", checkpoint, "-o", tmp_path / "out", "--device", "cpu"]
        options += [] if config is None else ["--config", config]
        return CliRunner().invoke(main, [str(word) for word in ("separate", *options, *words)], prog_name="hfbs")

    return run


def refusal(result: Result, left: Path) -> str:
    """The message of a refused call, after the checks that hold for each: one line, exit code 2, nothing left."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert not left.exists()
    line = result.stderr.removesuffix("\n")
    assert "\n" not in line
    assert "Traceback" not in line
    assert line.startswith("hfbs: error: ")
    return line.removeprefix("hfbs: error: ")


def test_a_song_is_separated_to_its_place(
    separate: Callable[..., Result], song: Path, tmp_path: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    result = separate(song)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "out" / "My song [live]"
    assert result.stdout == f"{folder / 'vocals.wav'}\n{folder / 'other.wav'}\n"
    audio = soundfile.read(song, dtype="float32")[0]
    expected = Separator.from_checkpoint(*tiny_checkpoint, device="cpu").separate(audio.T, 8000)
    assert sorted(file.name for file in folder.iterdir()) == ["other.wav", "separation.json", "vocals.wav"]
    for name, stem in expected.items():
        written, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
        assert (rate, soundfile.info(folder / f"{name}.wav").subtype) == (8000, "FLOAT")
        np.testing.assert_array_equal(written.T, stem)


def test_the_command_names_device_precision_threads_model_chunks_song_and_speed(
    separate: Callable[..., Result], song: Path
) -> None:
    device, model, about_song, speed = separate(song).stderr.splitlines()
    precision = str(resolve_precision("auto", torch.device("cpu"))).removeprefix("torch.")
    assert device == f"cpu, {precision}, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}"
    assert model == "tiny.ckpt: vocals, other; 8000 Hz stereo, chunks of 0.5 s, 2 chunks cover each sample"
    assert about_song == "My song [live].flac: 0.8 s, 8000 Hz stereo"
    assert re.fullmatch(r"0\.8 s of audio in \d+\.\d s, [\d.e+]+ times as fast as real time", speed)


def test_options_reach_the_separator(separate: Callable[..., Result], song: Path) -> None:
    result = separate(
        song, "--precision", "bfloat16", "--overlap", 4, "--chunk-seconds", 0.25, "--batch-size", 2, "--format", "24"
    )
    assert result.exit_code == 0, result.output
    device, model = result.stderr.splitlines()[:2]
    assert "cpu, bfloat16, " in device
    assert model.endswith("chunks of 0.25 s, 4 chunks cover each sample")
    assert {soundfile.info(line).subtype for line in result.stdout.splitlines()} == {"PCM_24"}


@pytest.mark.parametrize(("channels", "rate"), [(1, 8000), (1, 44100), (2, 22050)])
def test_stems_keep_the_songs_channels_length_and_rate(
    separate: Callable[..., Result], tmp_path: Path, channels: int, rate: int
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, np.random.default_rng(0).uniform(-0.5, 0.5, (10007, channels)), rate)
    for line in separate(song).stdout.splitlines():
        info = soundfile.info(line)
        assert (info.channels, info.frames, info.samplerate) == (channels, 10007, rate)


def test_the_audio_of_a_video_is_separated(
    separate: Callable[..., Result], tmp_path: Path, encode: Callable[..., Path]
) -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 8000)).astype(np.float32)
    result = separate(encode(tmp_path / "clip.mkv", audio, 8000, "flac", video=True))
    assert result.exit_code == 0, result.output
    assert [soundfile.info(line).frames for line in result.stdout.splitlines()] == [8000, 8000]


def test_ten_seconds_of_a_real_song_are_separated(
    separate: Callable[..., Result], shared_audio: Path, tmp_path: Path
) -> None:
    excerpt, rate = soundfile.read(shared_audio / "mixtures" / "lets-go-fishin.ogg", frames=220500)
    soundfile.write(tmp_path / "song.ogg", excerpt, rate)
    result = separate(tmp_path / "song.ogg", "--overlap", 1, "--chunk-seconds", 4)
    assert result.exit_code == 0, result.output
    stems = [soundfile.read(line)[0] for line in result.stdout.splitlines()]
    assert [stem.shape for stem in stems] == [excerpt.shape] * 2
    assert all(np.abs(stem).max() > 1e-4 for stem in stems)


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
def test_every_format_is_written_with_its_extension(
    separate: Callable[..., Result], song: Path, tmp_path: Path, sample_format: SampleFormat
) -> None:
    result = separate(song, "--format", sample_format)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "out" / song.stem
    files = [folder / f"{name}{EXTENSIONS[sample_format]}" for name in ("vocals", "other")]
    assert result.stdout.splitlines() == [str(file) for file in files]
    assert sorted(folder.iterdir()) == sorted([*files, folder / "separation.json"])
    assert {decode(file).audio.shape[1] for file in files} == {36000 if sample_format == "opus" else 6000}


def test_24_bits_that_would_clip_are_turned_down_with_a_report(
    separate: Callable[..., Result], song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud = {"vocals": np.array([[0, 2.0]] * 2, np.float32), "other": np.array([[0.5, -0.5]] * 2, np.float32)}
    monkeypatch.setattr(Separator, "stream", lambda *_, **__: iter([loud]))
    result = separate(song, "--format", "24")
    assert "all stems turned down by 6.02 dB, so that none clips" in result.stderr.splitlines()
    vocals, other = (soundfile.read(line)[0] for line in result.stdout.splitlines())
    np.testing.assert_allclose([vocals[:, 0], other[:, 1]], [[0, 1], [0.25, -0.25]], atol=3e-7)


def test_existing_stems_are_kept_unless_forced(separate: Callable[..., Result], song: Path, tmp_path: Path) -> None:
    stem = tmp_path / "out" / "My song [live]" / "other.wav"
    stem.parent.mkdir(parents=True)
    stem.write_text("precious")
    result = separate(song)
    assert (result.exit_code, stem.read_text()) == (2, "precious")
    assert (
        result.stderr
        == f"hfbs: error: {stem} exists: add --skip-existing to leave finished songs alone, --force to overwrite, "
        "or name another folder with -o\n"
    )
    assert separate(song, "--force").exit_code == 0
    assert soundfile.info(stem).frames == 6000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.wav", None, "no such file or directory"),
        ("empty.wav", b"", "the file is empty (0 bytes)"),
        ("notes.mp3", b"no sound but words\n" * 99, "FFmpeg cannot read this file: invalid data found when"),
    ],
)
def test_songs_that_cannot_be_read_are_refused_before_anything_is_loaded(
    separate: Callable[..., Result],
    song: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    monkeypatch.delattr("hfbs_separate._model.loaded")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert refusal(separate(song, tmp_path / name), tmp_path / "out").startswith(f"{tmp_path / name}: {message}")


def test_a_truncated_song_is_refused(separate: Callable[..., Result], tmp_path: Path) -> None:
    song = tmp_path / "song.flac"
    soundfile.write(song, np.random.default_rng(0).uniform(-0.5, 0.5, (20000, 2)), 8000)
    song.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    result = separate(song)
    assert result.exit_code == 2
    assert re.search(
        rf"^hfbs: error: {song}: the file is cut short: [\d.]+ s could be decoded of the 2\.5 s that the header "
        r"states; to separate what is there, copy it first, as with: ffmpeg -i song\.flac -vn rest\.wav$",
        result.stderr,
        re.M,
    )
    assert not (tmp_path / "out").exists()


def test_nan_in_a_song_is_refused(separate: Callable[..., Result], tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, np.array([0.0, 0.1, np.nan]), 8000, "FLOAT")
    result = separate(song)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"hfbs: error: {song}: sample 2 of channel 1 is nan; audio must be finite\n")
    assert not (tmp_path / "out").exists()


def test_songs_that_would_share_a_folder_are_refused(
    separate: Callable[..., Result], song: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / song.with_suffix(".mp3").name
    other.parent.mkdir()
    shutil.copy(song, other)
    message = refusal(separate(song, other), tmp_path / "out")
    assert message.startswith(f"{song} and {other} would both write {tmp_path / 'out' / 'My song [live]'}/")


def test_the_output_folder_cannot_be_a_file(separate: Callable[..., Result], song: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refusal(separate(song, "-o", tmp_path / "file"), tmp_path / "out")
    assert (
        message
        == f"{tmp_path / 'file'} is a file, so {tmp_path / 'file'} cannot be the output folder: name another with -o"
    )


class Hostile:
    """A pickle that would create a file when read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_checkpoints_that_cannot_be_read_are_refused(
    separate: Callable[..., Result], song: Path, tmp_path: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    out, bad = tmp_path / "out", tmp_path / "bad.ckpt"
    assert refusal(separate(song, checkpoint=bad), out) == (
        f"Invalid value for '--checkpoint': File '{bad}' does not exist."
    )
    bad.touch()
    assert refusal(separate(song, checkpoint=bad), out) == f"the checkpoint {bad} is empty (0 bytes); download it again"
    bad.write_bytes(tiny_checkpoint[0].read_bytes()[:-1000])
    assert refusal(separate(song, checkpoint=bad), out) == f"{bad} is damaged or truncated; download it again"
    bad.write_bytes(b"<html>404</html>")
    assert f"{bad} is no PyTorch checkpoint" in refusal(separate(song, checkpoint=bad), out)


@pytest.mark.parametrize("protocol", ["pickle", "torch"])
def test_a_checkpoint_with_code_is_refused_and_the_code_not_run(
    separate: Callable[..., Result], song: Path, tmp_path: Path, protocol: str
) -> None:
    bad, ran = tmp_path / "bad.ckpt", tmp_path / "ran"
    content = {"state_dict": Hostile(ran)}
    if protocol == "torch":
        torch.save(content, bad)
    else:
        bad.write_bytes(pickle.dumps(content))
    message = refusal(separate(song, checkpoint=bad), tmp_path / "out")
    assert message.startswith(f"{bad} is refused: its pickle holds more than tensors and plain values")
    assert not ran.exists()


def test_a_configuration_that_constructs_objects_is_refused_and_nothing_constructed(
    separate: Callable[..., Result], song: Path, tmp_path: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    bad, ran = tmp_path / "bad.yaml", tmp_path / "ran"
    bad.write_text(tiny_checkpoint[1].read_text() + f"x: !!python/object/apply:os.mkdir ['{ran}']\n")
    message = refusal(separate(song, config=bad), tmp_path / "out")
    assert message.startswith(f"{bad} is refused: ")
    assert "only plain values and !!python/tuple are read" in message
    assert not ran.exists()


def test_a_configuration_of_another_model_is_refused_with_the_keyword_to_change(
    separate: Callable[..., Result], song: Path, tmp_path: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(tiny_checkpoint[1].read_text().replace("depth: 1", "depth: 3").replace("dim: 16", "dim: 32"))
    message = refusal(separate(song, config=other), tmp_path / "out")
    assert "dim: the weights say 16, the configuration says 32; set it to 16" in message
    assert "depth: the weights say 1, the configuration says 3; set it to 1" in message


@pytest.mark.parametrize("stem", ["../../vocals", "a/b", ".."])
def test_a_stem_name_that_leaves_the_folder_is_refused(
    separate: Callable[..., Result], song: Path, tmp_path: Path, tiny_checkpoint: tuple[Path, Path], stem: str
) -> None:
    config = tmp_path / "other.yaml"
    config.write_text(tiny_checkpoint[1].read_text().replace("[vocals,", f"['{stem}',"))
    assert refusal(separate(song, config=config), tmp_path / "out") == (
        f"a stem is named {stem!r}, which is no file name: rename it with --set stems=[…]"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overlap", "0"], "Invalid value for '--overlap': 0 is not in the range x>=1."),
        (["--overlap", "0.5"], "Invalid value for '--overlap': '0.5' is not a valid integer range."),
        (["--overlap", "5000"], "overlap, how many chunks cover each sample, is from 1 to chunk_size (4000), got 5000"),
        (["--chunk-seconds", "0"], "Invalid value for '--chunk-seconds': 0.0 is not in the range x>0."),
        (["--chunk-seconds", "nan"], "chunk_seconds is the length of a chunk: a positive number of seconds, got nan"),
        (["--batch-size", "0"], "Invalid value for '--batch-size': 0 is not in the range x>=1."),
        (
            ["--device", "gpu"],
            "Invalid value for '--device': device is one of auto, cpu, cuda, mps, or several such as cuda:0",
        ),
        (["--precision", "half"], "Invalid value for '--precision': 'half' is not one of 'auto', 'float32', "),
        (["--format", "32"], "Invalid value for '--format': '32' is not one of 'float', '24', '16', 'flac', "),
        (["--overlaps", "2"], "No such option"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(
    separate: Callable[..., Result], song: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    assert refusal(separate(song, *words), tmp_path / "out").startswith(message)


def test_a_device_that_is_not_there_is_refused(
    separate: Callable[..., Result], song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = refusal(separate(song, "--device", "cuda"), tmp_path / "out")
    assert message.startswith("device cuda was asked for, but PyTorch sees none on this machine: use cpu")


def test_a_missing_song_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["separate"], prog_name="hfbs")
    assert refusal(result, tmp_path / "out") == "Missing argument 'SONG...'."


def test_a_song_that_fails_in_the_work_is_reported_and_the_others_are_separated(
    separate: Callable[..., Result], tmp_path: Path
) -> None:
    songs = [tmp_path / f"{name}.wav" for name in ("one", "two", "three")]
    for number, path in enumerate(songs):
        audio = np.full((5000, 2), 0.1)
        audio[100] = np.nan if number == 1 else 0
        soundfile.write(path, audio, 8000, "FLOAT")
    result = separate(*songs)
    assert result.exit_code == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "three"]
    assert result.stderr.count("hfbs: error: ") == 1
    assert f"hfbs: error: {songs[1]}: sample 100 of channel 1 is nan; audio must be finite\n" in result.stderr
    assert "[3/3] three.wav: 0.6 s, 8000 Hz stereo\n" in result.stderr


def test_a_song_of_an_impossible_rate_in_a_folder_is_reported_and_the_others_are_separated(
    separate: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name, rate in (("dsd256", 1_411_200), ("one", 8000)):
        soundfile.write(tmp_path / "in" / f"{name}.wav", np.zeros((5000, 2)), rate)
    result = separate(tmp_path / "in")
    assert result.exit_code == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one"]
    assert f"hfbs: error: {tmp_path / 'in' / 'dsd256.wav'}: 1411200 Hz, but 1000 to 1000000 Hz is" in result.stderr


def test_a_model_that_fails_in_the_work_is_reported_with_the_song(
    separate: Callable[..., Result], song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SeparationError("the model gave NaN or infinity in float16: use float32")

    monkeypatch.setattr(Separator, "stream", fail)
    result = separate(song)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        f"hfbs: error: {song}: the model gave NaN or infinity in float16: use float32"
    )
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_reported_and_leaves_nothing(
    separate: Callable[..., Result], song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = separate(song)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        f"hfbs: error: {song}: its stems cannot be written: No space left on device"
    )
    assert not (tmp_path / "out").exists()


def test_what_is_odd_about_a_song_is_a_warning_line(
    separate: Callable[..., Result], song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "song: 1 damaged packet could not be decoded, left out"

    def blocks(_: SongFile, warn: Callable[[str], None]) -> Iterator[np.ndarray]:
        yield np.zeros((2, 100), np.float32)
        warn(told)

    monkeypatch.setattr(SongFile, "blocks", blocks)
    result = separate(song)
    assert result.exit_code == 0
    assert f"hfbs: warning: {told}\n" in result.stderr
    record = json.loads((tmp_path / "out" / "My song [live]" / "separation.json").read_text())
    assert record["notes"] == [told]


def test_what_is_odd_about_a_configuration_is_a_warning_line(
    separate: Callable[..., Result], song: Path, tmp_path: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    config = tmp_path / "odd.yaml"
    config.write_text(tiny_checkpoint[1].read_text().replace("dim_freqs_in: 129", "dim_freqs_in: 1025"))
    result = separate(song, config=config)
    assert result.exit_code == 0, result.output
    assert "hfbs: warning: model.dim_freqs_in is 1025, but stft_n_fft=256 means 129, which is used\n" in result.stderr


SAID = {
    "stft_hop_length": "64",
    "stft_win_length": "256",
    "zero_dc": "false",
    "skip_connection": "false",
    "stems": "[vocals, other]",
    "sample_rate": "8000",
    "chunk_size": "4000",
}


def said(**changes: str | None) -> list[str]:
    """The options that say what the tiny checkpoint's weights do not; None leaves one out."""
    values = {name: value for name, value in (SAID | changes).items() if value is not None}
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def test_settings_take_the_place_of_a_configuration(
    separate: Callable[..., Result], song: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    result = separate(song, *said(), config=None)
    assert result.exit_code == 0, result.output
    settings = {"zero_dc": False}
    audio = soundfile.read(song, dtype="float32")[0]
    expected = Separator.from_checkpoint(*tiny_checkpoint, device="cpu", settings=settings).separate(audio.T, 8000)
    for line, stem in zip(result.stdout.splitlines(), expected.values(), strict=True):
        np.testing.assert_array_equal(soundfile.read(line, dtype="float32")[0].T, stem)


def test_a_length_of_chunks_on_the_command_line_is_not_asked_for_again(
    separate: Callable[..., Result], song: Path
) -> None:
    result = separate(song, *said(chunk_size=None), "--chunk-seconds", 0.25, config=None)
    assert result.exit_code == 0, result.output
    assert "chunks of 0.25 s" in result.stderr


def test_what_nobody_says_is_asked_for_in_one_line_with_usual_values(
    separate: Callable[..., Result], song: Path, tmp_path: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    message = refusal(separate(song, *said(zero_dc=None, stems=None), config=None), tmp_path / "out")
    assert message.startswith(f"the weights in {tiny_checkpoint[0]} do not tell: zero_dc (True in MSST since ")
    assert "; stems (2 name(s), such as [vocals])" in message
    assert "stft_hop_length" not in message
    assert message.endswith("--set NAME=VALUE on the command line")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("zero_dc", "'zero_dc' is not of the form NAME=VALUE, such as stft_hop_length=441"),
        ("zero dc=true", "'zero dc=true' is not of the form NAME=VALUE"),
        ("zero_dc=", "'zero_dc=' is not of the form NAME=VALUE"),
        ("stems=[vocals", "the value of 'stems=[vocals' is no plain YAML (expected ',' or ']', but got "),
        ("x=!!python/object/apply:os.system [ls]", "could not determine a constructor for the tag "),
        ("config=x.yaml", "config is no setting: use --config"),
        ("zero_dc=1", "the setting zero_dc is true or false, got 1"),
        ("stems=false", "the setting stems is a list of different names, got False"),
        ("stft_hop_lenght=64", "--set: the model has no keyword 'stft_hop_lenght'; did you mean 'stft_hop_length'?"),
        ("dim=32", "dim: the weights say 16, the arguments say 32"),
        ("stft_hop_length=3000", "stft_hop_length is at least 1 and at most half of stft_win_length=256"),
    ],
)
def test_settings_that_mean_nothing_are_refused_in_one_line(
    separate: Callable[..., Result], song: Path, tmp_path: Path, setting: str, message: str
) -> None:
    assert message in refusal(separate(song, "--set", setting), tmp_path / "out")


def test_a_setting_given_twice_is_refused(separate: Callable[..., Result], song: Path, tmp_path: Path) -> None:
    message = refusal(separate(song, "--set", "zero_dc=true", "--set", "zero_dc=false"), tmp_path / "out")
    assert message == "Invalid value for '--set': zero_dc is set twice, to True and to False; leave one out"


def test_one_stem_needs_no_list(separate: Callable[..., Result], song: Path, tmp_path: Path) -> None:
    message = refusal(separate(song, *said(stems="vocals"), config=None), tmp_path / "out")
    assert "stems: the weights say '2 stem(s)', the arguments say ('vocals',)" in message


def test_lora_adapters_are_merged(
    separate: Callable[..., Result], song: Path, tmp_path: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    layer = "layers.0.0.layers.0.0.to_qkv"
    down, up = torch.randn(2, 16), torch.randn(48, 2)
    torch.save({f"{layer}.lora_A": down, f"{layer}.lora_B": up}, tmp_path / "lora.pt")
    weights = torch.load(tiny_checkpoint[0], weights_only=True)
    torch.save(weights | {f"{layer}.weight": weights[f"{layer}.weight"] + 2.5 * up @ down}, tmp_path / "merged.ckpt")

    merged = separate(song, checkpoint=tmp_path / "merged.ckpt", config=tiny_checkpoint[1])
    expected = [soundfile.read(line)[0] for line in merged.stdout.splitlines()]
    result = separate(song, "--force", "--lora", tmp_path / "lora.pt", "--set", "lora_alpha=5")
    assert result.exit_code == 0, result.output
    for line, stem in zip(result.stdout.splitlines(), expected, strict=True):
        np.testing.assert_allclose(soundfile.read(line)[0], stem, atol=1e-5)


def test_version_and_help_load_no_pytorch() -> None:
    code = "import sys, hfbs_separate.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    result = CliRunner().invoke(main, ["--version"], prog_name="hfbs")
    assert re.fullmatch(r"hfbs \d+\.\d+\.\d+\n", result.output)
    assert "how many chunks cover each sample" in " ".join(
        CliRunner().invoke(main, ["separate", "--help"], prog_name="hfbs").output.lower().split()
    )


def hfbs(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HFBS, *map(str, words)], capture_output=True, text=True, env=ENVIRONMENT)


def test_the_installed_command_refuses_in_one_line_without_traceback(
    tmp_path: Path, tiny_checkpoint: tuple[Path, Path]
) -> None:
    options = ("--checkpoint", tiny_checkpoint[0], "--config", tiny_checkpoint[1], "-o", tmp_path / "out")
    run = hfbs("separate", tmp_path / "none.wav", *options)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"hfbs: error: {tmp_path / 'none.wav'}: no such file or directory\n"
    run = hfbs("separate", "--fast")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert run.stderr.startswith("hfbs: error: No such option")


# Where the tests themselves run in a shell's background, they and what they start ignore SIGINT.
HEED_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_leaves_nothing_and_says_so(tmp_path: Path, tiny_checkpoint: tuple[Path, Path]) -> None:
    long_song = tmp_path / "long.wav"
    soundfile.write(long_song, np.zeros((8000 * 600, 2)), 8000)
    options = ("--checkpoint", tiny_checkpoint[0], "--config", tiny_checkpoint[1], "-o", tmp_path / "out")
    command = (HFBS, "separate", long_song, *options, "--chunk-seconds", 0.05, "--overlap", 20)
    words = [sys.executable, "-c", HEED_CTRL_C, *map(str, command)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        try:
            assert process.stderr is not None
            while not process.stderr.readline().startswith("long.wav: "):
                assert process.poll() is None
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, stdout) == (130, "")
    told, again = stderr.strip().split(". Go on with: ")
    assert told == "hfbs: error: interrupted; the work at hand left nothing behind"
    assert shlex.split(again) == ["hfbs", *map(str, command[1:]), "--skip-existing"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.wav"]


def test_what_ends_a_forced_run_while_it_encodes_leaves_stems_and_record_as_they_were(
    separate: Callable[..., Result], song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert separate(song, "--format", "flac").exit_code == 0
    folder = tmp_path / "out" / "My song [live]"
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def interrupted(_: Encoder) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Encoder, "close", interrupted)
    assert separate(song, "--format", "flac", "--force", "--overlap", 1).exit_code == 130
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


LEFT_ALONE = "1 song left alone, whose stems are there"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["--stems", "vocals"], ["--stems", "other"]),
        (["--stems", "other"], ["--stems", "vocals", "--overlap", "4"]),
        ([], ["--format", "flac"]),
        (["--format", "mp3"], ["--format", "flac", "--stems", "vocals"]),
    ],
)
def test_a_run_keeps_what_the_record_says_of_stems_that_it_does_not_replace(
    separate: Callable[..., Result], song: Path, one: list[str], other: list[str]
) -> None:
    for words in (one, other):
        result = separate(song, *words)
        assert result.exit_code == 0, result.output
    for words in (one, other, one):
        again = separate(song, *words, "--skip-existing")
        assert again.exit_code == 0, again.output
        assert again.stderr.splitlines()[-1] == LEFT_ALONE
    forced = separate(song, *one, "--shifts", "2", "--force")
    assert forced.exit_code == 0, forced.output
    assert separate(song, *other, "--skip-existing").stderr.splitlines()[-1] == LEFT_ALONE
    assert "made with other settings" in separate(song, *one, "--skip-existing").stderr


def test_the_record_tells_of_each_stem_once(separate: Callable[..., Result], song: Path, tmp_path: Path) -> None:
    again = ["--stems", "vocals", "--force"]
    for words in ([], again, ["--format", "flac"], [*again, "--shifts", "2"]):
        assert separate(song, *words).exit_code == 0
    record = json.loads((tmp_path / "out" / "My song [live]" / "separation.json").read_text())
    told = [[stem["file"] for stem in run["stems"].values()] for run in (record, *record.pop("earlier"))]
    assert told == [["vocals.wav"], ["vocals.flac", "other.flac"], ["other.wav"]]


def test_what_ends_a_run_while_stems_take_their_places_takes_nothing_from_the_record_of_others(
    separate: Callable[..., Result], song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert separate(song, "--stems", "vocals").exit_code == 0
    put = StemsWriter.put

    def interrupted(writer: StemsWriter) -> None:
        put(writer)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(StemsWriter, "put", interrupted)
        assert separate(song, "--stems", "other").exit_code == 130
    assert separate(song, "--stems", "vocals", "--skip-existing").stderr.splitlines()[-1] == LEFT_ALONE
    assert len(separate(song, "--stems", "other", "--skip-existing").stdout.splitlines()) == 1
    for stem in ("vocals", "other"):
        assert separate(song, "--stems", stem, "--skip-existing").stderr.splitlines()[-1] == LEFT_ALONE


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"stems": 1}', '{"stems": {"a": {}}}', '{"earlier": {}}', "null"])
def test_a_record_that_is_none_of_ours_says_nothing(
    separate: Callable[..., Result], song: Path, tmp_path: Path, content: str
) -> None:
    record = tmp_path / "out" / "My song [live]" / "separation.json"
    record.parent.mkdir(parents=True)
    record.write_text(content)
    assert separate(song).exit_code == 0
    assert "earlier" not in json.loads(record.read_text())
    record.write_text(content)
    assert "made with other settings" in separate(song, "--skip-existing").stderr


def test_a_folder_keeps_its_structure_and_its_own_stems_are_no_songs(
    separate: Callable[..., Result], song: Path, tmp_path: Path
) -> None:
    top = tmp_path / "in"
    (top / "album").mkdir(parents=True)
    shutil.copy(song, top / "one.flac")
    shutil.copy(song, top / "album" / "two.flac")
    (top / "notes.txt").write_text("no song")
    for _ in range(2):
        result = separate(top, "-o", top / "stems", "--name", "{song} - {stem}", "--skip-existing")
        assert result.exit_code == 0, result.output
        found = sorted(str(path.relative_to(top / "stems")) for path in (top / "stems").rglob("*.*"))
        assert found == [
            "album/two - other.wav",
            "album/two - separation.json",
            "album/two - vocals.wav",
            "one - other.wav",
            "one - separation.json",
            "one - vocals.wav",
        ]


def test_a_song_comes_through_standard_input(tiny_checkpoint: tuple[Path, Path], song: Path, tmp_path: Path) -> None:
    checkpoint, config = map(str, tiny_checkpoint)
    words = ["separate", "-", "--checkpoint", checkpoint, "--config", config, "-o", str(tmp_path), "--device", "cpu"]
    result = CliRunner().invoke(main, words, input=song.read_bytes())
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [str(tmp_path / "stdin" / f"{stem}.wav") for stem in ("vocals", "other")]
    assert json.loads((tmp_path / "stdin" / "separation.json").read_text())["song"]["path"] == "-"


def test_the_instrumental_is_the_song_less_the_vocals(
    separate: Callable[..., Result], song: Path, tmp_path: Path
) -> None:
    words = ("--stems", "vocals", "--instrumental", "--residual", "twice=vocals,other", "--precision", "float32")
    result = separate(song, *words)
    assert result.exit_code == 0, result.output
    files = [Path(line) for line in result.stdout.splitlines()]
    assert [file.name for file in files] == ["vocals.wav", "instrumental.wav", "twice.wav"]
    vocals, instrumental, _ = (soundfile.read(file, dtype="float32")[0] for file in files)
    mixture = soundfile.read(song, dtype="float32")[0]
    np.testing.assert_allclose(vocals + instrumental, mixture, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["vocals", "other", "instrumental"]),
        (["--instrumental"], ["vocals", "other", "instrumental"]),
        (["--stems", "instrumental"], ["instrumental"]),
        (["--stems", "vocals", "--instrumental"], ["vocals", "instrumental"]),
        (["--instrumental", "--residual", "instrumental=vocals"], ["vocals", "other", "instrumental"]),
    ],
)
def test_the_checkpoints_residual_is_given_once_with_no_further_option(
    separate: Callable[..., Result], song: Path, tiny_checkpoint: tuple[Path, Path], words: list[str], names: list[str]
) -> None:
    result = separate(song, "--set", "residual=instrumental", "--precision", "float32", *words)
    assert result.exit_code == 0, result.output
    files = [Path(line) for line in result.stdout.splitlines()]
    assert [file.stem for file in files] == names
    mixture = soundfile.read(song, dtype="float32")[0].T
    stems = Separator.from_checkpoint(*tiny_checkpoint, device="cpu", precision="float32").separate(mixture, 8000)
    left = mixture - stems["vocals"] - (0 if "--residual" in words else stems["other"])
    np.testing.assert_allclose(soundfile.read(files[-1], dtype="float32")[0].T, left, atol=1e-6)


def test_a_residual_is_given_once(separate: Callable[..., Result], song: Path) -> None:
    result = separate(song, "--residual", "rest=vocals", "--residual", "rest=other")
    assert result.exit_code == 2
    assert "rest is given twice" in result.stderr


def test_quiet_says_the_files_alone_and_json_everything(separate: Callable[..., Result], song: Path) -> None:
    quiet = separate(song, "--quiet")
    assert quiet.stderr == ""
    assert [Path(line).name for line in quiet.stdout.splitlines()] == ["vocals.wav", "other.wav"]
    told = separate(song, "--json", "--force")
    assert told.stderr == ""
    events = [json.loads(line) for line in told.stdout.splitlines()]
    assert {event["event"] for event in events} == {"info", "progress", "wrote"}
    assert [event["file"] for event in events if event["event"] == "wrote"] == quiet.stdout.splitlines()
    assert [event["done"] for event in events if event["event"] == "progress"][-1] == 6000
    failed = separate(song.with_name("none.wav"), "--json")
    assert (failed.exit_code, failed.stderr) == (2, "")
    assert [json.loads(line)["event"] for line in failed.stdout.splitlines()] == ["error"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--residual", "rest"], "'rest' is not of the form NAME=STEM[,STEM...]"),
        (["--residual", "rest=piano"], "the model has no stem 'piano', but vocals, other"),
        (["--stems", "piano"], "the model has no stem 'piano', but vocals, other"),
        (["--shifts", "2", "--chunking", "msst"], "shifts are passes with clean chunking"),
        (["--force", "--skip-existing"], "give one of them"),
        (["--name", "{song}"], "names are a path below the output folder with {stem} in it"),
    ],
)
def test_options_of_stems_that_cannot_be_honoured_are_refused(
    separate: Callable[..., Result], song: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    assert message in refusal(separate(song, *words), tmp_path / "out")


@pytest.mark.parametrize(("option", "value"), [("--workers", "2"), ("--ray-address", "auto")])
def test_options_of_a_cluster_are_refused_without_one(
    separate: Callable[..., Result], song: Path, tmp_path: Path, option: str, value: str
) -> None:
    told = refusal(separate(song, option, value), tmp_path / "out")
    assert told == f"{option} is of a Ray cluster: add --engine ray"


def test_a_cluster_in_the_environment_is_none_of_the_local_engines_business(
    separate: Callable[..., Result], song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "nowhere:1")
    assert separate(song).exit_code == 0


def test_extras_that_are_missing_are_named(
    separate: Callable[..., Result], song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told = refusal(separate(song, "--engine", "ray"), tmp_path / "out")
    assert told == '--engine ray needs ray: pip install "hfbs-separate[ray]"'
    monkeypatch.setitem(sys.modules, "upath", None)
    told = refusal(separate("s3://bucket/songs"), tmp_path / "out")
    assert told == 's3://bucket/songs: URLs need the extra remote: pip install "hfbs-separate[remote]"'


def test_a_record_may_stand_in_another_folder_than_the_stems(
    separate: Callable[..., Result], song: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        result = separate(song, "--name", "{stem}/{song}", "--skip-existing")
        assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out" / "separation" / "My song [live].json").read_text())
    assert record["stems"]["vocals"]["file"] == str(Path("..", "vocals", "My song [live].wav"))
