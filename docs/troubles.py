"""Puts the messages of the packages on the page for troubles: shown where they are explained, and all in a list."""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from messages import GAP, Message, anchors, collect

PAGE = "troubleshooting"
ANCHORS = anchors(collect())
BY_TEXT = {message.text: anchor for anchor, message in ANCHORS.items()}


def words_of(text: str) -> Iterable[nodes.Node]:
    """A message's words, with what is filled in set off."""
    for index, part in enumerate(text.split(GAP)):
        if index:
            yield nodes.emphasis("", GAP, classes=["gap"])
        if part:
            yield nodes.Text(part)


class Told(SphinxDirective):
    """A message as it is told, leading to its place in the list: `told`, with its text as the content."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        text = " ".join(" ".join(self.content).split())
        if text not in BY_TEXT:
            raise self.error(f"no package raises the message: {text}")
        link = nodes.reference("", "", *words_of(text), internal=True, refuri=f"#{BY_TEXT[text]}")
        return [nodes.paragraph("", "", link, classes=["told"], support_smartquotes=False)]


class Messages(SphinxDirective):
    """All messages of a package, its name being the argument, each with its anchor."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        listed = [(anchor, message) for anchor, message in ANCHORS.items() if message.package == self.arguments[0]]
        if not listed:
            raise self.error(f"no package is named {self.arguments[0]}, or it raises nothing")
        found: list[nodes.Node] = []
        for subject, group in groupby(listed, key=lambda each: each[1].subject):
            words, _ = self.parse_inline(subject)
            head = nodes.paragraph("", "", *words, classes=["subject"], support_smartquotes=False)
            found += [head, self.items(group)]
        return found

    def items(self, group: Iterable[tuple[str, Message]]) -> nodes.bullet_list:
        items = nodes.bullet_list(classes=["messages"])
        for anchor, message in group:
            link = nodes.reference("", "#", internal=True, refuri=f"#{anchor}", classes=["here"])
            kind = nodes.literal("", message.kind)
            line = nodes.paragraph("", "", *words_of(message.text), nodes.Text(" "), kind, nodes.Text(" "), link)
            items += nodes.list_item("", line, ids=[anchor], support_smartquotes=False)
        return items


def check_anchors(app: Sphinx, error: Exception | None) -> None:
    """Every message must have its anchor in the page that was built."""
    page = Path(app.outdir, f"{PAGE}.html")
    if error is None and page.exists():
        html = page.read_text(encoding="utf-8")
        if lacking := [anchor for anchor in ANCHORS if html.count(f' id="{anchor}"') != 1]:
            raise ExtensionError(f"{PAGE} has no anchor, or two, for: {', '.join(lacking)}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both directives."""
    app.add_directive("told", Told)
    app.add_directive("messages", Messages)
    app.connect("build-finished", check_anchors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
