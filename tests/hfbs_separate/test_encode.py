"""The formats of stems: what each holds exactly, what it rounds, and what a full disk does to it."""

import errno
import math
import os
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from hfbs_separate import OutputError, _encode
from hfbs_separate._decode import decode, open_song
from hfbs_separate._encode import (
    CODINGS,
    Encoder,
    Integers,
    Lossy,
    check_encoder,
    encoded_rate,
    full_scale_gain,
)
from hfbs_separate._options import EXTENSIONS, SAMPLE_FORMATS, SampleFormat

INTEGERS = [name for name, coding in CODINGS.items() if isinstance(coding, Integers)]
LOSSY = [name for name, coding in CODINGS.items() if isinstance(coding, Lossy)]
SUBTYPES = {"float": "FLOAT", "24": "PCM_24", "16": "PCM_16", "flac": "PCM_24", "flac16": "PCM_16"}


def encode(
    path: Path, audio: np.ndarray, sample_rate: int, sample_format: SampleFormat, gain: float = 1.0
) -> np.ndarray:
    """Encode, decode, and check that rate and channels came through."""
    encoder = Encoder(path, CODINGS[sample_format], sample_rate, len(audio), gain)
    encoder.write(audio)
    encoder.close()
    recording = decode(path)
    assert recording.warnings == ()
    assert (recording.sample_rate, len(recording.audio)) == (sample_rate, len(audio))
    return recording.audio


def music(samples: int, sample_rate: int, channels: int = 2) -> np.ndarray:
    """Chords with soft beginnings and ends, up to a tenth of the rate, different in each channel; the peak is 1."""
    time = np.arange(samples) / sample_rate
    tones = 0.1 * sample_rate * np.geomspace(0.02, 1, 12)
    waves = [sum(np.cos(2 * np.pi * hertz * time + place) for hertz in tones[place::2]) for place in range(channels)]
    audio = np.array(waves) * np.sin(np.pi * (np.arange(samples) + 0.5) / samples) ** 2
    return (audio / np.abs(audio).max()).astype(np.float32)


def test_every_format_has_an_extension_and_a_coding() -> None:
    assert list(CODINGS) == list(EXTENSIONS) == list(SAMPLE_FORMATS)


@pytest.mark.parametrize("sample_format", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", [1000, 44100, 65537, 192000, 1000000])
def test_lossless_formats_take_every_rate(
    tmp_path: Path, sample_format: SampleFormat, channels: int, sample_rate: int
) -> None:
    path = tmp_path / "stem"
    audio = music(3001, sample_rate, channels) / 2
    assert encoded_rate(CODINGS[sample_format], sample_rate) == sample_rate
    encode(path, audio, sample_rate, sample_format)
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.frames) == (sample_rate, channels, 3001)
    assert (info.format.removesuffix("EX"), info.subtype) == (
        EXTENSIONS[sample_format][1:].upper(),
        SUBTYPES[sample_format],
    )
    tolerance = {"FLOAT": 0.0, "PCM_24": 2.0**-24, "PCM_16": 2.0**-16}[info.subtype]
    np.testing.assert_allclose(soundfile.read(path, always_2d=True)[0].T, audio, rtol=0, atol=tolerance)


@pytest.mark.parametrize("sample_format", INTEGERS)
@given(data=st.data())
def test_samples_that_so_many_bits_hold_are_written_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, sample_format: SampleFormat, data: st.DataObject
) -> None:
    coding = CODINGS[sample_format]
    assert isinstance(coding, Integers)
    full_scale = 2 ** (coding.bits - 1)
    steps = np.array(data.draw(st.lists(st.integers(-full_scale, full_scale - 1), min_size=1, max_size=100)))
    path = tmp_path_factory.mktemp("stems") / "stem"
    decoded = encode(path, (steps / full_scale).astype(np.float32)[None], 44100, sample_format)
    np.testing.assert_array_equal(decoded[0] * full_scale, steps)
    np.testing.assert_array_equal(soundfile.read(path, dtype="int32")[0], steps << (32 - coding.bits))


@pytest.mark.parametrize("sample_format", INTEGERS)
def test_samples_are_rounded_to_the_nearest_step_after_the_gain(tmp_path: Path, sample_format: SampleFormat) -> None:
    coding = CODINGS[sample_format]
    assert isinstance(coding, Integers)
    audio = np.random.default_rng(0).uniform(-3, 3, (2, 30000)).astype(np.float32)
    gain = full_scale_gain(coding, float(audio.min()), float(audio.max()))
    decoded = encode(tmp_path / "stem", audio, 44100, sample_format, gain)
    step = 2.0 ** (1 - coding.bits)
    np.testing.assert_allclose(decoded.astype(float), audio.astype(float) * gain, rtol=0, atol=step / 2 * (1 + 1e-7))


@pytest.mark.parametrize("sample_format", LOSSY)
@pytest.mark.parametrize(("channels", "samples"), [(1, 1), (2, 1000), (2, 30000), (1, 48001)])
def test_lossy_formats_keep_length_and_place(
    tmp_path: Path, sample_format: SampleFormat, channels: int, samples: int
) -> None:
    audio = music(samples, 48000, channels)
    gain = full_scale_gain(CODINGS[sample_format], -1, 1)
    decoded = encode(tmp_path / "stem", audio, 48000, sample_format, gain)
    if sample_format == "m4a":  # FFmpeg before 9 decodes to the end of the last packet
        assert open_song(tmp_path / "stem").seconds == samples / 48000
        assert decoded.shape[1] in (samples, -(-samples // 1024) * 1024)
    else:
        assert decoded.shape[1] == (47 if (sample_format, samples) == ("mp3", 1) else samples)
    assert np.abs(decoded).max() <= 1
    if samples >= 30000:
        error = decoded[:, :samples] - gain * audio
        assert 10 * math.log10(np.square(error).sum() / np.square(gain * audio).sum()) < -25
        assert np.abs(error).max() < 0.1


@pytest.mark.parametrize(
    ("sample_format", "sample_rate", "expected"),
    [
        ("mp3", 44100, 44100),
        ("mp3", 22050, 22050),
        ("mp3", 44099, 44100),
        ("mp3", 1000, 8000),
        ("mp3", 88200, 48000),
        ("opus", 44100, 48000),
        ("opus", 8000, 48000),
        ("opus", 192000, 48000),
        ("m4a", 88200, 88200),
        ("m4a", 192000, 96000),
        ("m4a", 44056, 44100),
        ("flac", 44056, 44056),
    ],
)
def test_a_rate_that_a_format_lacks_becomes_its_next_higher_or_its_highest(
    sample_format: SampleFormat, sample_rate: int, expected: int
) -> None:
    assert encoded_rate(CODINGS[sample_format], sample_rate) == expected


@pytest.mark.parametrize("sample_format", LOSSY)
def test_lossy_formats_encode_every_rate_that_they_say(tmp_path: Path, sample_format: SampleFormat) -> None:
    coding = CODINGS[sample_format]
    assert isinstance(coding, Lossy)
    for rate in coding.rates:
        for channels in (1, 2):
            decoded = encode(tmp_path / "stem", music(5000, rate, channels) / 2, rate, sample_format)
            assert 5000 <= decoded.shape[1] <= 5120


def test_lossy_formats_have_the_bit_rates_of_high_quality(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5 * 48000)).astype(np.float32)
    kilobits: dict[str, float] = {}
    for sample_format in LOSSY:
        encode(tmp_path / "stem", noise, 48000, sample_format)
        kilobits[sample_format] = (tmp_path / "stem").stat().st_size * 8 / 1000 / 5
    assert kilobits == {
        "mp3": pytest.approx(320, rel=0.02),
        "opus": pytest.approx(256, rel=0.15),
        "m4a": pytest.approx(256, rel=0.15),
    }


def test_an_encoder_that_is_not_there_is_named_before_any_work() -> None:
    for coding in CODINGS.values():
        check_encoder(coding)
    with pytest.raises(OutputError) as caught:
        check_encoder(Lossy("ogg", "libvorbis_of_yore", 160_000, "fltp", (48000,)))
    assert str(caught.value) == (
        "PyAV has no encoder libvorbis_of_yore here: choose another format, or install PyAV from its wheel"
    )


def test_gains_bring_what_would_clip_to_full_scale() -> None:
    for sample_format, bits in (("24", 24), ("16", 16), ("flac", 24), ("flac16", 16)):
        highest = 1 - 2.0 ** (1 - bits)
        assert full_scale_gain(CODINGS[sample_format], -1, highest) == 1
        assert full_scale_gain(CODINGS[sample_format], 0, 1) == pytest.approx(highest, abs=1e-12)
        assert full_scale_gain(CODINGS[sample_format], -2, 0.5) == 0.5
    for sample_format in LOSSY:
        assert full_scale_gain(CODINGS[sample_format], -0.89, 0.89) == 1
        assert 20 * math.log10(full_scale_gain(CODINGS[sample_format], -0.5, 1)) == pytest.approx(-1)
        assert 20 * math.log10(full_scale_gain(CODINGS[sample_format], -10, 1)) == pytest.approx(-21)
    assert full_scale_gain(CODINGS["float"], -100, 100) == 1


OPEN, SILENCE = av.open, bytes(1 << 20)


class Sparse:
    """A file whose silence takes no room on the disk."""

    def __init__(self, path: str) -> None:
        self._file = open(path.removeprefix("file:"), "wb", buffering=0)  # noqa: PTH123, SIM115
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def write(self, data: bytes) -> int:
        if data == SILENCE:
            self._file.seek(len(data), os.SEEK_CUR)
        else:
            self._file.write(data)
        return len(data)


@pytest.mark.parametrize(("samples", "container"), [(2**29 - 100, "RIFF"), (2**29 - 9, "RF64"), (2**29 + 5, "RF64")])
def test_beyond_what_a_wav_header_can_state_the_file_is_rf64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: int, container: str
) -> None:
    path = tmp_path / "stem.wav"
    files: list[Sparse] = []

    def open_sparse(name: str, *words: Any, **options: Any) -> Any:
        files.append(Sparse(name))
        return OPEN(files[0], *words, **options, buffer_size=len(SILENCE))

    with monkeypatch.context() as patch:
        patch.setattr(av, "open", open_sparse)
        encoder = Encoder(path, CODINGS["float"], 44100, 2)
    stream: Any = encoder._stream
    end = np.full((2, 200), 0.5, np.float32)
    for place in range(0, 8 * (samples - 200), len(SILENCE)):
        packet = av.Packet(SILENCE[: 8 * (samples - 200) - place])  # encoded already, as the encoder would take minutes
        packet.stream, packet.time_base, packet.pts = stream, stream.time_base, place // 8
        encoder._container.mux(packet)
    encoder._position = samples - 200
    encoder.write(end)
    encoder.close()
    files[0].close()

    with path.open("rb") as file:
        assert file.read(4) == container.encode()
    assert path.stat().st_blocks * 512 < 1 << 22
    with soundfile.SoundFile(path) as file:
        assert (file.format, file.frames) == ("WAV" if container == "RIFF" else "RF64", samples)
        file.seek(samples - 201)
        np.testing.assert_array_equal(file.read(dtype="float32"), np.vstack([np.zeros((1, 2)), end.T]))
    assert open_song(path).seconds == samples / 44100


def test_a_small_wav_file_states_its_size_and_samples(tmp_path: Path) -> None:
    encode(tmp_path / "stem.wav", music(1001, 44100), 44100, "float")
    data = (tmp_path / "stem.wav").read_bytes()
    assert (data[:4], data[8:12]) == (b"RIFF", b"WAVE")
    assert struct.unpack("<I", data[4:8]) == (len(data) - 8,)
    assert data[-8 * 1001 - 8 :][:8] == struct.pack("<4sI", b"data", 8 * 1001)
    assert b"LIST" not in data[: -8 * 1001]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
@pytest.mark.parametrize("samples", [0, 10, 100000])
def test_from_a_full_disk_the_reason_comes_out(sample_format: SampleFormat, samples: int) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (2, samples)).astype(np.float32)

    def fill() -> None:
        encoder = Encoder(Path("/dev/full"), CODINGS[sample_format], 48000, 2)
        try:
            encoder.write(noise)
            encoder.close()
        finally:
            encoder.abandon()

    with pytest.raises(OSError, match="No space left on device") as caught:
        fill()
    assert caught.value.errno == errno.ENOSPC


def test_names_that_look_like_protocols_or_patterns_are_plain_names(tmp_path: Path) -> None:
    for name in ("concat:a|b", "pipe:1", "%03d", "a?b#c"):
        encode(tmp_path / name, music(100, 44100), 44100, "float")
        assert (tmp_path / name).stat().st_size > 800


def test_long_blocks_are_encoded_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = music(1000, 44100)
    whole = encode(tmp_path / "whole", audio, 44100, "flac")
    monkeypatch.setattr(_encode, "_BLOCK", 7)
    np.testing.assert_array_equal(encode(tmp_path / "pieces", audio, 44100, "flac"), whole)
    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()
