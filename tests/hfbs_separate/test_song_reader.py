"""Any part of a song is what decoding from its beginning gives there."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from encoding import write_song
from hfbs_separate import AudioFileError
from hfbs_separate.audio import SeekRecorder, SongReader, open_song

SECONDS = 7
PCM = {
    "wav": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "aiff": ("PCM_16", "PCM_24", "FLOAT"),
    "w64": ("PCM_24",),
    "caf": ("PCM_16", "DOUBLE"),
    "au": ("PCM_16", "FLOAT"),
}
CODED = {
    "song.flac": "flac",
    "song.m4a": "alac",
    "song.wv": "wavpack",
    "song.ogg": "libopus",
    "song.opus": "libopus",
    "song.mp3": "libmp3lame",
    "song.mkv": "libmp3lame",
    "film.mp4": "aac",
    "song.aac": "aac",
}


@dataclass(frozen=True, eq=False)
class Decoded:
    reader: SongReader
    whole: np.ndarray


def music(sample_rate: int) -> np.ndarray:
    """Tones and knocks, in their midst two seconds of digital silence: (channel, time)."""
    time = np.arange(SECONDS * sample_rate) / sample_rate
    tones = np.stack([np.sin(2 * np.pi * 220 * time), np.sin(2 * np.pi * 331 * time + np.sin(3 * time))])
    audio = 0.3 * tones * (1 + np.sin(2 * np.pi * time)) / 2
    audio[:, :: sample_rate // 3] += 0.4
    audio[:, 3 * sample_rate : 5 * sample_rate] = 0
    return audio.astype(np.float32)


def looked_through(path: Path) -> Decoded:
    recorder = SeekRecorder()
    whole = np.concatenate(list(open_song(path).blocks(recorder=recorder)), axis=1)
    return Decoded(SongReader(path, recorder.table()), whole)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Decoded]:
    folder = tmp_path_factory.mktemp("formats")
    paths: list[Path] = []
    for suffix, subtypes in PCM.items():
        for subtype in subtypes:
            paths.append(folder / f"{subtype}.{suffix}")
            soundfile.write(paths[-1], music(44100).T, 44100, subtype)
    for name, codec in CODED.items():
        rate = 48000 if codec == "libopus" else 44100
        path, film = folder / f"{codec}-{name}", name.startswith("film")
        # Without the noise that AAC's decoder draws at random.
        options = {"aac_pns": "0"} if codec == "aac" else {}
        paths.append(write_song(path, music(rate), rate, codec, video=film, options=options))
    paths.append(folder / "vorbis-song.ogg")
    with soundfile.SoundFile(paths[-1], "w", 44100, 2, "VORBIS") as file:
        for start in range(0, SECONDS * 44100, 44100):  # libsndfile's encoder takes no more at once
            file.write(music(44100).T[start : start + 44100])
    return {path.name: looked_through(path) for path in paths}


def names() -> list[str]:
    plain = [f"{subtype}.{suffix}" for suffix, subtypes in PCM.items() for subtype in subtypes]
    return [*plain, *(f"{codec}-{name}" for name, codec in CODED.items()), "vorbis-song.ogg"]


@pytest.mark.parametrize("name", names())
@given(data=st.data())
@settings(max_examples=12)
def test_a_part_is_the_slice_of_the_whole(songs: dict[str, Decoded], name: str, data: st.DataObject) -> None:
    song = songs[name]
    samples = song.whole.shape[1]
    assert (song.reader.table.samples, song.reader.table.channels) == (samples, 2)
    start = data.draw(st.integers(0, samples - 1), "start")
    length = data.draw(st.integers(1, min(samples - start, 60_000)), "length")
    part = song.reader.read(start, length)
    assert part.dtype == np.float32
    # Opus forgets where its decoder began little by little.
    atol = 2e-7 if "libopus" in name else 0
    np.testing.assert_allclose(part, song.whole[:, start : start + length], rtol=0, atol=atol)


@pytest.mark.parametrize("name", names())
def test_the_ends_and_the_whole_can_be_read(songs: dict[str, Decoded], name: str) -> None:
    song = songs[name]
    samples = song.whole.shape[1]
    for start, length in ((samples - 1, 1), (0, 1), (0, samples), (samples - 5000, 5000)):
        part = song.reader.read(start, length)
        np.testing.assert_allclose(part, song.whole[:, start : start + length], rtol=0, atol=2e-7)


def test_plain_pcm_needs_no_table_of_packets(songs: dict[str, Decoded]) -> None:
    for name, song in songs.items():
        assert song.reader.table.is_plain == any(name.endswith(suffix) for suffix in PCM)
        assert (len(song.reader.table.places) == 1) == song.reader.table.is_plain


@given(starts=st.lists(st.integers(0, 250_000), min_size=2, max_size=4))
@settings(max_examples=8)
def test_what_a_decoder_draws_at_random_depends_on_the_part_alone(tmp_path_factory, starts: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.m4a"
    if not path.exists():  # AAC's encoder leaves noise to the decoder
        noise = np.random.default_rng(0).normal(0, 0.05, (2, SECONDS * 44100)).astype(np.float32)
        write_song(path, noise, 44100, "aac")
    song = looked_through(path)
    parts = [song.reader.read(start, 20_000) for start in starts]
    again = [song.reader.read(start, 20_000) for start in reversed(starts)]
    for part, same in zip(parts, reversed(again), strict=True):
        np.testing.assert_array_equal(part, same)


def test_damage_changes_no_other_place(songs: dict[str, Decoded], tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp3"
    content = bytearray(songs["libmp3lame-song.mp3"].reader.path.read_bytes())
    for at in (20_000, 60_000):
        content[at : at + 3000] = np.random.default_rng(at).bytes(3000)
    path.write_bytes(content)
    song = looked_through(path)
    for start in range(0, song.whole.shape[1] - 30_000, 20_000):
        np.testing.assert_array_equal(song.reader.read(start, 30_000), song.whole[:, start : start + 30_000])


def test_a_closed_reader_opens_its_file_again(songs: dict[str, Decoded]) -> None:
    for name in ("PCM_16.wav", "libmp3lame-song.mp3"):
        song = songs[name]
        before = song.reader.read(1000, 500)
        song.reader.close()
        np.testing.assert_array_equal(song.reader.read(1000, 500), before)


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, 0), (0, 10**7), (10**7, 1)])
def test_a_part_outside_the_song_is_refused(songs: dict[str, Decoded], start: int, length: int) -> None:
    with pytest.raises(ValueError, match=rf"has samples 0 to {SECONDS * 44100}, got {start} to {start + length}"):
        songs["PCM_16.wav"].reader.read(start, length)


@pytest.mark.parametrize("name", ["PCM_24.wav", "flac-song.flac", "vorbis-song.ogg", "aac-song.aac"])
def test_a_file_that_was_cut_since_is_refused(songs: dict[str, Decoded], tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    table = songs[name].reader.table
    shutil.copy(songs[name].reader.path, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioFileError) as caught:
        SongReader(path, table).read(table.samples - 30_000, 30_000)
    assert str(caught.value).startswith(f"{path}: the file is not what it was when it was looked through")


def test_another_song_in_its_place_is_refused(tmp_path: Path, encode: Callable[..., Path]) -> None:
    path = encode(tmp_path / "song.mp3", music(44100), 44100, "libmp3lame")
    song = looked_through(path)
    encode(path, np.ascontiguousarray(music(44100)[:, ::-1]), 44100, "libmp3lame")
    with pytest.raises(AudioFileError, match="not what it was"):
        song.reader.read(100_000, 30_000)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, music(8000).T, 8000)
    song = looked_through(path)
    path.unlink()
    with pytest.raises(AudioFileError, match=rf"^{path}: no such file or directory$"):
        SongReader(path, song.reader.table)


def test_real_vorbis_is_read_anywhere(shared_audio: Path) -> None:
    song = looked_through(shared_audio / "cc0" / "sodium" / "vocals.ogg")
    starts = np.random.default_rng(0).integers(0, song.whole.shape[1] - 44100, 20)
    for start in map(int, starts):
        np.testing.assert_array_equal(song.reader.read(start, 44100), song.whole[:, start : start + 44100])
