"""Decoding is exact where the format is, and every unusable file is refused in words."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from io import FileIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate import AudioFileError
from hfbs_separate._blocks import BLOCK_SIZE
from hfbs_separate._decode import decode, open_song
from hfbs_separate._stated_size import missing_bytes

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
    ("name", "codec", "sample_rate", "added"),
    [
        ("song.mp3", "libmp3lame", 44100, 0),
        ("song.m4a", "aac", 44100, 0),
        ("song.opus", "libopus", 48000, 0),
        ("song.ogg", "libopus", 48000, 0),
        ("song.webm", "libopus", 48000, 0),
        ("song.mkv", "libopus", 48000, 0),
        ("film.mkv", "libopus", 48000, 0),
        ("film.mkv", "libmp3lame", 44100, 0),
        # Matroska as FFmpeg writes it says what the encoder put before the song, and not what is after it.
        ("film.mkv", "aac", 44100, 352),
        ("film.mp4", "aac", 44100, 0),
        ("song.wv", "wavpack", 44100, 0),
        ("song.m4a", "alac", 44100, 0),
    ],
)
def test_what_encoders_put_before_and_after_a_song_is_left_out(
    tmp_path: Path, encode: Callable[..., Path], name: str, codec: str, sample_rate: int, added: int
) -> None:
    audio = sine(samples=100_000, sample_rate=sample_rate)
    path = encode(tmp_path / name, audio, sample_rate, codec, video=name.startswith("film"))
    recording = decode(path)
    assert (recording.sample_rate, recording.warnings) == (sample_rate, ())
    assert recording.audio.shape == (2, 100_000 + added)
    assert np.sqrt(np.mean((recording.audio[:, :100_000] - audio) ** 2)) < 0.02
    ffmpeg = shutil.which("ffmpeg")
    # FFmpeg 5, which Debian 12 has, leaves in what is before a song in Matroska, but for Opus.
    if ffmpeg and (codec == "libopus" or not name.endswith("mkv")):
        command = [ffmpeg, "-v", "error", "-i", path, "-f", "f32le", "-c:a", "pcm_f32le", "-"]
        output = subprocess.run(command, capture_output=True, check=True).stdout
        expected = np.frombuffer(output, np.float32).reshape(-1, 2).T
        # And what is after it in the last frame of AAC.
        assert 0 <= expected.shape[1] - recording.audio.shape[1] < (1024 if codec == "aac" else 1)
        np.testing.assert_allclose(recording.audio, expected[:, : recording.audio.shape[1]], atol=2e-6)


@pytest.mark.parametrize(("name", "codec"), [("film.mkv", "flac"), ("film.mp4", "aac"), ("film.ts", "aac")])
def test_pictures_change_nothing_about_the_sound(
    tmp_path: Path, encode: Callable[..., Path], name: str, codec: str
) -> None:
    silent, film = (
        decode(encode(tmp_path / f"{video}-{name}", sine(samples=44100), 44100, codec, video=video, pictures=25))
        for video in (False, True)
    )
    np.testing.assert_array_equal(film.audio, silent.audio)
    assert film.warnings == silent.warnings == ()


def in_packets(source: Path, path: Path, size: int) -> Path:
    """The audio of one file in another, with so many bytes to the packet."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        track: Any = new.add_stream_from_template(old.streams.audio[0])
        data = b"".join(bytes(packet) for packet in old.demux() if packet.size)
        for number, start in enumerate(range(0, len(data), size)):
            packet = av.Packet(data[start : start + size])
            packet.stream, packet.pts, packet.dts, packet.time_base = track, number, number, Fraction(1, 1000)
            new.mux(packet)
    return path


@pytest.mark.parametrize("size", [4, 1000, 4096, 4 * BLOCK_SIZE, 4 * BLOCK_SIZE + 4, 1 << 20])
def test_blocks_do_not_depend_on_packets(tmp_path: Path, size: int) -> None:
    wav = tmp_path / "song.wav"
    samples = 2 * BLOCK_SIZE + 1 if size > 4 else 5000
    audio = np.random.default_rng(0).integers(-(2**15), 2**15, (samples, 2), np.int16)
    soundfile.write(wav, audio, 44100)
    song = open_song(in_packets(wav, tmp_path / "song.mkv", size))
    blocks = list(song.blocks())
    assert [block.shape[1] for block in blocks] == ([BLOCK_SIZE, BLOCK_SIZE, 1] if size > 4 else [5000])
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), audio.T / np.float32(32768))
    np.testing.assert_array_equal(next(song.blocks()), blocks[0])


@pytest.mark.parametrize(("size", "message"), [(1 << 25, "a packet of 32 MB, more than any encoder makes")])
def test_a_packet_that_no_encoder_makes_is_refused(tmp_path: Path, size: int, message: str) -> None:
    wav = tmp_path / "song.wav"
    soundfile.write(wav, np.zeros((size // 4, 2), np.int16), 44100)
    path = in_packets(wav, tmp_path / "song.mkv", size)
    assert refusal(path) == f"{path}: {message}; the file may be damaged"


def test_a_wav_file_of_64_bit_integers_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    samples = np.array([-(2**63), -(2**62), 0, 1 << 40, 2**62], "<i8")
    header = struct.pack("<4sI8sIHHIIHH", b"RIFF", 36 + 40, b"WAVEfmt ", 16, 1, 1, 8000, 64000, 8, 64)
    path.write_bytes(header + struct.pack("<4sI", b"data", 40) + samples.tobytes())
    np.testing.assert_array_equal(decode(path).audio, [[-1, -0.5, 0, 2.0**-23, 0.5]])


def test_tags_that_are_no_utf8_do_not_hinder(tmp_path: Path, encode: Callable[..., Path]) -> None:
    path = encode(tmp_path / "song.mp3", sine(samples=44100), 44100, "libmp3lame")
    title = b"TIT2" + struct.pack(">IH", 5, 0) + b"\x03caf\xe9"
    path.write_bytes(b"ID3\x04\0\0" + struct.pack(">I", len(title)) + title + path.read_bytes())
    assert decode(path).audio.shape == (2, 44100)


def test_where_header_and_sound_disagree_the_sound_is_right(tmp_path: Path, encode: Callable[..., Path]) -> None:
    path = encode(tmp_path / "song.mka", sine(samples=44100), 44100, "aac")
    stereo, mono = b"\x12\x10\x56\xe5", b"\x12\x08\x56\xe5"  # of AAC's header
    content = path.read_bytes()
    assert content.count(stereo) == 1
    path.write_bytes(content.replace(stereo, mono))
    song = open_song(path)
    assert song.channels == 2
    assert next(song.blocks()).shape[0] == 2


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
    assert open_song(streamed).seconds is None
    np.testing.assert_array_equal(decode(streamed).audio, decode(with_duration).audio)


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("concat:song.wav", sine().T, 44100, format="WAV")
    assert decode(Path("concat:song.wav")).audio.shape == (2, 3000)


@pytest.mark.parametrize("part", ["http://127.0.0.1:9/a.ts", "a.ts"])
@pytest.mark.parametrize("end", ["", "#EXT-X-ENDLIST\n"])  # without it, FFmpeg would wait for more parts
def test_a_playlist_reaches_no_other_file(tmp_path: Path, encode: Callable[..., Path], part: str, end: str) -> None:
    encode(tmp_path / "a.ts", sine(samples=44100), 44100, "aac")
    path = tmp_path / "song.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{part}\n{end}")
    assert refusal(path).startswith(f"{path}: FFmpeg cannot read this file: ")


def test_probe_states_what_decode_gives(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    soundfile.write(path, sine(1, 24000).T, 48000)
    info = open_song(path)
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


@pytest.mark.parametrize("rate", [500, 999, 1_000_001, 1_411_200])
def test_a_rate_that_nothing_here_takes_is_refused_with_the_way_to_resample(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "dsd256.wav"
    soundfile.write(path, sine().T, rate)
    assert refusal(path) == (
        f"{path}: {rate} Hz, but 1000 to 1000000 Hz is needed: resample first, "
        "as with: ffmpeg -i dsd256.wav -vn -ar 44100 resampled.wav"
    )


@pytest.mark.parametrize("rate", [1_000, 1_000_000])
def test_the_outermost_rates_are_read(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "song.wav", sine().T, rate)
    assert open_song(tmp_path / "song.wav").sample_rate == rate


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "au", "caf", "w64", "rf64"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"song.{suffix}"
    soundfile.write(path, sine(samples=88200).T, 44100)
    assert decode(path).audio.shape == (2, 88200)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert f"{path}: the file is cut short: " in refusal(path)
    assert refusal(path).endswith(
        f"; to separate what is there, copy it first, as with: ffmpeg -i song.{suffix} -vn rest.wav"
    )


def test_a_command_to_type_holds_the_name_in_quotes(tmp_path: Path) -> None:
    path = tmp_path / "it's my song.wav"
    soundfile.write(path, sine(3).T, 44100)
    assert refusal(path).endswith("""as with: ffmpeg -i 'it'"'"'s my song.wav' -vn -ac 2 stereo.wav""")


def test_a_wav_file_of_endless_empty_chunks_is_not_read_to_its_end(tmp_path: Path) -> None:
    class Counting(FileIO):
        reads = 0

        def read(self, size: int | None = -1) -> bytes:
            Counting.reads += 1
            return super().read(size)

    path = tmp_path / "song.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(1 << 20))
    with Counting(path) as file:
        assert missing_bytes(file, path.stat().st_size) is None
    assert Counting.reads < 2000


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


def test_a_truncated_film_is_decoded_as_far_as_it_goes_with_a_warning(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    path = encode(tmp_path / "song.mka", sine(samples=441000), 44100, "flac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (warning,) = decode(path).warnings
    assert " s could be decoded of the 10.0 s that the header states; the file may be cut short" in warning


def test_a_length_that_ffmpeg_estimates_is_no_reason_for_a_warning(tmp_path: Path, encode: Callable[..., Path]) -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 441000)).astype(np.float32)
    audio[:, :300000] = 0
    path = encode(tmp_path / "song.aac", audio, 44100, "aac")
    estimate = open_song(path).seconds
    assert estimate is not None
    assert estimate > 15
    recording = decode(path)
    assert recording.audio.shape[1] / 44100 == pytest.approx(10, abs=0.1)
    assert recording.warnings == ()


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


def test_the_first_sample_that_is_not_finite_is_named_by_its_place_in_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    audio = np.zeros((3 * BLOCK_SIZE, 2))
    audio[2 * BLOCK_SIZE + 77, 0], audio[2 * BLOCK_SIZE + 5] = np.nan, (0, -np.inf)
    soundfile.write(path, audio, 44100, "FLOAT")
    blocks = open_song(path).blocks()
    assert [next(blocks).shape[1], next(blocks).shape[1]] == [BLOCK_SIZE, BLOCK_SIZE]
    with pytest.raises(AudioFileError) as caught:
        next(blocks)
    assert str(caught.value) == f"{path}: sample {2 * BLOCK_SIZE + 5} of channel 2 is -inf; audio must be finite"


def test_a_format_without_a_decoder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, sine().T, 44100)
    content = bytearray(path.read_bytes())
    content[20:22] = b"\x34\x12"  # a format's number that nobody uses
    path.write_bytes(content)
    assert refusal(path) == f"{path}: FFmpeg has no decoder for the audio track"


def test_a_stream_that_changes_on_the_way_is_refused(tmp_path: Path, encode: Callable[..., Path]) -> None:
    first = encode(tmp_path / "a.mp3", sine(samples=44100), 44100, "libmp3lame")
    second = encode(tmp_path / "b.mp3", sine(samples=44100), 32000, "libmp3lame")
    path = tmp_path / "both.mp3"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    message = refusal(path)
    assert message.startswith(f"{path}: changes in mid-file from 2 channels at ")
    assert message.endswith("convert it first, as with: ffmpeg -i both.mp3 -vn -ac 2 -ar 44100 even.wav")
