"""``python -m hfbs_train`` is ``hfbs-train``."""

from .cli import main

main()
