"""Where each setting of a loaded model came from, and what did not agree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from .._errors import shown

type Origin = Literal["weights", "arguments", "metadata", "configuration", "registry", "assumed"]
"""Who said it: the shapes of the weights, the caller, the file's own metadata, the YAML, the registry, or nobody."""


@dataclass(frozen=True)
class Finding:
    """One setting.

    Attributes:
        keyword: Of :class:`BandSplitRotator` or :class:`Checkpoint`, or of a variant.
        taken: The value that counts.
        origin: Where that value is from.
        said: What others say, by their origin.
        remark: What to know about it, or to do.
    """

    keyword: str
    taken: object
    origin: Origin
    said: Mapping[Origin, object]
    remark: str = ""

    @property
    def differs(self) -> bool:
        """Whether a file or the caller contradicts the weights."""
        return self.origin == "weights" and any(value != self.taken for value in self.said.values())

    def __str__(self) -> str:
        taken: Mapping[Origin, object] = {} if self.taken is None else {self.origin: self.taken}
        heard: Mapping[Origin, object] = {**taken, **self.said}
        speakers = ", ".join(f"{_SPEAKER[origin]} {_in_words(value)}" for origin, value in heard.items())
        return f"{self.keyword}: {speakers}" + (f"; {self.remark}" if self.remark else "")


@dataclass(frozen=True)
class Report:
    """What became of each setting in a load.

    Attributes:
        findings: A line per setting.
        variants: Names of the research variants that the model has.
        notes: What was changed or left out, a sentence each.
        unused: Keys of the YAML that separation does not need, with their sections, such as ``training.lr``.
    """

    findings: tuple[Finding, ...] = ()
    variants: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def differences(self) -> tuple[Finding, ...]:
        """Settings of which a file or the caller says something else than the weights."""
        return tuple(finding for finding in self.findings if finding.differs)

    def by_origin(self, origin: Origin) -> tuple[Finding, ...]:
        """Settings whose value is from there."""
        return tuple(finding for finding in self.findings if finding.origin == origin)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from map(str, self.findings)
        yield from self.notes
        if self.unused:
            yield f"not needed for separation: {', '.join(self.unused)}"


_SPEAKER: Mapping[Origin, str] = {
    "weights": "the weights say",
    "arguments": "the arguments say",
    "metadata": "its metadata say",
    "configuration": "the configuration says",
    "registry": "the registry says",
    "assumed": "nobody says, assumed is",
}


def _in_words(value: object) -> str:
    count = len(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else 1
    return f"{count} values {shown(cast('object', value))}" if count > 6 else shown(cast("object", value))
