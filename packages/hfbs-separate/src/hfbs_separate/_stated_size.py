"""The size of the audio that a WAV, Wave64 or CAF header states, which FFmpeg silently trims to what the file holds."""

import struct
from dataclasses import dataclass
from io import FileIO

_MOST_CHUNKS = 1000  # before the audio; a file of zeros would be a chunk every eight bytes


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a format cuts a file into chunks, each with a name and a size before it."""

    start: bytes  # of the file
    first: int  # where the first chunk is
    head: struct.Struct  # name and size of a chunk
    counted: int  # bytes of the head that the size counts
    audio: bytes  # name of the chunk that holds the audio
    alignment: int  # in bytes, of each chunk


_WAVE64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # Wave64's names are longer than their four letters
_LAYOUTS = (
    _Layout(b"RIFF", 12, struct.Struct("<4sI"), 0, b"data", 2),
    _Layout(b"riff\x2e\x91\xcf\x11", 40, struct.Struct("<16sq"), 24, b"data" + _WAVE64_TAIL, 8),
    _Layout(b"caff", 8, struct.Struct(">4sq"), 0, b"data", 1),
)


def missing_bytes(file: FileIO, size: int) -> tuple[int, int] | None:
    """Compare what a header states with what is there.

    Args:
        file: at its beginning.
        size: of the file, in bytes.

    Returns:
        Where audio is missing at the end, how many bytes of it are there and how many the header states. None where
        nothing is missing, where the header states nothing, and for every other format.
    """
    start = file.read(8)
    layout = next((layout for layout in _LAYOUTS if start.startswith(layout.start)), None)
    if layout is None:
        return None
    at = layout.first
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(layout.head.size)
        if len(head) < layout.head.size:
            return None
        name, stated = layout.head.unpack(head)
        stated -= layout.counted
        at += layout.head.size
        if name == layout.audio:
            held = size - at
            # A writer that could not seek leaves -1, 0 or nearly 2**32 here, meaning "up to the end".
            to_the_end = stated <= 0 or (layout.head.format == "<4sI" and stated >= 0xFFFFF000)
            return None if to_the_end or held >= stated else (held, stated)
        at += stated + -(at + stated) % layout.alignment
        if not layout.first <= at <= size:
            return None
    return None
