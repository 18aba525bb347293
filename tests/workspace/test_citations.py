"""Every work that hfbs builds on is in citations/hfbs.bib and CITATION.cff, and cited where it is used."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from workspace._repository import MEMBERS, ROOT

# What the issue of this workspace asks for: by arXiv number, einops by its venue.
WORKS = {
    "hendrycks2016gelu": "1606.08415",
    "dauphin2017glu": "1612.08083",
    "vaswani2017attention": "1706.03762",
    "zhang2019rmsnorm": "1910.07467",
    "su2021roformer": "2104.09864",
    "elnouby2021xcit": "2106.09681",
    "dao2022flashattention": "2205.14135",
    "rogozhnikov2022einops": None,
    "lu2023bsroformer": "2309.02612",
    "wang2024melroformer": "2409.04702",
    "zhou2024valueresidual": "2410.17897",
    "gopalakrishnan2025pope": "2509.10534",
    "zhu2024hyperconnections": "2409.19606",
}
# Sphinx's role in docstrings and .rst, MyST's in .md: one or several keys between backquotes.
CITATION = re.compile(r":cite(?::[a-z]+)?:`([^`]+)`|\{cite(?::[a-z]+)?\}`([^`]+)`")


def read_bibliography() -> dict[str, dict[str, str]]:
    text = (ROOT / "citations" / "hfbs.bib").read_text(encoding="utf-8")
    entries = re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return {key: dict(re.findall(r"^  (\w+) *= \{(.*?)\},\n", body, re.MULTILINE | re.DOTALL)) for key, body in entries}


def read_references() -> list[dict[str, Any]]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["references"]


def citations_in(paths: list[Path]) -> dict[str, list[str]]:
    """Each key cited in the files, and where."""
    cited: dict[str, list[str]] = {}
    for path in paths:
        for match in CITATION.finditer(path.read_text(encoding="utf-8")):
            for key in re.split(r"\s*,\s*", (match[1] or match[2]).strip()):
                cited.setdefault(key, []).append(str(path.relative_to(ROOT)))
    return cited


SOURCES = [path for member in MEMBERS.values() for path in sorted(member.source.rglob("*.py"))]
DOCUMENTS = [path for ending in ("md", "rst") for path in sorted((ROOT / "docs").rglob(f"*.{ending}"))]


@pytest.mark.parametrize(("key", "arxiv"), WORKS.items(), ids=list(WORKS))
def test_each_work_is_in_the_bibliography(key: str, arxiv: str | None):
    entry = read_bibliography()[key]
    assert entry.get("eprint") == arxiv
    if arxiv is None:
        assert (entry["booktitle"], entry["year"]) == ("International Conference on Learning Representations", "2022")


def test_every_cited_key_is_in_the_bibliography():
    known = read_bibliography()
    unknown = {key: where for key, where in citations_in(SOURCES + DOCUMENTS).items() if key not in known}
    assert not unknown, f"cited, but not in citations/hfbs.bib: {unknown}"


def test_every_entry_is_cited():
    uncited = read_bibliography().keys() - citations_in(SOURCES + DOCUMENTS).keys()
    assert not uncited, f"in citations/hfbs.bib, but cited nowhere: {sorted(uncited)}"


def test_each_work_is_cited_from_a_docstring():
    uncited = WORKS.keys() - citations_in(SOURCES).keys()
    assert not uncited, f"no docstring of packages/ cites {sorted(uncited)}"


def test_citation_file_and_bibliography_list_the_same_works():
    def plain(title: str) -> str:
        return re.sub(r"[{}]", "", title)

    from_bibliography = {
        (plain(entry["title"]), int(entry["year"]), f"arXiv:{entry['eprint']}" if "eprint" in entry else None)
        for entry in read_bibliography().values()
    }
    from_citation_file = {
        (work["title"], work["year"], next((other["value"] for other in work.get("identifiers", [])), None))
        for work in read_references()
    }
    assert from_citation_file == from_bibliography


def test_citation_file_has_what_the_format_requires():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == "MIT"
    for work in (citation, *read_references()):
        assert work["title"]
        assert work["authors"]
        assert all("name" in author or "family-names" in author for author in work["authors"])
