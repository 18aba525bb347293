"""One value for each setting, from what the weights tell and what others say."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ._report import Finding, Origin


@dataclass(frozen=True)
class Source:
    """What one side says about settings.

    Attributes:
        origin: Which side.
        said: Values by keyword.
    """

    origin: Origin
    said: Mapping[str, object]


class Settling:
    """Settles one keyword after the other; each source before another in turn counts more than it.

    Attributes:
        findings: A finding per settled keyword.
        missing: Keywords that nobody said anything about, each with its usual values in words.
    """

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._sources = sources
        self.findings: list[Finding] = []
        self.missing: dict[str, str] = {}

    @property
    def values(self) -> dict[str, object]:
        """The settled values by keyword."""
        return {finding.keyword: finding.taken for finding in self.findings}

    @property
    def unsettled(self) -> Iterator[str]:
        """Keywords that a source says something about and that are not settled, each once."""
        settled = self.values.keys() | self.missing.keys()
        yield from dict.fromkeys(name for source in self._sources for name in source.said if name not in settled)

    def said(self, keyword: str) -> Mapping[Origin, object]:
        """What each source that knows the keyword says, the one that counts most first."""
        return {source.origin: source.said[keyword] for source in self._sources if keyword in source.said}

    def said_most(self) -> dict[str, object]:
        """For each keyword what the source that counts most says."""
        return {name: value for source in reversed(self._sources) for name, value in source.said.items()}

    def fitting(self, keyword: str, value: float, fits: Callable[[float], bool]) -> float:
        """What is said of a multiple that weights tell only rounded, if it fits them; else the value that they tell."""
        said = self.said_most().get(keyword)
        return float(said) if isinstance(said, int | float) and fits(said) else value

    def told(self, keyword: str, value: object, remedy: str | None = None) -> None:
        """Settle what the weights tell; whoever says something else is in the wrong, and is told the remedy."""
        contradicted = any(said != value for said in self.said(keyword).values())
        remark = (f"set it to {value!r}" if remedy is None else remedy) if contradicted else ""
        self.findings.append(Finding(keyword, value, "weights", self.said(keyword), remark))

    def take(self, keyword: str, value: object) -> None:
        """Settle what was said, in the form in which it counts."""
        self.findings.append(Finding(keyword, value, next(iter(self.said(keyword))), {}))

    def ask(self, keyword: str, usual: str) -> None:
        """Settle what others say, or note that somebody has to say it."""
        if not self._take_said(keyword):
            self.missing[keyword] = usual

    def assume(self, keyword: str, value: object) -> None:
        """Settle what others say, or else this value, which no known checkpoint contradicts."""
        if not self._take_said(keyword):
            self.findings.append(Finding(keyword, value, "assumed", {}))

    def _take_said(self, keyword: str) -> bool:
        said = dict(self.said(keyword))
        if not said:
            return False
        origin, value = next(iter(said.items()))
        del said[origin]
        self.findings.append(Finding(keyword, value, origin, said))
        return True
