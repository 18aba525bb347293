"""A way of chunking, from what people say of it."""

from .._errors import OptionError
from .._options import CHUNKINGS, samples_per_chunk
from ._audio_separator import AudioSeparator
from ._clean import Clean
from ._mode import Mode
from ._msst import Msst

_SHORT_SECONDS = 10


def mode(
    chunking: str,
    *,
    chunk_size: int,
    chunk_seconds: float | None,
    overlap: int,
    hop_length: int,
    sample_rate: int,
    shifts: int,
) -> Mode:
    """The way of chunking of this name.

    Args:
        chunking: one of ``CHUNKINGS``.
        chunk_size: samples of a chunk, unless ``chunk_seconds`` says how long it is.
        chunk_seconds: its length. None: ``chunk_size``.
        overlap: how many chunks cover each sample.
        hop_length: distance of the model's frames in samples.
        sample_rate: the model's, in Hz.
        shifts: passes that are averaged; with clean chunking only.

    Raises:
        OptionError: no such way, or a number out of its range.
    """
    if chunking not in CHUNKINGS:
        raise OptionError(f"chunking is one of {', '.join(CHUNKINGS)}, got {chunking!r}")
    if shifts != 1 and chunking != "clean":
        raise OptionError(f"shifts are passes with clean chunking, got shifts={shifts} with chunking={chunking!r}")
    size = chunk_size if chunk_seconds is None else samples_per_chunk(chunk_seconds, sample_rate)
    if chunking == "msst":
        return Msst(size, overlap, hop_length)
    if chunking == "audio-separator":
        whole_hops = size - size % hop_length or size
        return AudioSeparator(whole_hops, whole_hops, overlap, hop_length, _SHORT_SECONDS * sample_rate)
    return Clean(size, overlap, hop_length, shifts)
