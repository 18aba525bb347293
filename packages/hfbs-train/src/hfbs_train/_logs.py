"""Where a run writes its figures: a CSV file always, TensorBoard and Weights & Biases where they are wanted."""

import csv
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from hfbs_model.files import written_whole

from ._configuration import Logs
from ._errors import ConfigurationError, writing

type Image = NDArray[np.uint8]


class Log(Protocol):
    """Takes figures and pictures of a run."""

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Take figures by name, after a number of steps."""
        ...

    def picture(self, step: int, name: str, image: Image) -> None:
        """Take a picture, (row, column, colour)."""
        ...

    def close(self) -> None:
        """Let nothing unwritten behind."""
        ...


def opened(settings: Logs, folder: Path, step: int, configuration: Mapping[str, Any]) -> list[Log]:
    """The logs of a run, which go on after ``step``; what an ended run wrote beyond it is taken back.

    Raises:
        ConfigurationError: Weights & Biases is wanted and not installed, or knows no login.
        RunError: A file cannot be written; so do the logs themselves.
    """
    kinds: dict[str, Callable[[], Log]] = {
        "table": lambda: _Table(folder / "metrics.csv", step),
        "tensorboard": lambda: _TensorBoard(folder / "tensorboard", step),
        "wandb": lambda: _WeightsAndBiases(settings.project, folder, configuration),
    }
    with ExitStack() as opening:  # closes those that are open where one cannot be opened
        logs: list[Log] = []
        for kind in ("table", *settings.to):
            logs.append(kinds[kind]())
            opening.callback(logs[-1].close)
        opening.pop_all()
    return logs


class _Table:
    """Rows of step, name and value: the names differ from row to row, and a file of rows can be cut at any step."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = [row for row in _rows(path) if int(row[0]) <= step]
        with writing(self._path):
            written_whole(path, lambda part: _write_rows(part, [["step", "name", "value"], *kept]))
            self._file = path.open("a", newline="", encoding="utf-8")

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        with writing(self._path):
            csv.writer(self._file).writerows([step, name, repr(value)] for name, value in values.items())
            self._file.flush()

    def picture(self, step: int, name: str, image: Image) -> None:
        pass

    def close(self) -> None:
        with writing(self._path):
            self._file.close()


def _write_rows(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _rows(path: Path) -> Sequence[list[str]]:
    if not path.exists():
        return []
    # A line that a killed process left half written has no whole number of cells, and may end within a letter.
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return [row for row in csv.reader(file) if len(row) == 3 and row[0].isdecimal()]


class _TensorBoard:
    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1)

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: Image) -> None:
        self._writer.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class _WeightsAndBiases:
    def __init__(self, project: str, folder: Path, configuration: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ConfigurationError("logs.to: wandb is not installed: pip install 'hfbs-train[wandb]'") from error
        self._wandb: Any = wandb
        identity = folder / "wandb-id.txt"  # by which a run that goes on is known to be the same one
        if not identity.exists():
            written_whole(identity, lambda part: part.write_text(uuid4().hex, encoding="utf-8"))
        try:
            self._run: Any = self._wandb.init(
                project=project,
                name=folder.name,
                id=identity.read_text(encoding="utf-8"),
                resume="allow",
                dir=str(folder),
                config=dict(configuration),
            )
        except self._wandb.Error as error:
            raise ConfigurationError(
                f"logs.to: wandb: {' '.join(str(error).split())}; log in with wandb login, set WANDB_MODE=offline, or "
                "leave wandb out"
            ) from error

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, image: Image) -> None:
        self._run.log({name: self._wandb.Image(image)}, step=step)

    def close(self) -> None:
        self._run.finish()
