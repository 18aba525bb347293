"""A checkpoint as a folder that can be handed on: the file, its configuration to read, and a model card."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, cast

from .._errors import CheckpointError, shown
from ..files import written_whole
from ._checkpoint import Checkpoint
from ._files import read_file
from ._format import save_checkpoint
from ._load import load_checkpoint

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
LIBRARY, PIPELINE, TAGS = "hfbs", "audio-to-audio", ("hfbs", "audio-source-separation", "music-source-separation")
"""What the Hugging Face Hub sorts models by."""

_PACKAGE = str(Path(__file__).parents[1])
_NAME_ON_HUB = re.compile(r"[\w-][\w.-]*/[\w.-]+", re.ASCII)
_LONGEST_CONFIG = 16 * 1024 * 1024


def write_files(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the file and the copy of its configuration, each whole or not at all, into a folder that may be new.

    Raises:
        ValueError: A file is where the folder should be, or no file can hold the model; see :func:`save_checkpoint`.
        OSError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(
            f"a checkpoint is saved into a folder, and {error.filename} is a file; name another folder, "
            "or write one file with save_checkpoint"
        ) from error
    save_checkpoint(checkpoint, folder / WEIGHTS)
    write_text(folder / CONFIG, json.dumps(_configuration(folder / WEIGHTS), indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    written_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def load_files(folder: Path, settings: Mapping[str, object]) -> Checkpoint:
    """Load the checkpoint in a folder; what its ``config.json`` says otherwise is warned of and noted in the report.

    Raises:
        CheckpointError: The folder is missing or holds no such file; see also :func:`load_checkpoint`.
    """
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(_what_is_missing(folder))
    checkpoint = load_checkpoint(folder / WEIGHTS, **cast("dict[str, Any]", settings))
    note = _note_on_copy(folder)
    if not note:
        return checkpoint
    warnings.warn(note, skip_file_prefixes=(_PACKAGE,))
    return replace(checkpoint, report=replace(checkpoint.report, notes=(*checkpoint.report.notes, note)))


def load_pretrained(folder_or_name: str | PathLike[str], settings: Mapping[str, object]) -> Checkpoint:
    """Load from a folder, or from the Hub what reads ``owner/name`` and is no path here; a Path is never a name.

    Raises:
        CheckpointError: Neither is there; see also :func:`load_files`.
        ImportError: It may be a name on the Hub, and the extra ``hub`` is not installed.
    """
    name = folder_or_name
    if not isinstance(name, str) or not _NAME_ON_HUB.fullmatch(name) or Path(name).exists():
        return load_files(Path(name), settings)
    try:
        from ..hub import HubCheckpoint  # its library comes with an extra
    except ImportError as error:
        raise ImportError(f"there is no folder {name}, and to look for it on the Hugging Face Hub, {error}") from error
    return HubCheckpoint.from_pretrained(name, **cast("dict[str, Any]", settings))


def of_class[C](kind: type[C], checkpoint: Checkpoint) -> C:
    """The same checkpoint as an instance of a subclass."""
    return kind(**{field.name: getattr(checkpoint, field.name) for field in fields(Checkpoint)})


def model_card(checkpoint: Checkpoint) -> str:
    """The README.md of a folder: the Hub's metadata and :func:`card_text`."""
    tags = "".join(f"- {tag}\n" for tag in TAGS)
    return (
        f"---\nlibrary_name: {LIBRARY}\npipeline_tag: {PIPELINE}\ntags:\n{tags}"
        f"# license: to be filled in by the author\n---\n\n{card_text(checkpoint, None)}"
    )


def card_text(checkpoint: Checkpoint, licence: str | None) -> str:
    """What a model card says of a checkpoint, in Markdown; None means that nobody has chosen a licence yet."""
    names = ", ".join(map(_in_markdown, checkpoint.stems))
    rate = f"{checkpoint.sample_rate} Hz"
    rows = "\n".join(f"| {name} | {value} |" for name, value in _facts(checkpoint))
    terms = (
        f"{licence}."
        if licence
        else "Not stated yet. Author of these weights: please fill it in here, and as `license:` between the lines of "
        "dashes at the top of this file. Until then nobody else knows whether they may be used."
    )
    return f"""# Music source separation: {names}

| | |
| --- | --- |
{rows}

## Use

```console
pip install "hfbs-model[hub]"
```

```python
from hfbs_model import Checkpoint

checkpoint = Checkpoint.from_pretrained("OWNER/NAME")  # or the path of this folder
stems = checkpoint.model(mixture)  # (batch, channel, time) to (batch, stem, channel, time), at {rate}
```

`model.safetensors` holds all that it needs; `config.json` is a copy of its configuration for people to read.

## Licence

{terms}
"""


def _facts(checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    model, keywords = checkpoint.model, checkpoint.model.keywords
    stft, layout = model.stft_settings, model.layout
    yield "stems", ", ".join(map(_in_markdown, checkpoint.stems))
    if checkpoint.residual is not None:
        yield "residual", f"{_in_markdown(checkpoint.residual)}: the mixture less the stems"
    yield "audio", f"{'stereo' if model.stereo else 'mono'}, {checkpoint.sample_rate} Hz"
    yield (
        "architecture",
        f"`BandSplitRotator`: dim {keywords['dim']}, depth {keywords['depth']}, {keywords['heads']} heads of "
        f"{keywords['dim_head']}, {'PoPE' if keywords['use_pope'] else 'RoPE'}",
    )
    if model.parts.recipe:
        yield "variants", f"{', '.join(map(_in_markdown, model.parts.recipe))}; needs `pip install hfbs-experimental`"
    kind = "mel" if keywords["num_bands"] is not None else "side by side" if layout.is_partition else "overlapping"
    yield "bands", f"{layout.num_bands} ({kind}) over {layout.num_bins} bins"
    yield "STFT", f"{stft.n_fft} samples, hop {stft.hop_length}, window {stft.win_length}"
    yield "parameters", f"{sum(parameter.numel() for parameter in model.parameters()):,}"
    seconds = checkpoint.chunk_size / checkpoint.sample_rate
    yield "chunk", f"{checkpoint.chunk_size} samples ({seconds:.2f} s), each sample in {checkpoint.num_overlap} of them"
    for name, value in checkpoint.provenance.items():
        yield _in_markdown(name), _in_markdown(value)


def _in_markdown(text: str) -> str:
    """A name from a file on one line, without what Markdown would take for its own."""
    return re.sub(r"([\\`*_\[\]<>|~$&])", r"\\\1", " ".join(text.split()))


def _what_is_missing(folder: Path) -> str:
    if not folder.exists():
        return (
            f"there is no folder {folder}; correct the path, or, for a model of the Hugging Face Hub, "
            "give its name as OWNER/NAME"
        )
    if not folder.is_dir():
        return f"{folder} is a file, and a folder with {WEIGHTS} was expected; load a file with load_checkpoint"
    found = sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".ckpt", ".pt", ".pth"))
    remedy = f"load {shown(found[0])} with load_checkpoint" if found else "is this the right folder?"
    return f"the folder {folder} holds no {WEIGHTS}, which save_pretrained writes; {remedy}"


def _configuration(weights: Path) -> object:
    """The configuration in the metadata of a file; None in those of a file that is not ours."""
    return cast("object", json.loads(read_file(weights).metadata.get("hfbs", "null")))


def _note_on_copy(folder: Path) -> str:
    """How ``config.json`` differs from what it is a copy of; empty where it does not, or where nothing is ours."""
    path, own = folder / CONFIG, _configuration(folder / WEIGHTS)
    if own is None or not path.exists():
        return ""
    advice = f"The metadata count: save the checkpoint again, or delete {CONFIG}; to change a setting, pass its keyword"
    try:
        with path.open("rb") as file:
            copy = cast("object", json.loads(file.read(_LONGEST_CONFIG)))
    except (OSError, ValueError, RecursionError) as error:
        return f"{path} is no readable JSON ({str(error) or type(error).__name__}). {advice}"
    differences = list(_differences(copy, own, ""))
    if not differences:
        return ""
    more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
    return f"{path} is no copy of the metadata of {WEIGHTS}: {'; '.join(differences[:5])}{more}. {advice}"


def _differences(copy: object, own: object, place: str) -> Iterator[str]:
    ours, theirs = (cast("Mapping[str, object]", each) if isinstance(each, dict) else None for each in (own, copy))
    if ours is not None and theirs is not None:
        for name in dict.fromkeys([*ours, *theirs]):
            yield from _differences(theirs.get(name), ours.get(name), f"{place}.{name}" if place else name)
    elif copy != own:
        there, here = ("missing" if value is None else shown(value) for value in (copy, own))
        yield f"{place or 'the whole'} is {there} there and {here} in the metadata"
