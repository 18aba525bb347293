"""Each page of the documentation says whom it serves, and can be reached."""

import re
from pathlib import Path

import pytest

from workspace._repository import MEMBERS, ROOT

DOCS = ROOT / "docs"
PAGES = [
    path
    for ending in ("md", "rst")
    for path in sorted(DOCS.rglob(f"*.{ending}"))
    if path.relative_to(DOCS).parts[0] not in ("_build", "examples")
]
TUTORIALS = sorted(set((DOCS / "tutorials").glob("*.md")) - {DOCS / "tutorials" / "index.md"})
HEAD = {
    ".md": re.compile(r"# [^\n]+\n\n\*For [^*\n]+\.\*\n"),
    ".rst": re.compile(r"\w[^\n]+\n=+\n\n\*For [^*\n]+\.\*\n"),
}


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(DOCS).as_posix() for path in paths]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_a_page_says_at_its_head_whom_it_serves(page: Path):
    text = page.read_text(encoding="utf-8")
    assert HEAD[page.suffix].match(text), f"{page.name} begins with a title and a line such as *For developers.*"


def test_every_page_is_in_a_table_of_contents():
    listed = {"index"}
    for page in PAGES:
        for contents in re.findall(r"^```\{toctree\}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
            folder = page.parent.relative_to(DOCS)
            listed |= {(folder / line).as_posix() for line in contents.split() if not line.startswith(":")}
    assert {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES} <= listed


@pytest.mark.parametrize("page", TUTORIALS, ids=names(TUTORIALS))
def test_a_tutorial_says_what_it_is_for_what_is_installed_and_how_long_it_takes(page: Path):
    head = page.read_text(encoding="utf-8").partition("\n## ")[0]
    facts = re.findall(r"^- \*\*([\w ]+):\*\* \S", head, re.M)
    assert facts == ["What for", "Installed", "Takes"]
    assert f"]({page.name})" in (DOCS / "tutorials" / "index.md").read_text(encoding="utf-8")


def test_every_term_of_the_glossary_is_used():
    """By a page outside it, or by another term: what nothing leads to is looked up by nobody."""
    glossary = (DOCS / "glossary.md").read_text(encoding="utf-8")
    terms = set(re.findall(r"^(\S[^\n]*)\n  \S", glossary.partition("```{glossary}")[2], re.M))
    assert len(terms) > 30
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    used = {short or whole for whole, short in re.findall(r"\{term\}`([^`<]+?)(?:\s*<([^`>]+)>)?`", text)}
    assert used <= terms
    assert len(used) > 20


def test_the_page_of_changes_has_every_changelog():
    page = (DOCS / "changes.md").read_text(encoding="utf-8")
    included = {(DOCS / path).resolve() for path in re.findall(r"^```\{include\} (\S+)$", page, re.M)}
    assert included == {member.changelog for member in MEMBERS.values()}
