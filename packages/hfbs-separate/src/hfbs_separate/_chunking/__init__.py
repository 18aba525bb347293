"""How a song is cut into chunks and put together again, from samples that come block by block.

A mode (:class:`Clean`, :class:`Msst`, :class:`AudioSeparator`) says which stretches of the song the model sees, and how
much each sample of an estimate counts; :func:`separated` runs the model over them and adds up. No more of the song is
in memory than the chunks in work reach.
"""

from ._audio_separator import AudioSeparator as AudioSeparator
from ._choice import mode as mode
from ._clean import Clean as Clean
from ._mode import Chunk as Chunk
from ._mode import Mode as Mode
from ._mode import halved as halved
from ._msst import Msst as Msst
from ._overlap_add import separated as separated
from ._signal import Signal as Signal
