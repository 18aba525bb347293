"""From a folder of stems to a checkpoint: data, training, validation, on one device or many machines."""

from ._errors import ConfigurationError as ConfigurationError
from ._errors import RunError as RunError
from ._errors import SynthesisError as SynthesisError
