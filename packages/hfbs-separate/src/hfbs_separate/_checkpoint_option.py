"""A checkpoint's file as commands take it, or the name of the one that is always there."""

from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from .demo import MODEL

DEMO: Final = "demo"
"""How commands call the model that comes with them; a file of that name is ``./demo``."""

ABOUT_DEMO: Final = (
    "demo is a small model, trained on little: expect vocals to be heard in the instrumental, and some of it in them. "
    "For better stems, give a checkpoint by --checkpoint; hfbs models lists known ones"
)
"""What people must know who did not choose it."""


class _Checkpoint(click.Path):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return MODEL if value == DEMO else super().convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(DEMO)] if incomplete and DEMO.startswith(incomplete) else []
        return [*names, *super().shell_complete(ctx, param, incomplete)]


CHECKPOINT = _Checkpoint(exists=True, dir_okay=False, path_type=Path)
