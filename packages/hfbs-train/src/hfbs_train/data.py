"""Songs with their stems: found in folders, looked through, cut into excerpts and loaded in batches."""

from ._data._batches import Batch as Batch
from ._data._batches import excerpt_batches as excerpt_batches
from ._data._check import Problem as Problem
from ._data._check import Report as Report
from ._data._check import check as check
from ._data._excerpts import Choice as Choice
from ._data._excerpts import Cut as Cut
from ._data._excerpts import Excerpt as Excerpt
from ._data._excerpts import Excerpts as Excerpts
from ._data._excerpts import Recipe as Recipe
from ._data._facts import FileFacts as FileFacts
from ._data._facts import Version as Version
from ._data._facts_cache import default_cache as default_cache
from ._data._layouts import find_training_songs as find_training_songs
from ._data._readers import Readers as Readers
from ._data._resident import ResidentSongs as ResidentSongs
from ._data._songs import StemFile as StemFile
from ._data._songs import TrainingSong as TrainingSong
