"""Small files of many formats, to be damaged."""

from pathlib import Path

import numpy as np
import soundfile

from encoding import write_song

SAMPLES = 22050
_BY_SOUNDFILE = [
    ("16.wav", "PCM_16"),
    ("24.wav", "PCM_24"),
    ("float.wav", "FLOAT"),
    ("adpcm.wav", "IMA_ADPCM"),
    ("16.flac", "PCM_16"),
    ("24.flac", "PCM_24"),
    ("vorbis.ogg", "VORBIS"),
    ("lame.mp3", "MPEG_LAYER_III"),
    ("16.aiff", "PCM_16"),
    ("16.caf", "PCM_16"),
    ("float.w64", "FLOAT"),
    ("24.au", "PCM_24"),
]
# No MP4 in fragments: where the number of a track of one is damaged to 2**31 or more, FFmpeg 9 counts through 2**31
# fragments, which takes 7 s, and nothing but the end of the process stops it.
_BY_FFMPEG = [
    ("xing.mp3", "libmp3lame", 44100),
    ("aac.m4a", "aac", 44100),
    ("alac.m4a", "alac", 44100),
    ("opus.ogg", "libopus", 48000),
    ("flac.ogg", "flac", 44100),
    ("adts.aac", "aac", 44100),
    ("wavpack.wv", "wavpack", 44100),
    ("tta.tta", "tta", 44100),
    ("opus.webm", "libopus", 48000),
    ("film.mp4", "aac", 44100),
    ("film.mkv", "flac", 44100),
    ("film.avi", "libmp3lame", 44100),
    ("film.ts", "aac", 44100),
]


def encoded_songs(folder: Path) -> list[Path]:
    """Half a second of tones and noise in every format above, between 6 and 180 kB each."""
    time = np.arange(SAMPLES) / 44100
    noise = np.random.default_rng(0).normal(0, 0.05, (2, SAMPLES))
    audio = (0.4 * np.sin(2 * np.pi * np.array([[440], [660]]) * time) + noise).astype(np.float32)
    for name, subtype in _BY_SOUNDFILE:
        soundfile.write(folder / name, audio.T, 44100, subtype)
    for name, codec, sample_rate in _BY_FFMPEG:
        write_song(folder / name, audio, sample_rate, codec, video=name.startswith("film"), pictures=12)
    return [folder / name for name, *_ in (*_BY_SOUNDFILE, *_BY_FFMPEG)]


def real_songs(shared_audio: Path, folder: Path) -> list[Path]:
    """The first 100 kB of every real song, five seconds or so."""
    songs: list[Path] = []
    for number, song in enumerate(sorted(shared_audio.rglob("*.ogg"))):
        songs.append(folder / f"{number}.ogg")
        with song.open("rb") as file:
            songs[-1].write_bytes(file.read(100_000))
    return songs
