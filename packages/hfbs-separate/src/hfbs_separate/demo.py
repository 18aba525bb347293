"""What ships with the package: a small model that separates vocals from instruments, and a song to try it on.

``_demo/MODEL_CARD.md`` says how the model was trained and how well it separates. ``Separator.from_checkpoint(MODEL)``
takes it as any other checkpoint; the commands take it by the name ``demo``.
"""

from pathlib import Path
from typing import Final

_FOLDER = Path(__file__).with_name("_demo")

MODEL: Final = _FOLDER / "demo.safetensors"
"""The model's checkpoint, which holds all its settings."""

SONG: Final = _FOLDER / "song.ogg"
"""Twenty-three seconds of music that :mod:`hfbs_train` has rendered, and on which the model was not trained."""

CARD: Final = _FOLDER / "MODEL_CARD.md"
"""The model's card, which says what it learnt from, under which licences, and how well it separates."""
