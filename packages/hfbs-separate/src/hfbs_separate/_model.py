"""What separates, as the command's options name it: files and settings, and the separator made of them."""

from collections.abc import Mapping, Sequence
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
        options = self._options_for(first)
        separator = separator_of(first, options)
        about = [about_separator(self.files.weights, separator)]
        if self.files.others:
            checkpoints = [loaded(other, None, None, {}) for other in self.files.others]
            others = [separator_of(checkpoint, self._options_for(checkpoint)) for checkpoint in checkpoints]
            about += [about_separator(file, one) for file, one in zip(self.files.others, others, strict=True)]
            separator = _ensemble([separator, *others], self.combine, self.weights, self.crossover)
        return Built(separator, options.get("residuals") or {}, about, first.report.notes)

    def _options_for(self, checkpoint: "Checkpoint | ExportedCheckpoint") -> "SeparatorOptions":
        stems, residuals = self.options.get("stems"), self.residuals
        if self.instrumental and "instrumental" not in residuals:
            stems, further = with_instrumental(checkpoint, stems)
            residuals = {**further, **residuals}
        return {**self.options, "stems": stems, "residuals": residuals}


class Built(NamedTuple):
    """A model that is ready.

    Attributes:
        separator: what separates.
        residuals: the further stems that it gives.
        about: a line for people on each model.
        notes: what was odd about the first.
    """

    separator: "Separator | Ensemble"
    residuals: Mapping[str, Sequence[str]]
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


def with_instrumental(
    checkpoint: "Checkpoint | ExportedCheckpoint", stems: Sequence[str] | None
) -> tuple[Sequence[str] | None, dict[str, list[str]]]:
    """What to choose, and the residuals to name, so that the instrumental is given as well, and once.

    Args:
        checkpoint: of which it is a stem or the residual; else it is the mixture less the vocals.
        stems: what is chosen without it; None: all.
    """
    if "instrumental" not in (*checkpoint.stems, checkpoint.residual):
        return stems, {"instrumental": [vocals_of(checkpoint)]}
    if stems is None or "instrumental" in stems:
        return stems, {}
    return [*stems, "instrumental"], {}
