"""From a checkpoint's file to a model, and back.

The way through a load: :mod:`_files` reads tensors and metadata → :mod:`_spellings` gives them the names that the model
has → :mod:`_architecture` and :mod:`_layouts` read off them what shapes tell → :mod:`_sources` adds what they do not
tell → :mod:`_load` builds the model, and :mod:`_report` says where each setting came from.
"""

from ._checkpoint import Checkpoint as Checkpoint
from ._format import save_checkpoint as save_checkpoint
from ._inspect import Inspection as Inspection
from ._inspect import Parameters as Parameters
from ._inspect import inspect_checkpoint as inspect_checkpoint
from ._load import load_checkpoint as load_checkpoint
from ._msst_export import save_msst_checkpoint as save_msst_checkpoint
from ._report import Finding as Finding
from ._report import Report as Report
