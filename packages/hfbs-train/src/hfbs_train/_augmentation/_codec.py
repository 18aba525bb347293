"""There and back through a lossy format, as many samples as before and in their places."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final, cast

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from hfbs_separate.audio import Audio

from .._errors import ConfigurationError
from ._draws import generator, log_uniform
from ._settings import Codec, CodecName

# FFmpeg's encoder, the container whose header says how many samples the encoder put before the first, the encoder's
# samples, and the rates that it takes.
_FORMATS: Final[dict[CodecName, tuple[str, str, str, tuple[int, ...]]]] = {
    "mp3": ("libmp3lame", "mp3", "fltp", (16000, 22050, 24000, 32000, 44100, 48000)),
    "opus": ("libopus", "ogg", "flt", (48000,)),
    "aac": ("aac", "ipod", "fltp", (16000, 22050, 24000, 32000, 44100, 48000)),
}
_PEAK = 0.5  # louder audio is turned down first, and up again, as encoders clip


def degrade(
    stems: NDArray[np.float32], settings: Codec, *, seed: int, index: int, sample_rate: int, numbers: Sequence[int]
) -> NDArray[np.float32]:
    """Send each stem of an item through the format that is drawn for it: what ``augment`` does, for a loader's workers.

    A loader that calls it gives ``augment`` settings without ``codec``.

    Args:
        stems: Shape (stem, channel, time), floats.
        settings: What to draw from.
        seed: Of the run.
        index: Of the item.
        sample_rate: In Hz.
        numbers: The number of each stem among the model's, from 0.

    Returns:
        Of the same shape.
    """
    result = stems.copy()
    for stem, number in enumerate(numbers):
        draws = generator("codec", seed=seed, index=index, stem=number)
        if draws.random() < settings.probability:
            name = settings.names[draws.integers(len(settings.names))]
            kilobits = log_uniform(draws, settings.kilobits)
            result[stem] = codec_round_trip(stems[stem], name, sample_rate=sample_rate, kilobits=kilobits)
    return result


def codec_round_trip(audio: Audio, name: CodecName, *, sample_rate: int, kilobits: float) -> Audio:
    """Encode and decode audio in memory. Delays of encoder and decoder are taken out.

    Args:
        audio: float32, shape (channel, time), mono or stereo.
        name: The format. Opus has 48 kHz alone, MP3 and AAC up to that: audio of other rates is resampled for them.
        sample_rate: In Hz.
        kilobits: A second, for each channel. MP3 takes the nearest that it has.

    Returns:
        Of the same shape.

    Raises:
        ConfigurationError: More than two channels.
    """
    channels, time = audio.shape
    if channels > 2:
        raise ConfigurationError(f"codec needs mono or stereo, got {channels} channels")
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0.0:
        return audio.copy()
    level = min(1.0, _PEAK / peak)
    encoder, container, sample_format, rates = _FORMATS[name]
    rate = next((rate for rate in rates if rate >= sample_rate), rates[-1])
    samples = _resampled(audio * np.float32(level), sample_rate, rate)
    decoded = _decode(_encode(samples, encoder, container, sample_format, rate, round(kilobits * 1000) * channels))
    result = np.zeros_like(audio)
    back = _resampled(decoded, rate, sample_rate)[:, :time]
    result[:, : back.shape[1]] = back / np.float32(level)
    return result


def _encode(audio: Audio, encoder: str, container: str, sample_format: str, rate: int, bit_rate: int) -> bytes:
    file = io.BytesIO()
    layout = "stereo" if len(audio) == 2 else "mono"
    # The stubs leave types of encoding open.
    with cast("Any", av.open(file, "w", format=container, container_options={"fflags": "+bitexact"})) as output:
        stream = output.add_stream(encoder, rate=rate, layout=layout, format=sample_format)
        stream.bit_rate = bit_rate
        planes = np.ascontiguousarray(audio if sample_format == "fltp" else audio.T.reshape(1, -1))
        frame = AudioFrame.from_ndarray(planes, format=sample_format, layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def _decode(data: bytes) -> Audio:
    with av.open(io.BytesIO(data), "r") as source:
        blocks = [_floats(frame) for frame in source.decode(audio=0)]
    return np.concatenate(blocks, axis=1)


def _floats(frame: AudioFrame) -> Audio:
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    return samples.astype(np.float32, copy=False)


def _resampled(audio: Audio, from_rate: int, to_rate: int) -> Audio:
    if from_rate == to_rate:
        return audio
    resample = cast("Any", soxr).resample
    return np.asarray(resample(audio.T, from_rate, to_rate, quality="HQ"), np.float32).T
