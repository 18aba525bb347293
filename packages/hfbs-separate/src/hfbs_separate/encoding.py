"""One array of samples to one audio file."""

from pathlib import Path

from ._encode import CODINGS, Encoder, check_encoder, encoded_rate
from ._options import SampleFormat
from ._resample import resampled
from ._types import Audio


def write_audio(path: Path, audio: Audio, sample_rate: int, sample_format: SampleFormat) -> None:
    """Encode samples as a file, over what is there; the same samples give the same bytes.

    Args:
        path: of the file, whatever it is called.
        audio: float32, shape (channel, time), 1 or 2 channels, within [-1, 1]; formats of whole numbers clip the rest.
        sample_rate: in Hz; a lossy format that lacks it has its next higher one, else its highest.
        sample_format: what the file holds, one of those of ``hfbs separate --format``.

    Raises:
        OutputError: the format cannot be encoded here.
        OSError: the file cannot be written; the reason is the system's.
    """
    coding = CODINGS[sample_format]
    check_encoder(coding)
    rate = encoded_rate(coding, sample_rate)
    encoder = Encoder(path, coding, rate, audio.shape[0])
    try:
        for block in resampled([audio], sample_rate, rate):
            encoder.write(block)
        encoder.close()
    finally:
        encoder.abandon()
