"""How fast excerpts for training are read, by format.

``python benchmarks/excerpts.py`` writes songs of four stems in each format, reads excerpts of them at random in one
process, and prints how many seconds of audio a second that gives; beside it stands soundfile, which seeks too, where it
reads the format. Whether that keeps ahead of a training step, ``stepping.py`` measures.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import soundfile

from hfbs_train.data import Choice, Excerpts, check, find_training_songs

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
# Suffix, encoder, and rate in Hz of each format.
FORMATS = {
    "WAV 16": ("wav", "pcm_s16le", RATE),
    "WAV 24": ("wav", "pcm_s24le", RATE),
    "WAV 48 kHz": ("wav", "pcm_s16le", 48000),
    "FLAC": ("flac", "flac", RATE),
    "MP3": ("mp3", "libmp3lame", RATE),
    "AAC": ("m4a", "aac", RATE),
    "Opus": ("opus", "libopus", 48000),
    "Vorbis": ("ogg", "", RATE),
}


def write(path: Path, codec: str, rate: int, minutes: float, seed: int) -> None:
    """Noise that fades in and out every second, in stereo."""
    time_of = np.arange(int(60 * minutes) * rate) / rate
    random = np.random.default_rng(seed)
    audio = (0.1 * random.normal(size=(2, len(time_of))) * (1 + np.sin(2 * np.pi * time_of))).astype(np.float32)
    if not codec:
        with soundfile.SoundFile(path, "w", rate, 2, "VORBIS") as file:
            for start in range(0, audio.shape[1], rate):  # its encoder takes no more at once
                file.write(audio[:, start : start + rate].T)
        return
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout="stereo")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def songs_in(folder: Path, suffix: str, codec: str, rate: int, songs: int, minutes: float) -> Path:
    for song in range(songs):
        place = folder / str(song)
        place.mkdir(parents=True)
        for number, stem in enumerate(STEMS):
            write(place / f"{stem}.{suffix}", codec, rate, minutes, 4 * song + number)
    return folder


def excerpts_of(folder: Path, seconds: float) -> Excerpts:
    songs = find_training_songs([folder], {stem: [stem] for stem in STEMS})
    report = check(songs, sample_rate=RATE)
    samples = int(seconds * RATE)
    return Excerpts(report, STEMS, samples=samples, sample_rate=RATE, choice=Choice(remix=1, silent_share=0))


def per_call(call: Callable[[int], object], at_least: float = 2.0) -> float:
    """Seconds of a call, the mean over so many seconds."""
    call(0)
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < at_least:
        calls += 1
        call(calls)
    return (time.perf_counter() - began) / calls


def by_soundfile(folder: Path, seconds: float) -> Callable[[int], object]:
    """What the same reading takes with a file opened anew for each stem, as MSST does it."""
    paths = sorted(folder.glob("*/*"))
    random = np.random.default_rng(0)

    def read(_: int) -> None:
        for _stem in STEMS:
            path = paths[random.integers(len(paths))]
            with soundfile.SoundFile(path) as file:
                length = int(seconds * file.samplerate)
                file.seek(int(random.integers(file.frames - length)))
                file.read(length, dtype="float32")

    return read


def formats(seconds: float, songs: int, minutes: float) -> None:
    print(f"four stems of {seconds:g} s each, of {songs} songs of {minutes:g} min; one process")
    print(f"{'format':12}{'ms':>8}{'s of audio/s':>14}{'soundfile ms':>14}{'look through':>14}")
    for name, (suffix, codec, rate) in FORMATS.items():
        with TemporaryDirectory() as folder:
            place = songs_in(Path(folder), suffix, codec, rate, songs, minutes)
            began = time.perf_counter()
            excerpts = excerpts_of(place, seconds)
            looked = time.perf_counter() - began
            took = per_call(excerpts.__getitem__)
            other = per_call(by_soundfile(place, seconds)) if suffix not in ("m4a", "opus") else None
            speed = len(STEMS) * songs * minutes * 60 / looked
            beside = "–" if other is None else f"{1000 * other:.1f}"
            print(
                f"{name:12}{1000 * took:8.1f}{len(STEMS) * seconds / took:14.0f}{beside:>14}{speed:11.0f} × ".rstrip(),
                flush=True,
            )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of an excerpt")
    parser.add_argument("--songs", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=3.0, help="length of a song")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    formats(options.seconds, options.songs, options.minutes)


if __name__ == "__main__":
    main()
