"""The words that options take; here, so that the command can name them before PyTorch is loaded."""

from typing import Final, Literal

type SampleFormat = Literal["float", "24"]

DEVICES: Final = ("auto", "cpu", "cuda", "mps")
PRECISIONS: Final = ("auto", "float32", "bfloat16", "float16")
SAMPLE_FORMATS: Final = ("float", "24")
