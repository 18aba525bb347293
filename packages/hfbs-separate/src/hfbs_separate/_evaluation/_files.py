"""The files of scores: checked before the first song is scored."""

from dataclasses import dataclass
from pathlib import Path

from .._errors import OutputError
from .._output_place import check_new_file

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
            check_new_file(path, f"name another place with {option}", overwrite=overwrite)
