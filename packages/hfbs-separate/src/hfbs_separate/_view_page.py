"""The HTML of a page: a template, a stylesheet and two scripts of this package, filled with what a song is."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import IO

_PIECE = 3 << 18  # bytes; a multiple of 3, so that the pieces' base64 joins


def page_parts(title: str, song: Mapping[str, object], audio: Sequence[IO[bytes]]) -> Iterator[bytes]:
    """A page, part by part.

    Nothing of the song can become markup: the title is escaped, all else is JSON without a "<". The page's policy
    admits its own script and style, by their digests, and pictures within it; no browser fetches anything for it.

    Args:
        title: the song's name.
        song: what the script reads; names in it may hold anything.
        audio: the encoded tracks, each read from its beginning.
    """
    style = _resource("page.css")
    script = _resource("player.js") + _resource("page.js")
    policy = (
        f"default-src 'none'; img-src data:; script-src {_digest(script)}; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    values = {
        "generator": f"hfbs-separate {version('hfbs-separate')}",
        "policy": policy,
        "script": script,
        "song": json.dumps(song).replace("<", "\\u003c"),
        "style": style,
        "title": html.escape(title),
    }
    before, _, after = _resource("page.html").partition("{{audio}}")
    yield _filled(before, values)
    for number, file in enumerate(audio):
        yield f'<script type="text/plain" id="audio-{number}">'.encode()
        file.seek(0)
        while piece := file.read(_PIECE):
            yield base64.b64encode(piece)
        yield b"</script>\n"
    yield _filled(after, values)


def _resource(name: str) -> str:
    return (files("hfbs_separate") / "_page" / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    """How a policy names the content of an element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _filled(template: str, values: Mapping[str, str]) -> bytes:
    """In one pass, so that a value that looks like a placeholder stays as it is."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template).encode()
