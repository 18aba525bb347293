"""From audio files to stems: decoding, chunking, overlap-add and writing around one separator.

The names below load PyTorch on first use, so that ``hfbs --help`` answers at once.
"""

from typing import TYPE_CHECKING

from ._errors import AudioFileError as AudioFileError
from ._errors import DatasetError as DatasetError
from ._errors import OptionError as OptionError
from ._errors import OutputError as OutputError
from ._errors import SeparationError as SeparationError

if TYPE_CHECKING:
    from ._separator import Separator as Separator


def __getattr__(name: str) -> object:
    if name == "Separator":
        from ._separator import Separator

        return Separator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["AudioFileError", "DatasetError", "OptionError", "OutputError", "SeparationError", "Separator"]
