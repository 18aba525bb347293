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
    from ._audio_source import AudioSource as AudioSource
    from ._ensemble import Ensemble as Ensemble
    from ._separator import Separator as Separator


def __getattr__(name: str) -> object:
    if name in ("AudioSource", "Ensemble", "Separator"):
        from ._audio_source import AudioSource
        from ._ensemble import Ensemble
        from ._separator import Separator

        return {"AudioSource": AudioSource, "Ensemble": Ensemble, "Separator": Separator}[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    errors = ["AudioFileError", "DatasetError", "OptionError", "OutputError", "SeparationError"]
    return ["AudioSource", "Ensemble", "Separator", *errors]
