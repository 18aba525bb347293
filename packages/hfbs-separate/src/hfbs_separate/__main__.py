"""``python -m hfbs_separate`` is ``hfbs``."""

from .cli import main

main()
