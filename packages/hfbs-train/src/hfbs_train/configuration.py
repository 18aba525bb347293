"""The sections of a run's configuration."""

from ._configuration import AdamW as AdamW
from ._configuration import Audio as Audio
from ._configuration import Data as Data
from ._configuration import Logs as Logs
from ._configuration import Lora as Lora
from ._configuration import Machines as Machines
from ._configuration import Muon as Muon
from ._configuration import RunConfiguration as RunConfiguration
from ._configuration import Schedule as Schedule
from ._configuration import Start as Start
from ._configuration import Validation as Validation
