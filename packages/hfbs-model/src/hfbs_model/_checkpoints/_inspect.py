"""What a checkpoint tells, without a model being built, and without everything having to be known."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from os import PathLike
from pathlib import Path
from typing import Any, Literal, cast

from torch import Tensor

from hfbs_filterbanks import BandLayout

from .._errors import ConfigError
from .._registry import KnownCheckpoint, checkpoint_by_sha256
from .._settings import resolve_freq_range, resolve_layout
from ._keywords import model_keywords
from ._load import read_evidence, settle
from ._registered import sha256_of
from ._report import Report
from ._variants import GROUP, MARKS, variants_of

_OF_LAYOUT = ("freqs_per_bands", "mask_filter_bank", "num_bands", "sample_rate")
_ESTIMATOR = re.compile(r"mask_estimators\.(\d+)\.")
_POSITIONS = re.compile(r"((?:mask_estimators\.\d+\.)?layers)\.\d+\.(\d+)\..*\.((?:rotary|pope)_embed\..*)$")
_STATISTICS = (".running_mean", ".running_var", ".num_batches_tracked")
"""Of batch normalisation: counted by a model and not learned."""


@dataclass(frozen=True)
class Parameters:
    """How many numbers a model has learned, by part. What several names share counts once.

    Attributes:
        band_split: From bins to tokens.
        trunk: The layers, and what stands between them and the mask estimators.
        mask_estimators: One number per stem.
    """

    band_split: int
    trunk: int
    mask_estimators: tuple[int, ...]

    @property
    def total(self) -> int:
        """Of all parts."""
        return self.band_split + self.trunk + sum(self.mask_estimators)


@dataclass(frozen=True)
class Inspection:
    """What is known of a checkpoint.

    Attributes:
        family: ``"bs"`` where tokens are normalised after the trunk, ``"mel"`` where every transformer normalises its
            output.
        values: Every setting that somebody tells, by keyword of :class:`BandSplitRotator` and :class:`Checkpoint`.
        missing: What nobody tells, by keyword, each with its usual values in words. Loading would ask for it.
        report: Where each value is from, and which contradict the weights.
        variants: The research variants that the weights show.
        absent_variants: Those of them that no installed package has; their keywords are not among the values.
        layout: The bands; None where they are missing.
        parameters: How many there are.
        dtypes: Types of the weights in the file, such as ``float32``, the most frequent first.
        file_size: Bytes.
        sha256: Digest of the file in hexadecimal.
        known: What the registry has on a file of this digest, or None.
        provenance: Whence a file of our own format is.
    """

    family: Literal["bs", "mel"]
    values: Mapping[str, object]
    missing: Mapping[str, str]
    report: Report
    variants: tuple[str, ...]
    absent_variants: tuple[str, ...]
    layout: BandLayout | None
    parameters: Parameters
    dtypes: tuple[str, ...]
    file_size: int
    sha256: str
    known: KnownCheckpoint | None
    provenance: Mapping[str, str]

    @property
    def keywords(self) -> dict[str, object]:
        """Those of the values that :class:`BandSplitRotator` takes; with none missing, they build such a model."""
        return model_keywords(self.values)


def inspect_checkpoint(
    path: str | PathLike[str],
    config: str | PathLike[str] | None = None,
    *,
    lora: str | PathLike[str] | None = None,
    **settings: object,
) -> Inspection:
    """Read a checkpoint as :func:`load_checkpoint` does, but build no model, and report instead of refusing what is
    missing, contradictory, or needs a package that is not installed.

    Args:
        path: As for :func:`load_checkpoint`, as all others.
        config: MSST's YAML, or None.
        lora: Adapters, or None.
        settings: What weights do not tell.

    Raises:
        CheckpointError: The file cannot be read, or is of another kind of model.
        ConfigError: The YAML or a setting cannot be read or has a value of the wrong type.
        TypeError: A setting that nothing knows.
    """
    evidence = read_evidence(path, config, lora, settings)
    weights = {name: tensor for name, tensor in evidence.spelled.weights.items() if "lora_" not in name}
    variants = variants_of(weights)
    absent = tuple(name for name in variants if not entry_points(group=GROUP, name=name))
    if absent:
        rest = {
            name: tensor
            for name, tensor in evidence.spelled.weights.items()
            if not any(MARKS[variant].search(name) for variant in absent)
        }
        evidence = replace(evidence, spelled=replace(evidence.spelled, weights=rest))
    settled = settle(evidence)
    values, digest = settled.settling.values, sha256_of(path)
    return Inspection(
        family=evidence.architecture.family,
        values=values,
        missing=settled.settling.missing,
        report=settled.report,
        variants=tuple(dict.fromkeys((*variants, *settled.report.variants))),
        absent_variants=absent,
        layout=_layout(values),
        parameters=_parameters(weights, cast("int", values["num_stems"])),
        dtypes=_types(tensor for name, tensor in weights.items() if not _POSITIONS.match(name)),
        file_size=Path(path).stat().st_size,
        sha256=digest,
        known=checkpoint_by_sha256(digest),
        provenance=settled.provenance,
    )


def _layout(values: Mapping[str, object]) -> BandLayout | None:
    n_fft = values.get("stft_n_fft")
    if not isinstance(n_fft, int):
        return None
    given: dict[str, Any] = {name: values.get(name) for name in _OF_LAYOUT}
    if given["num_bands"] is None:
        given["sample_rate"] = None
    freq_range = cast("tuple[int, int] | None", values.get("freq_range"))
    try:
        first, last = resolve_freq_range(freq_range, n_fft // 2 + 1)
        return resolve_layout(num_bins=last - first, freq_range=freq_range, **given)
    except ValueError as error:
        raise ConfigError(f"the bands: {error}") from error


def _parameters(weights: Mapping[str, Tensor], num_stems: int) -> Parameters:
    band_split, trunk, estimators = 0, 0, [0] * num_stems
    seen: set[tuple[str, ...]] = set()
    for name, tensor in weights.items():
        if name.endswith((".inv_freqs", *_STATISTICS)):
            continue
        if match := _POSITIONS.match(name):
            if match.groups() in seen:
                continue
            seen.add(match.groups())
        if match := _ESTIMATOR.match(name):
            estimators[int(match[1])] += tensor.numel()
        elif name.startswith("band_split."):
            band_split += tensor.numel()
        else:
            trunk += tensor.numel()
    return Parameters(band_split, trunk, tuple(estimators))


def _types(tensors: Iterable[Tensor]) -> tuple[str, ...]:
    elements: dict[str, int] = {}
    for tensor in tensors:
        name = str(tensor.dtype).removeprefix("torch.")
        elements[name] = elements.get(name, 0) + tensor.numel()
    return tuple(sorted(elements, key=lambda name: -elements[name]))
