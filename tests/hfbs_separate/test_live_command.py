"""``hfbs live``: as many samples out of the pipe as into it, drop-outs reported; and the loop between devices."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hfbs_separate import OptionError
from hfbs_separate._live_sound import SoundLoop, sound_module
from hfbs_separate._pcm import PcmReader, PcmWriter
from hfbs_separate.cli import main
from hfbs_separate.live import LivePlan, LiveSeparator

HFBS = Path(sys.executable).with_name("hfbs")
# Where the tests themselves run in a shell's background, they and what they start ignore SIGINT.
HEED_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

type Live = Callable[..., Result]


def noise(samples: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(samples).uniform(-0.5, 0.5, (channels, samples)).astype(np.float32)


def pcm(audio: np.ndarray, kind: str = "<f4") -> bytes:
    """Interleaved."""
    return np.ascontiguousarray(audio.T, kind).tobytes()


def audio(data: bytes, channels: int = 2, kind: str = "<f4") -> np.ndarray:
    return np.frombuffer(data, kind).reshape(-1, channels).T


@pytest.fixture
def live(tiny_checkpoint: tuple[Path, Path]) -> Live:
    """Run ``hfbs live`` on the CPU in this process with these bytes as its input."""
    weights, config = tiny_checkpoint

    def run(given: bytes, *words: object) -> Result:
        options = ["--checkpoint", weights, "--config", config, "--device", "cpu", "--precision", "float32"]
        return CliRunner().invoke(main, [str(word) for word in ("live", *options, *words)], given, prog_name="hfbs")

    return run


def expected(files: tuple[Path, Path], mixture: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
    """Stems beside the mixture, without the latency."""
    separator = LiveSeparator.from_checkpoint(*files, device="cpu", precision="float32", **options)
    parts = [separator.process(mixture), separator.flush()]
    return {name: np.concatenate([part[name] for part in parts], 1)[:, separator.latency :] for name in separator.stems}


@pytest.mark.parametrize("samples", [1, 500, 5000])
def test_the_first_stem_comes_out_sample_by_sample(
    live: Live, tiny_checkpoint: tuple[Path, Path], samples: int
) -> None:
    mixture = noise(samples)
    result = live(pcm(mixture), "--latency", 0.1)
    assert result.exit_code == 0, result.stderr
    stems = expected(tiny_checkpoint, mixture, latency=0.1)
    np.testing.assert_array_equal(audio(result.stdout_bytes), stems["vocals"])


def test_several_stems_follow_each_other_in_each_frame(live: Live, tiny_checkpoint: tuple[Path, Path]) -> None:
    mixture = noise(2000)
    result = live(pcm(mixture), "--latency", 0.1, "--stem", "other", "--stem", "vocals", "--instrumental")
    assert result.exit_code == 0, result.stderr
    stems = expected(tiny_checkpoint, mixture, latency=0.1, residuals={"instrumental": ["vocals"]})
    wanted = np.concatenate([stems["other"], stems["vocals"], stems["instrumental"]])
    np.testing.assert_array_equal(audio(result.stdout_bytes, 6), wanted)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["vocals"]),
        (["--stem", "instrumental", "--stem", "vocals"], ["instrumental", "vocals"]),
        (["--instrumental"], ["instrumental"]),
        (["--stem", "vocals", "--instrumental"], ["vocals", "instrumental"]),
        (["--stem", "instrumental", "--instrumental"], ["instrumental"]),
    ],
)
def test_the_checkpoints_residual_is_chosen_as_a_stem_is(
    live: Live, tiny_checkpoint: tuple[Path, Path], words: list[str], names: list[str]
) -> None:
    mixture = noise(2000)
    result = live(pcm(mixture), "--latency", 0.1, "--set", "residual=instrumental", *words)
    assert result.exit_code == 0, result.stderr
    stems = expected(tiny_checkpoint, mixture, latency=0.1, settings={"residual": "instrumental"})
    wanted = np.concatenate([stems[name] for name in names])
    np.testing.assert_array_equal(audio(result.stdout_bytes, 2 * len(names)), wanted)


def test_mono_goes_through_both_channels(live: Live, tiny_checkpoint: tuple[Path, Path]) -> None:
    mixture = noise(1000, 1)
    result = live(pcm(mixture), "--channels", 1, "--rate", 8000)
    assert result.exit_code == 0, result.stderr
    stems = expected(tiny_checkpoint, np.repeat(mixture, 2, axis=0))
    np.testing.assert_array_equal(audio(result.stdout_bytes, 1)[0], stems["vocals"].mean(axis=0))


def test_integers_are_scaled_by_full_scale(live: Live, tiny_checkpoint: tuple[Path, Path]) -> None:
    mixture = np.rint(noise(1000) * 32768).astype(np.int16)
    result = live(pcm(mixture, "<i2"), "--format", "s16le")
    assert result.exit_code == 0, result.stderr
    stems = expected(tiny_checkpoint, mixture.astype(np.float32) / 32768)
    np.testing.assert_array_equal(audio(result.stdout_bytes, 2, "<i2"), np.rint(stems["vocals"] * 32768))


def test_people_are_told_of_latency_and_load(live: Live) -> None:
    lines = live(pcm(noise(4000)), "--latency", 0.2).stderr.splitlines()
    assert lines[0].startswith("cpu, float32, ")
    assert lines[1] == (
        "tiny.ckpt: vocals; 8000 Hz stereo, f32le; latency 0.200 s (hop 0.136, crossfade 0.016, look-ahead 0.048), and "
        "up to 0.136 s to compute; chunks of 0.496 s"
    )
    assert re.fullmatch(
        r"0\.5 s in 5 hops of 0\.136 s: load \d+\.\d\d, at most \d+\.\d\d; (no|\d+) drop-outs?(: give .*)?", lines[-1]
    )


def test_json_lines_go_to_standard_error(live: Live) -> None:
    result = live(pcm(noise(4000)), "--latency", 0.2, "--json")
    assert len(result.stdout_bytes) == 4000 * 2 * 4
    events = [json.loads(line) for line in result.stderr.splitlines()]
    stream = next(event for event in events if event["event"] == "stream")
    assert (stream["latency"], stream["hop"], stream["channels"]) == (1600, 1088, 2)
    report = events[-1]
    assert (report["event"], report["seconds"], report["hops"]) == ("report", 0.5, 5)
    assert report["drop_outs"] == sum(event["event"] == "drop-out" for event in events)


def test_a_hop_that_takes_longer_than_it_lasts_is_told_once_and_counted(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(np.arange(1000) * 0.25)  # a hop lasts 0.136 s
    original = LiveSeparator.__init__

    def slow(self: LiveSeparator, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options, clock=lambda: next(ticks))

    monkeypatch.setattr(LiveSeparator, "__init__", slow)
    lines = live(pcm(noise(4000)), "--latency", 0.2).stderr.splitlines()
    (warning,) = (line for line in lines if "warning" in line)
    assert "the first drop-out, after 0.1 s: a hop of 0.136 s was ready 0.11 s late" in warning
    assert lines[-1] == (
        "0.5 s in 5 hops of 0.136 s: load 1.84, at most 1.84; 5 drop-outs: give a higher --latency or a lower "
        "--chunk-seconds"
    )


@pytest.mark.parametrize(
    ("given", "words", "message"),
    [
        (b"", [], "standard input ended without a sample: what feeds it may have failed"),
        (pcm(noise(10)), ["--rate", 44100], "the model separates at 8000 Hz, and --rate says that the input has 44100"),
        (pcm(noise(10)), ["--stem", "drums"], "the model has no stem 'drums', but vocals, other"),
        (pcm(noise(10)), ["--latency", 0.001], "latency is in seconds, at least 0.016 for this model"),
        (pcm(noise(10)), ["--sound-input", "3"], "--sound-input and --sound-output are of sound devices: add --sound"),
        (pcm(noise(10)), ["--sound", "--rate", 8000], "--sound opens devices as the model needs them"),
        (b"", ["--sound", "--format", "s16le"], "--sound opens devices as the model needs them"),
        (b"", ["--sound", "--format", "f32le"], "one stem: leave out --format, --rate, --channels and further stems"),
        (pcm(np.full((2, 9), np.nan)), [], "after sample 0 of the input: a block must be finite, got nan"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(live: Live, given: bytes, words: list[object], message: str) -> None:
    result = live(given, *words)
    assert (result.exit_code, result.stdout_bytes) == (2, b"")
    assert message in result.stderr.splitlines()[-1]
    assert result.stderr.splitlines()[-1].startswith("hfbs: error: ")


def test_a_broken_frame_at_the_end_is_left_out_with_a_warning(live: Live) -> None:
    result = live(pcm(noise(100)) + b"\0\0\0")
    assert (result.exit_code, len(result.stdout_bytes)) == (0, 800)
    assert "the input ended within a frame: 3 bytes left out" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a closed pipe is another error")
def test_a_real_pipe_is_answered_before_it_ends_and_may_be_closed(tiny_checkpoint: tuple[Path, Path]) -> None:
    weights, config = tiny_checkpoint
    words = [HFBS, "live", "--checkpoint", weights, "--config", config, "--device", "cpu", "--latency", "0.05"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(pcm(noise(1000)))
        process.stdin.flush()
        assert len(process.stdout.read(8 * (1000 - 400))) == 8 * 600  # all but the latency, while the input is open
        process.stdout.close()
        process.stdin.write(pcm(noise(4000)))
        process.stdin.close()
        told = process.stderr.read().decode()
        assert process.wait() == 0, told
    assert "warning: what reads standard output has closed it" in told
    assert "Traceback" not in told
    assert "Exception ignored" not in told


def test_an_input_that_cannot_be_read_is_told_in_a_line(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(PcmReader, "blocks", failing)
    result = live(b"")
    assert (result.exit_code, result.stdout_bytes) == (2, b"")
    assert result.stderr.splitlines()[-1] == "hfbs: error: standard input cannot be read: input/output error"


@pytest.mark.skipif(sys.platform != "linux", reason="has /dev/full")
@pytest.mark.parametrize(
    ("redirection", "message"),
    [
        ("<&-", "standard input and output are raw PCM, so both must be pipes or files, neither closed nor a terminal"),
        (">&-", "standard input and output are raw PCM, so both must be pipes or files, neither closed nor a terminal"),
        (">/dev/full", "standard output cannot be written: no space left on device"),
    ],
)
def test_real_pipes_that_are_closed_or_full_are_told_in_a_line(
    tiny_checkpoint: tuple[Path, Path], tmp_path: Path, redirection: str, message: str
) -> None:
    weights, config = tiny_checkpoint
    (tmp_path / "in").write_bytes(pcm(noise(4000)))
    live = shlex.join(map(str, [HFBS, "live", "--checkpoint", weights, "--config", config, "--device", "cpu"]))
    words = ["sh", "-c", f"{live} <in >out {redirection}"]
    ended = subprocess.run(words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(f"hfbs: error: {message}"), ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_ends_with_the_report(tiny_checkpoint: tuple[Path, Path]) -> None:
    weights, config = tiny_checkpoint
    words = [HFBS, "live", "--checkpoint", weights, "--config", config, "--device", "cpu", "--latency", "0.05"]
    words = [sys.executable, "-c", HEED_CTRL_C, *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pcm(noise(1000)))
        process.stdin.flush()
        process.stdout.read(8 * (1000 - 400))
        process.send_signal(signal.SIGINT)
        told = process.communicate()[1].decode()
    assert process.returncode == 130, told
    assert told.splitlines()[-1].startswith("0.1 s in 3 hops of 0.032 s: load ")
    assert "Traceback" not in told


class Dripping(io.BytesIO):
    """A pipe whose bytes come three at a time."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(min(size or 0, 3))


@pytest.mark.parametrize(("name", "kind"), [("f32le", "<f4"), ("s16le", "<i2")])
def test_a_pipe_may_break_frames_anywhere(name: Any, kind: str) -> None:
    mixture = np.arange(-50, 50).reshape(2, 50)
    reader = PcmReader(Dripping(pcm(mixture, kind)), name, 2)
    heard = np.concatenate(list(reader.blocks(7)), axis=1)
    np.testing.assert_array_equal(heard, mixture / (32768 if kind == "<i2" else 1))
    assert reader.left_over == b""


def test_what_16_bits_do_not_hold_is_clipped_and_counted() -> None:
    pipe = io.BytesIO()
    writer = PcmWriter(pipe, "s16le")
    writer.write(np.array([[1.0, -1.0, 1.5, -2.0, 0.25]], np.float32))
    np.testing.assert_array_equal(audio(pipe.getvalue(), 1, "<i2")[0], [32767, -32768, 32767, -32768, 8192])
    assert writer.clipped == 2


def loop_of(checkpoint: Any, plan: LivePlan) -> SoundLoop:
    return SoundLoop(LiveSeparator(checkpoint, plan, device="cpu"), "stem0")


def played(loop: SoundLoop, block: np.ndarray) -> np.ndarray:
    """What the device plays while it hears the block."""
    out = np.full((block.shape[1], 2), np.nan, np.float32)
    loop.callback(np.ascontiguousarray(block.T), out, block.shape[1], None, None)
    return out.T


@pytest.mark.parametrize("size", [1, 30, 100])
def test_between_devices_latency_is_a_hop_more(gains_checkpoint: Callable[..., Any], size: int) -> None:
    loop = loop_of(gains_checkpoint(), LivePlan(100, 20, 10, 300))
    assert loop.latency == 230
    mixture = noise(1300)
    heard: list[np.ndarray] = []
    for block in np.split(mixture, range(size, 1300, size), axis=1):
        heard.append(played(loop, block))
        while loop.work(0):
            pass
    assert (loop.drop_outs, loop.missing, loop.lost) == (0, 0, 0)
    np.testing.assert_array_equal(np.concatenate(heard, axis=1), np.pad(mixture, [(0, 0), (230, 0)])[:, :1300])


def test_what_comes_too_late_is_left_out_so_that_latency_stays(gains_checkpoint: Callable[..., Any]) -> None:
    loop = loop_of(gains_checkpoint(), LivePlan(100, 20, 10, 300))
    mixture = noise(2000)
    heard: list[np.ndarray] = []
    for number, block in enumerate(np.split(mixture, range(50, 2000, 50), axis=1)):
        heard.append(played(loop, block))
        while number not in range(10, 20) and loop.work(0):  # the model does not answer for a while
            pass
    whole = np.concatenate(heard, axis=1)
    late = np.pad(mixture, [(0, 0), (230, 0)])[:, :2000]
    silent = (whole == 0).all(axis=0) & (np.arange(2000) >= 230)
    assert silent.sum() == loop.missing > 0
    assert loop.drop_outs > 0
    np.testing.assert_array_equal(whole[:, ~silent], late[:, ~silent])
    np.testing.assert_array_equal(whole[:, 1100:], late[:, 1100:])


def test_without_the_extra_sound_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(OptionError, match=r'pip install "hfbs-separate\[live\]"'):
        sound_module()


def test_a_device_is_opened_as_the_model_needs_it(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[dict[str, Any]] = []

    class Stream:
        """Plays four blocks, and ends."""

        def __init__(self, **options: Any) -> None:
            opened.append(options)
            self._left = 4

        @property
        def active(self) -> bool:
            self._left -= 1
            return self._left >= 0

        def __enter__(self) -> "Stream":
            callback = opened[0]["callback"]
            for _ in range(4):
                callback(noise(500).T, np.empty((500, 2), np.float32), 500, None, None)
            return self

        def __exit__(self, *_: object) -> None:
            pass

    module: Any = ModuleType("sounddevice")
    module.Stream, module.PortAudioError = Stream, type("PortAudioError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    result = live(b"", "--sound", "--sound-input", "2", "--sound-output", "Speakers", "--json")
    assert result.exit_code == 0, result.stderr
    (options,) = opened
    assert (options["samplerate"], options["channels"], options["device"]) == (8000, 2, (2, "Speakers"))
    assert options["blocksize"] <= 1792  # more than a hop at once would not lie ready
    report = json.loads(result.stderr.splitlines()[-1])
    assert report["event"] == "report"
    assert report["seconds"] == pytest.approx(2000 / 8000)
    # Four blocks were played at once, and a hop of silence lay ready.
    assert (report["device_drop_outs"], report["missing"], report["lost"]) == (1, 2000 - 1792, 0)


def test_a_device_that_does_not_open_is_named(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    error = type("PortAudioError", (Exception,), {})

    def refuse(**_: Any) -> None:
        raise error("Invalid sample rate [PaErrorCode -9997]")

    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(Stream=refuse, PortAudioError=error))
    result = live(b"", "--sound")
    assert result.exit_code == 2
    assert "no sound device opens at 8000 Hz with 2 channels: Invalid sample rate" in result.stderr
