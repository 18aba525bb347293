"""From a checkpoint's file to a model that is ready to separate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, cast

from torch import Tensor

from .._errors import CheckpointError, ConfigError
from .._msst import least_depth
from .._parts import Parts
from .._rotator import BandSplitRotator
from .._settings import refuse_unknown
from ._architecture import Architecture, infer_architecture
from ._build import no_initial_values
from ._checkpoint import Checkpoint, check_residual
from ._config import read_config
from ._files import read_file
from ._format import metadata_source, provenance_of
from ._keywords import KEYWORDS, checked_settings, model_keywords
from ._layouts import settle_layout
from ._registered import registry_source
from ._report import Report
from ._settling import Settling, Source
from ._spellings import Spelled, merged_lora, spelled_as_here, stored_as_half
from ._translation import msst_defaults, translated
from ._variants import settle_variants

type _Path = str | PathLike[str]


def load_checkpoint(
    path: _Path, config: _Path | None = None, *, lora: _Path | None = None, **settings: object
) -> Checkpoint:
    """Build the model that a checkpoint describes, and load its weights.

    The weights tell the architecture. What they do not tell comes from ``settings``, from the metadata of a file that
    :func:`save_checkpoint` wrote, from MSST's YAML, or from the registry of known files; where a YAML leaves something
    out, it means MSST's default. What nobody says is asked for by name. The result gives all samples back
    (``match_input_audio_length=True``) unless ``settings`` say otherwise.

    Args:
        path: A ``.ckpt``, ``.pt``, ``.pth``, ``.bin`` or ``.safetensors`` file. No code in it is run.
        config: MSST's YAML. No object in it is constructed.
        lora: A file of loralib's adapters for this checkpoint, which are merged into its weights; needs ``lora_alpha``.
        settings: Keywords of :class:`BandSplitRotator`, ``stems``, ``residual``, ``sample_rate``, ``chunk_size``,
            ``num_overlap``, ``lora_alpha`` (0 where a full checkpoint with adapters has them merged already), and those
            of variants.

    Raises:
        CheckpointError: The weights cannot be read, contradict what is said about them, or need a variant that is not
            installed.
        ConfigError: The YAML or a setting cannot be read or has a value of the wrong type, or nobody says what weights
            do not tell.
        TypeError: A setting that nothing knows.
    """
    settled = settle(read_evidence(path, config, lora, settings))
    _refuse_differences(settled.report, path, config)
    _refuse_missing(settled.settling.missing, path)

    values = settled.settling.values
    _refuse_residual(values, path)
    model = _built(values, settled.parts, path)
    _give_weights(model, settled.weights, path)
    return Checkpoint(
        model.eval(),
        stems=cast("tuple[str, ...]", values["stems"]),
        sample_rate=cast("int", values["sample_rate"]),
        chunk_size=cast("int", values["chunk_size"]),
        num_overlap=cast("int", values["num_overlap"]),
        report=settled.report,
        provenance=settled.provenance,
        residual=cast("str | None", values.get("residual")),
    )


@dataclass(frozen=True)
class Evidence:
    """What files and the caller say of a model, before any of it counts.

    Attributes:
        path: The checkpoint's file.
        spelled: Its weights.
        architecture: What they tell.
        sources: What others say, those that count most first.
        notes: What was changed or left out, a sentence each.
        unused: Keys of the YAML that separation does not need.
        metadata: Of a safetensors file.
    """

    path: _Path
    spelled: Spelled
    architecture: Architecture
    sources: tuple[Source, ...]
    notes: tuple[str, ...]
    unused: tuple[str, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Settled:
    """One value for each setting, where anybody tells it.

    Attributes:
        settling: The values, and what is missing.
        weights: As the model has them, adapters merged.
        parts: Of the variants, where all their keywords are settled.
        report: Where each value is from.
        provenance: Whence the file is.
    """

    settling: Settling
    weights: Mapping[str, Tensor]
    parts: Parts
    report: Report
    provenance: Mapping[str, str]


def read_evidence(path: _Path, config: _Path | None, lora: _Path | None, settings: Mapping[str, object]) -> Evidence:
    """Read all files; the arguments are those of :func:`load_checkpoint`."""
    content = read_file(path)
    spelled = spelled_as_here(content.tensors | ({} if lora is None else read_file(lora).tensors))
    architecture = infer_architecture(spelled.weights)

    sources = [Source("arguments", checked_settings(settings, "the setting {}"))]
    notes, unused = list(spelled.notes), tuple[str, ...]()
    own = metadata_source(content.metadata, path)
    if own is not None and config is not None:
        raise ConfigError(f"{path} holds its configuration itself; leave {config} out, or pass what differs by keyword")
    if own is not None:
        sources.append(own)
    if config is not None:
        read = read_config(config)
        said, remarks = translated(read, architecture.family, config)
        sources += [Source("configuration", said), Source("assumed", msst_defaults(read))]
        notes, unused = [*notes, *remarks], read.unused
    return Evidence(path, spelled, architecture, tuple(sources), tuple(notes), unused, content.metadata)


def settle(evidence: Evidence) -> Settled:
    """Settle every setting, with the registry's help where something is missing and the file does not know itself."""
    sources, spelled, architecture = evidence.sources, evidence.spelled, evidence.architecture
    settling, weights, parts = _settle(sources, spelled, architecture)
    ours = any(source.origin == "metadata" for source in sources)
    if settling.missing and not ours and (known := registry_source(evidence.path)) is not None:
        settling, weights, parts = _settle((*sources, known), spelled, architecture)
    notes = evidence.notes
    if not ours and stored_as_half(weights):  # whoever wrote our own format so has chosen it
        notes = (*notes, "the file holds half precision; the model computes in float32")
    report = Report(tuple(settling.findings), tuple(parts.recipe), notes, evidence.unused)
    return Settled(settling, weights, parts, report, provenance_of(evidence.metadata, evidence.path))


def _settle(
    sources: tuple[Source, ...], spelled: Spelled, architecture: Architecture
) -> tuple[Settling, Mapping[str, Tensor], Parts]:
    """Settle every keyword that the weights tell, somebody says, or somebody has to say."""
    settling = Settling(sources)
    weights = _with_adapters(spelled.weights, settling)
    for keyword, value in {**architecture.keywords, "ff_mult": _ff_mult(architecture, settling)}.items():
        settling.told(keyword, value, _remedy(keyword, value, architecture, settling))
    _settle_value_residuals(settling)
    settle_layout(settling, architecture)
    parts = settle_variants(settling, replace(spelled, weights=dict(weights)))

    for keyword, usual in _questions(architecture, settling).items():
        if keyword not in settling.values:
            settling.ask(keyword, usual)
    _compare_stems(settling, cast("int", architecture.keywords["num_stems"]))
    for keyword, usual in _ASSUMED.items():
        settling.assume(keyword, usual)
    for keyword in list(settling.unsettled):
        if keyword not in (*KEYWORDS, "residual", "lora_alpha"):
            _refuse_unknown(keyword, settling)
        settling.ask(keyword, "")
    return settling, weights, parts


_ASSUMED: Mapping[str, object] = {"num_overlap": 2, "stft_normalized": False, "match_input_audio_length": True}
"""What weights do not tell either, but no known checkpoint has otherwise, or any value serves."""


def _questions(architecture: Architecture, settling: Settling) -> dict[str, str]:
    """What weights do not tell, each with its usual values in words."""
    n_fft = settling.values.get("stft_n_fft")
    return {
        "stft_hop_length": "441 or 512, or 882 with an FFT of 4096",
        "stft_win_length": f"{n_fft}, as long as the FFT",
        "zero_dc": "True in MSST since September 2025, False before and elsewhere",
        "skip_connection": "False with few exceptions",
        "stems": f"{architecture.keywords['num_stems']} name(s), such as [vocals]",
        "sample_rate": "44100",
        "chunk_size": "352800 samples, 8 s at 44100 Hz",
    }


def _with_adapters(weights: Mapping[str, Tensor], settling: Settling) -> Mapping[str, Tensor]:
    if not any(name.endswith(".lora_A") for name in weights):
        return weights
    settling.ask("lora_alpha", "the training's, often 16; 0 where the weights hold the adapters already")
    alpha = cast("float", settling.values.get("lora_alpha", 0))
    return merged_lora(weights, float(alpha))


def _ff_mult(architecture: Architecture, settling: Settling) -> float:
    dim, ff_mult = (cast("float", architecture.keywords[name]) for name in ("dim", "ff_mult"))
    features = int(dim * ff_mult)
    return settling.fitting("ff_mult", ff_mult, lambda said: features <= dim * said < features + 1)


def _remedy(keyword: str, value: object, architecture: Architecture, settling: Settling) -> str | None:
    """What to change where somebody contradicts the weights, other than to say what they say."""
    if keyword == "mask_estimator_depth" and "configuration" in settling.said(keyword):
        depth = cast("int", value) + least_depth(architecture.family)
        return f"counted in hidden layers; set mask_estimator_depth to {depth}, as MSST counts in this family"
    return None


def _settle_value_residuals(settling: Settling) -> None:
    """Weights show value residuals that are learned; the mean of both values leaves no mark."""
    if settling.said_most().get("learned_value_residual_mix") is False:
        settling.ask("use_value_residual_learning", "True")
    elif "use_value_residual_learning" not in settling.values:
        settling.told("use_value_residual_learning", False)


def _compare_stems(settling: Settling, num_stems: int) -> None:
    """Refuse, as any other difference, names that are more or fewer than the model's stems."""
    said = settling.said("stems")
    if any(len(cast("Sequence[str]", names)) != num_stems for names in said.values()):
        settling.findings[:] = [finding for finding in settling.findings if finding.keyword != "stems"]
        remark = "set training.target_instrument for one stem, or list as many training.instruments"
        settling.told("stems", f"{num_stems} stem(s)", remark)


def _refuse_unknown(keyword: str, settling: Settling) -> None:
    known = [*KEYWORDS, "stems", "residual", "chunk_size", "num_overlap", *settling.values]
    try:
        refuse_unknown([keyword], known, "the model")
    except TypeError as error:
        if "arguments" in settling.said(keyword):
            raise
        where = "the metadata" if "metadata" in settling.said(keyword) else "section 'model' of the configuration"
        raise ConfigError(f"{where}: {error}; correct it, or delete it if the model does without") from error


def _refuse_differences(report: Report, path: _Path, config: _Path | None) -> None:
    if report.differences:
        lines = " | ".join(map(str, report.differences))
        raise CheckpointError(f"{config or 'what is said'} does not describe the checkpoint {path}: {lines}")


def _refuse_missing(missing: Mapping[str, str], path: _Path) -> None:
    if missing:
        questions = "; ".join(f"{keyword} ({usual})" for keyword, usual in missing.items())
        raise ConfigError(
            f"the weights in {path} do not tell: {questions}. Give the YAML that came with them as the configuration, "
            "or each by its name, as an argument of load_checkpoint or with --set NAME=VALUE on the command line"
        )


def _refuse_residual(values: Mapping[str, object], path: _Path) -> None:
    try:
        check_residual(cast("str | None", values.get("residual")), cast("tuple[str, ...]", values["stems"]))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def _built(values: Mapping[str, object], parts: Parts, path: _Path) -> BandSplitRotator:
    try:
        with no_initial_values():
            return BandSplitRotator(**cast("dict[str, Any]", model_keywords(values)), parts=parts)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except RuntimeError as error:  # PyTorch's, of memory that it does not get
        raise CheckpointError(f"{path} says of itself sizes that no memory holds; is it damaged?") from error


def _give_weights(model: BandSplitRotator, weights: Mapping[str, Tensor], path: _Path) -> None:
    """Let the model use the file's tensors themselves, in float32."""
    own = model.state_dict()
    missing, foreign = [name for name in own if name not in weights], [name for name in weights if name not in own]
    if missing or foreign:
        raise CheckpointError(
            f"{path} is not of this architecture: it lacks {_some(missing)} and has {_some(foreign)} that nothing uses"
        )
    given: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if weight.shape != own[name].shape:
            raise CheckpointError(
                f"{path} is not of this architecture: {name} is {tuple(weight.shape)}, not {tuple(own[name].shape)}"
            )
        if own[name].is_floating_point() and not weight.is_floating_point():
            raise CheckpointError(
                f"{path} holds {weight.dtype} in {name}, where weights are floating-point; quantised checkpoints "
                "are not supported"
            )
        given[name] = weight.to(own[name].dtype)
        # A sum is finite only where all that is summed up is; it needs no memory.
        if not given[name].sum().isfinite() and not given[name].isfinite().all():
            raise CheckpointError(f"{path} holds NaN or infinity in {name}; it is damaged, or its training failed")
    model.load_state_dict(given, assign=True)


def _some(items: Sequence[object]) -> str:
    shown = ", ".join(str(item) for item in items[:3])
    return "nothing" if not items else shown + (f" and {len(items) - 3} more" if len(items) > 3 else "")
