"""A loaded checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from .._errors import shown
from .._rotator import BandSplitRotator
from ._keywords import check_value
from ._report import Report


@dataclass(frozen=True)
class Checkpoint:
    """A model and what belongs to it.

    Attributes:
        model: The separator in float32 on the CPU, ready for inference. Its weights may lie in the checkpoint's file,
            from which they are read when they are used: replace that file by another, but do not write into it.
        stems: One name per stem that the model gives, in its order.
        sample_rate: Samples a second of the audio that the model was trained on.
        chunk_size: Samples to give to the model at once.
        num_overlap: How many chunks should hold each sample.
        report: Where each setting came from.
        provenance: Whence it is, such as the name and the SHA-256 of the file that it was converted from.
        residual: Name of what the stems leave of the mixture, where that is to be given beside them: ``"instrumental"``
            for a model of vocals alone. None: it is not.

    Raises:
        ValueError: Names of stems that are not different or not as many as the model's stems, a residual whose name is
            empty or a stem's, or a number that is not whole and at least 1.
    """

    model: BandSplitRotator
    stems: tuple[str, ...]
    sample_rate: int
    chunk_size: int
    num_overlap: int = 2
    report: Report = field(default_factory=Report)
    provenance: Mapping[str, str] = field(default_factory=dict[str, str])
    residual: str | None = None

    def __post_init__(self) -> None:
        for name in ("stems", "sample_rate", "chunk_size", "num_overlap"):
            check_value(name, getattr(self, name), f"{name} of a checkpoint")
        if len(self.stems) != self.model.num_stems:
            raise ValueError(
                f"stems are {self.model.num_stems} names, one for each stem of the model, got {len(self.stems)} "
                f"{shown(self.stems)}"
            )
        check_residual(self.residual, self.stems)
        check_value("residual", self.residual, "residual of a checkpoint")

    def save_pretrained(self, folder: str | PathLike[str], /) -> None:
        """Write a folder to keep or to share, from which :meth:`from_pretrained` loads.

        It holds ``model.safetensors``, as :func:`save_checkpoint` writes it; ``config.json``, a copy of its
        configuration for people to read; and a model card, ``README.md``, where there is none, in which the licence is
        left open.

        Args:
            folder: Where to; made where it is missing. Files of these names, but for README.md, are replaced.

        Raises:
            ValueError: A file is where the folder should be, or no file can hold a keyword of the model.
            OSError: The folder cannot be written.
        """
        from ._pretrained import CARD, model_card, write_files, write_text  # imports this module

        where = Path(folder)
        write_files(self, where)
        if not (where / CARD).exists():
            write_text(where / CARD, model_card(self))

    @classmethod
    def from_pretrained[C](cls: type[C], folder_or_name: str | PathLike[str], /, **settings: Any) -> C:
        """Load what :meth:`save_pretrained` wrote.

        The metadata of ``model.safetensors`` count. Where ``config.json`` says something else, a warning and a note in
        the report say so.

        Args:
            folder_or_name: A folder; or, as a string ``owner/name`` where no such folder is, a model on the Hugging
                Face Hub, for which :class:`hfbs_model.hub.HubCheckpoint` describes further settings.
            settings: As of :func:`load_checkpoint`.

        Raises:
            CheckpointError: There is no such folder or model, or it holds no ``model.safetensors``; or as
                :func:`load_checkpoint`, as with the two below.
            ConfigError: A setting has a value of the wrong type, or is missing.
            TypeError: A setting that nothing knows.
            ImportError: A name on the Hub, and the extra ``hub`` is not installed.
        """
        from ._pretrained import load_pretrained, of_class  # imports this module

        return of_class(cls, load_pretrained(folder_or_name, settings))


def check_residual(residual: str | None, stems: Sequence[str]) -> None:
    """Refuse a name for what the stems leave of the mixture by which it could not be told from them.

    Raises:
        ValueError: It is empty or a stem's.
    """
    if residual is not None and residual in ("", *stems):
        raise ValueError(
            f"residual is a name beside those of the stems ({', '.join(stems)}), got {residual!r}; choose another, "
            "or None for no residual"
        )
