"""What separates, as the command's options name it: files and settings, and the separator made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ._errors import OptionError
from ._loading import loaded
from ._record import Json, Recipe, sha256
from ._separator_options import about_separator, needed_settings, separator_of

if TYPE_CHECKING:
    from hfbs_model import Checkpoint
    from hfbs_model.export import ExportedCheckpoint

    from ._ensemble import Ensemble
    from ._separator import Separator, SeparatorOptions


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files that a model is read from.

    Attributes:
        weights: the checkpoint, or an exported core.
        config: the YAML that came with it.
        lora: adapters for its weights.
        others: further models of an ensemble.
    """

    weights: Path
    config: Path | None = None
    lora: Path | None = None
    others: tuple[Path, ...] = ()

    def listed(self) -> list[Path]:
        """All of them."""
        return [file for file in (self.weights, self.config, self.lora, *self.others) if file is not None]

    def moved(self, places: Mapping[Path, Path]) -> "ModelFiles":
        """The same files in other places."""
        return ModelFiles(
            places[self.weights],
            None if self.config is None else places[self.config],
            None if self.lora is None else places[self.lora],
            tuple(places[other] for other in self.others),
        )

    def digests(self) -> dict[str, object]:
        """Name and SHA-256 of each, as they stand in a record."""
        named = {"weights": self.weights, "config": self.config, "lora": self.lora}
        return {
            **{kind: _digest(file) for kind, file in named.items() if file is not None},
            "with": [_digest(other) for other in self.others],
        }


@dataclass(frozen=True, slots=True)
class Model:
    """All that was said of what separates.

    Attributes:
        files: what it is read from.
        settings: what neither weights nor YAML tell.
        options: of the separator, residuals excepted.
        residuals: further stems, each the mixture less the stems listed.
        instrumental: whether the mixture less the vocals is given besides.
        combine: how several models are put together.
        weights: how much each counts in their mean; None: all the same.
        crossover: frequencies in Hz between each model and the next, instead.
    """

    files: ModelFiles
    settings: Mapping[str, object]
    options: "SeparatorOptions"
    residuals: Mapping[str, list[str]]
    instrumental: bool
    combine: str
    weights: list[float] | None
    crossover: list[float] | None

    def build(self) -> "Built":
        """Load it all, which takes long.

        Raises:
            click.ClickException: a file cannot be loaded, or an option cannot be honoured.
        """
        first = loaded(
            self.files.weights, self.files.config, self.files.lora, needed_settings(self.settings, self.options)
        )
        residuals = dict(self.residuals)
        if self.instrumental:
            residuals = {"instrumental": [vocals_of(first)], **residuals}
        options: SeparatorOptions = {**self.options, "residuals": residuals}
        separator = separator_of(first, options)
        about = [about_separator(self.files.weights, separator)]
        if self.files.others:
            others = [separator_of(loaded(other, None, None, {}), options) for other in self.files.others]
            about += [about_separator(file, one) for file, one in zip(self.files.others, others, strict=True)]
            separator = _ensemble([separator, *others], self.combine, self.weights, self.crossover)
        return Built(separator, residuals, about, first.report.notes)


class Built(NamedTuple):
    """A model that is ready.

    Attributes:
        separator: what separates.
        residuals: the further stems that it gives.
        about: a line for people on each model.
        notes: what was odd about the first.
    """

    separator: "Separator | Ensemble"
    residuals: Mapping[str, list[str]]
    about: list[str]
    notes: "tuple[str, ...] | list[str]"

    def recipe(self, files: Json, settings: Mapping[str, object], sample_format: str) -> Recipe:
        """How stems are made with it.

        Args:
            files: as :meth:`ModelFiles.digests` gives them.
            settings: what was said of the checkpoint.
            sample_format: of the stems' files.
        """
        return Recipe(
            checkpoint={**files, "settings": settings},
            separation=self.separator.settings | {"residuals": self.residuals},
            sample_format=sample_format,
        )


def _digest(file: Path) -> dict[str, str]:
    return {"file": file.name, "sha256": sha256(file)}


def _ensemble(
    separators: "list[Separator]", combine: str, weights: list[float] | None, crossover: list[float] | None
) -> "Ensemble":
    from ._ensemble import Ensemble

    try:
        return Ensemble(separators, combine=combine, weights=weights, crossover=crossover)
    except OptionError as error:
        raise click.ClickException(str(error)) from error


def vocals_of(checkpoint: "Checkpoint | ExportedCheckpoint") -> str:
    """The stem that is no instrument: by its name, else the first one, as MSST has it."""
    named = (stem for stem in checkpoint.stems if stem.casefold() in ("vocals", "vocal", "voice"))
    return next(named, checkpoint.stems[0])
