"""The files of scores: checked before the first song is scored."""

import os
from dataclasses import dataclass
from pathlib import Path

from .._errors import OutputError

_PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files asked for; None where there is to be none."""

    csv: Path | None
    json: Path | None
    plot: Path | None

    def check(self, *, overwrite: bool) -> None:
        """Refuse what could not be written at the end.

        Raises:
            OutputError: Two are the same file, one's folder is missing or may not be written to, one is there already
                (unless ``overwrite``), or the picture's suffix is none of .png, .svg and .pdf.
        """
        files = {"--csv": self.csv, "--json": self.json, "--plot": self.plot}
        given = {option: path for option, path in files.items() if path is not None}
        if len({path.absolute() for path in given.values()}) < len(given):
            raise OutputError(f"{' and '.join(given)} name one file: give each its own")
        if self.plot is not None and self.plot.suffix.lower() not in _PICTURES:
            raise OutputError(
                f"--plot draws {', '.join(_PICTURES)}, got {self.plot.name}: give it one of these suffixes"
            )
        for option, path in given.items():
            if not path.parent.is_dir():
                raise OutputError(f"there is no folder {path.parent}: create it, or name another place with {option}")
            if path.is_dir():
                raise OutputError(f"{path} is a folder: name a file with {option}")
            if path.exists() and not overwrite:
                raise OutputError(f"{path} exists: add --force to overwrite it, or name another with {option}")
            if not os.access(path.parent, os.W_OK | os.X_OK):
                raise OutputError(f"{path.parent} may not be written to: name another place with {option}")
