"""Songs in any format that FFmpeg encodes."""

from pathlib import Path
from typing import Any

import av
import numpy as np


def write_song(
    path: Path,
    audio: np.ndarray,
    sample_rate: int,
    codec: str,
    *,
    layout: str = "stereo",
    video: bool = False,
    pictures: int = 1,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode float32 audio (channel, time) into the container that the path's suffix names.

    Args:
        codec: "" for no audio track.
        video: add a video track.
        pictures: how many pictures that one has, at 25 a second.
        options: of the audio encoder.
    """
    with av.open(str(path), "w") as container:
        tracks: list[tuple[Any, list[Any]]] = []
        if video:
            track: Any = container.add_stream("mpeg4", rate=25)
            track.width, track.height, track.pix_fmt = 32, 32, "yuv420p"
            tracks.append((track, [av.VideoFrame(32, 32, "yuv420p") for _ in range(pictures)]))
        if codec:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout=layout)
            frame.sample_rate = sample_rate
            tracks.append((container.add_stream(codec, rate=sample_rate, layout=layout, options=options), [frame]))
        container.start_encoding()
        for stream, frames in tracks:
            for number, frame in enumerate(frames):
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path
