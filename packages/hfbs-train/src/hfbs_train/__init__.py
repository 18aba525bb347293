"""From a folder of stems to a checkpoint: data, training, validation, on one device or many machines.

``RunConfiguration`` and ``train`` load PyTorch on first use, so that ``hfbs-train --help`` answers at once.
"""

from typing import TYPE_CHECKING

from ._errors import ConfigurationError as ConfigurationError
from ._errors import RunError as RunError
from ._errors import SynthesisError as SynthesisError

if TYPE_CHECKING:
    from ._configuration import RunConfiguration as RunConfiguration
    from ._run import train as train


def __getattr__(name: str) -> object:
    if name in ("RunConfiguration", "train"):
        from ._configuration import RunConfiguration
        from ._run import train

        return {"RunConfiguration": RunConfiguration, "train": train}[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["ConfigurationError", "RunConfiguration", "RunError", "SynthesisError", "train"]
