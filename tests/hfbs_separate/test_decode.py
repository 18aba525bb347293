"""Decoding is exact where the format is, and every unusable file is refused in words."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate import AudioFileError
from hfbs_separate._decode import decode, probe

EXACT = [
    ("wav", "PCM_U8"),
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "PCM_32"),
    ("wav", "FLOAT"),
    ("wav", "DOUBLE"),
    ("flac", "PCM_16"),
    ("flac", "PCM_24"),
    ("aiff", "PCM_24"),
    ("caf", "PCM_16"),
    ("w64", "FLOAT"),
]
FULL_SCALE = np.array([-1, -0.75, -(2.0**-24), 0, 2.0**-24, 1 / 3, 1 - 2.0**-15, 1 - 2.0**-24])


def sine(channels: int = 2, samples: int = 3000, sample_rate: int = 44100) -> np.ndarray:
    """A tone per channel, fading in and out: (channel, time)."""
    time = np.arange(samples) / sample_rate
    tones = [np.sin(2 * np.pi * hertz * time) for hertz in (440, 660, 880, 1100, 1320, 1540)[:channels]]
    return (0.5 * np.hanning(samples) * np.stack(tones)).astype(np.float32)


@pytest.mark.parametrize(("suffix", "subtype"), EXACT)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_formats_decode_to_the_bit(tmp_path: Path, suffix: str, subtype: str, channels: int) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, (5000, channels))
    noise[: len(FULL_SCALE)] = FULL_SCALE[:, None]
    path = tmp_path / f"song.{suffix}"
    soundfile.write(path, noise, 48000, subtype)
    recording = decode(path)
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    assert recording.audio.dtype == np.float32
    assert (recording.sample_rate, recording.warnings) == (48000, ())
    np.testing.assert_array_equal(recording.audio, expected)


@given(samples=st.integers(1, 9000), channels=st.integers(1, 2), sample_rate=st.sampled_from([8000, 44100, 96000]))
def test_a_wav_file_of_any_length_decodes_whole(
    tmp_path_factory: pytest.TempPathFactory, samples: int, channels: int, sample_rate: int
) -> None:
    path = tmp_path_factory.mktemp("wav") / "song.wav"
    audio = np.random.default_rng(samples).uniform(-2, 2, (channels, samples)).astype(np.float32)
    soundfile.write(path, audio.T, sample_rate, "FLOAT")
    recording = decode(path)
    assert recording.sample_rate == sample_rate
    np.testing.assert_array_equal(recording.audio, audio)


@pytest.mark.parametrize(
    ("name", "codec", "sample_rate"),
    [
        ("song.mp3", "libmp3lame", 44100),
        ("song.m4a", "aac", 44100),
        ("song.opus", "libopus", 48000),
        ("song.mkv", "libopus", 48000),
        ("song.wv", "wavpack", 44100),
        ("song.m4a", "alac", 44100),
    ],
)
def test_what_ffmpeg_decodes_is_decoded(
    tmp_path: Path, encode: Callable[..., Path], name: str, codec: str, sample_rate: int
) -> None:
    audio = sine(samples=sample_rate, sample_rate=sample_rate)
    recording = decode(encode(tmp_path / name, audio, sample_rate, codec))
    assert (recording.sample_rate, recording.audio.shape[0], recording.warnings) == (sample_rate, 2, ())
    samples = min(recording.audio.shape[1], audio.shape[1])
    assert samples > 0.95 * sample_rate
    difference = recording.audio[:, :samples] - audio[:, :samples]
    assert np.sqrt(np.mean(difference**2)) < 0.02


def test_the_audio_of_a_video_is_decoded(tmp_path: Path, encode: Callable[..., Path]) -> None:
    path = encode(tmp_path / "song.mkv", sine(samples=44100), 44100, "flac", video=True)
    recording = decode(path)
    assert recording.audio.shape == (2, 44100)
    assert probe(path).channels == 2


def test_a_wav_that_was_piped_and_states_no_length_decodes_whole(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    samples = np.arange(-500, 500, dtype="<i2")
    to_the_end = 0xFFFFFFFF
    sizes = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    header = struct.pack("<4sI8s", b"RIFF", to_the_end, b"WAVEfmt ") + sizes + struct.pack("<4sI", b"data", to_the_end)
    path.write_bytes(header + samples.tobytes())
    np.testing.assert_array_equal(decode(path).audio[0], samples.astype(np.float32) / 32768)


@pytest.mark.parametrize("codec", ["flac", "aac"])
def test_a_file_without_a_duration_decodes_whole(tmp_path: Path, encode: Callable[..., Path], codec: str) -> None:
    with_duration = encode(tmp_path / "song.mkv", sine(samples=44100), 44100, codec)
    streamed = tmp_path / "streamed.mkv"
    # 0x4489 is Matroska's Duration; 0xEC makes it an element to skip, as in a stream that was never finished.
    content = with_duration.read_bytes()
    assert content.count(b"\x44\x89\x88") == 1
    at = content.index(b"\x44\x89\x88")
    streamed.write_bytes(content[:at] + b"\xec\x89" + content[at + 2 :])
    assert probe(streamed).seconds is None
    np.testing.assert_array_equal(decode(streamed).audio, decode(with_duration).audio)


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("concat:song.wav", sine().T, 44100, format="WAV")
    assert decode(Path("concat:song.wav")).audio.shape == (2, 3000)


def test_a_playlist_reaches_no_network(tmp_path: Path) -> None:
    path = tmp_path / "song.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(AudioFileError, match=r"song\.m3u8: "):
        decode(path)


def test_probe_states_what_decode_gives(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    soundfile.write(path, sine(1, 24000).T, 48000)
    info = probe(path)
    assert (info.channels, info.sample_rate, info.seconds) == (1, 48000, 0.5)


def test_real_vorbis_agrees_with_libsndfile(shared_audio: Path) -> None:
    path = shared_audio / "cc0" / "sodium" / "vocals.ogg"
    recording = decode(path)
    with soundfile.SoundFile(path) as file:
        assert recording.audio.shape == (file.channels, file.frames)
        file.seek(20 * file.samplerate)
        expected = file.read(5 * file.samplerate, dtype="float32").T
    got = recording.audio[:, 20 * recording.sample_rate :][:, : expected.shape[1]]
    np.testing.assert_allclose(got, expected, atol=2e-6)


def refusal(path: Path) -> str:
    with pytest.raises(AudioFileError) as caught:
        decode(path)
    return str(caught.value)


def test_missing_files_folders_and_empty_files_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert refusal(tmp_path / "none.wav") == f"{tmp_path}/none.wav: no such file or directory"
    assert refusal(tmp_path) == f"{tmp_path}: a folder or a device, not a file; name the song itself"
    assert refusal(empty) == f"{empty}: the file is empty (0 bytes)"


def test_a_file_that_is_no_audio_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp3"
    path.write_text("These are the words of a song, not its sound.\n" * 50)
    assert refusal(path).startswith(f"{path}: FFmpeg cannot read this file: invalid data")


def test_a_video_without_audio_is_refused(tmp_path: Path, encode: Callable[..., Path]) -> None:
    path = encode(tmp_path / "mute.mkv", sine(), 44100, "", video=True)
    assert refusal(path) == f"{path}: the file has no audio track"


def test_more_than_two_channels_are_refused_with_the_way_to_downmix(tmp_path: Path) -> None:
    path = tmp_path / "surround.wav"
    soundfile.write(path, sine(6).T, 44100)
    assert refusal(path) == (
        f"{path}: 6 channels, but mono or stereo is needed: downmix first, "
        "as with: ffmpeg -i surround.wav -vn -ac 2 stereo.wav"
    )


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"song.{suffix}"
    soundfile.write(path, sine(samples=88200).T, 44100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert f"{path}: the file is cut short: " in refusal(path)
    assert "to separate what is there, copy it first, as with: ffmpeg -i song." in refusal(path)


def test_a_truncated_mp4_is_refused(tmp_path: Path, encode: Callable[..., Path]) -> None:
    path = encode(tmp_path / "song.m4a", sine(samples=44100), 44100, "aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"{path}: FFmpeg cannot read this file: " in refusal(path)


def test_a_truncated_mp3_is_decoded_as_far_as_it_goes_with_a_warning(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    path = encode(tmp_path / "song.mp3", sine(samples=441000), 44100, "libmp3lame")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    recording = decode(path)
    assert 0 < recording.audio.shape[1] < 300000
    assert any("s that the header states; the file may be cut short" in warning for warning in recording.warnings)


def test_a_damaged_packet_is_left_out_with_a_warning(tmp_path: Path, encode: Callable[..., Path]) -> None:
    path = encode(tmp_path / "song.aac", sine(samples=88200), 44100, "aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert decode(path).warnings[0] == f"{path}: 1 damaged packet could not be decoded, left out"


def test_a_file_without_a_sample_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros((0, 2)), 44100)
    assert refusal(path) == f"{path}: the audio track holds no sample that can be decoded"


@pytest.mark.parametrize(
    ("subtype", "value", "named"), [("FLOAT", np.nan, "nan"), ("FLOAT", np.inf, "inf"), ("DOUBLE", 1e300, "inf")]
)
def test_samples_that_are_not_finite_are_refused(tmp_path: Path, subtype: str, value: float, named: str) -> None:
    path = tmp_path / "song.wav"
    audio = sine().T.astype(float)
    audio[1234, 1] = value
    soundfile.write(path, audio, 44100, subtype)
    assert refusal(path) == f"{path}: sample 1234 of channel 2 is {named}; audio must be finite"


def test_a_stream_that_changes_on_the_way_is_refused(tmp_path: Path, encode: Callable[..., Path]) -> None:
    first = encode(tmp_path / "a.mp3", sine(samples=44100), 44100, "libmp3lame")
    second = encode(tmp_path / "b.mp3", sine(samples=44100), 32000, "libmp3lame")
    path = tmp_path / "both.mp3"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    message = refusal(path)
    assert message.startswith(f"{path}: changes in mid-file from 2 channels at ")
    assert message.endswith("convert it first, as with: ffmpeg -i both.mp3 -vn -ac 2 -ar 44100 even.wav")
