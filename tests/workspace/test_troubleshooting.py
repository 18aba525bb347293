"""Every message that the packages raise has its place on the page for troubles."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import messages
from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator, load_checkpoint
from hfbs_train import RunConfiguration
from messages import GAP, Message, anchors, collect
from workspace._repository import MEMBERS, ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
FOUND = collect()


def template(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split(GAP))), re.S)


def known(told: str) -> list[Message]:
    """The messages that a text may be, without those that are almost nothing but gaps."""
    return [message for message in FOUND if len(message.words) >= 3 and template(message.text).fullmatch(told)]


def test_every_package_has_its_list_on_the_page():
    assert re.findall(r"^```\{messages\} ([\w-]+)$", PAGE, re.M) == [
        "hfbs-filterbanks",
        "hfbs-attention",
        "hfbs-model",
        "hfbs-experimental",
        "hfbs-separate",
        "hfbs-train",
    ]
    assert {message.package for message in FOUND} == MEMBERS.keys()


def test_every_message_has_an_anchor_of_its_own():
    named = anchors(FOUND)
    assert list(named.values()) == FOUND
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", anchor) for anchor in named)


def test_what_is_explained_is_what_the_code_says():
    """A message that changes takes its explanation along, or this fails."""
    explained = [" ".join(text.split()) for text in re.findall(r"^```\{told\}\n(.*?)^```$", PAGE, re.M | re.S)]
    assert len(explained) >= 15
    assert [text for text in explained if text not in {message.text for message in FOUND}] == []


def raised_literals() -> list[tuple[str, str, str]]:
    """What stands in quotes below each `raise`, longest part first, found by itself: package, place, words."""
    literals: list[tuple[str, str, str]] = []
    for name, member in MEMBERS.items():
        for path in sorted(member.source.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                    strings = [
                        part.value
                        for argument in node.exc.args
                        if isinstance(argument, ast.Constant | ast.JoinedStr)
                        for part in getattr(argument, "values", [argument])
                        if isinstance(part, ast.Constant) and isinstance(part.value, str) and " " in part.value.strip()
                    ]
                    if strings:
                        place = f"{path.relative_to(ROOT)}:{node.lineno}"
                        literals.append((name, place, " ".join(max(strings, key=len).split())))
    return literals


def test_no_raise_is_left_out():
    texts = {name: "\n".join(message.text for message in FOUND if message.package == name) for name in MEMBERS}
    literals = raised_literals()
    assert len(literals) > 400
    assert [each for each in literals if each[2] not in texts[each[0]]] == []


def test_what_cannot_be_read_hands_on_what_was_said_elsewhere():
    for where, expression in messages.unread():
        assert re.search(r"\berror\b|\.message\b", expression), f"{where}: the text of {expression} cannot be found"


SOURCE = '''
"""About trees.

More."""
LEAST = "two leaves"

def require(fits, rule, value):
    if not fits:
        raise ValueError(f"{rule}, got {value}")

def whole(name, value):
    raise TypeError(f"{name} is a whole number, got {value}")

def grow(height, leaves):
    require(height > 0, f"height of {leaves} is above 0", height)
    whole("height", height)
    hint = f"; did you mean {leaves}?" if leaves else ""
    raise KeyError(f"a tree has {LEAST}" + hint)

def _wrong(what):
    return ImportError(f"the tree {what}; plant another")

def fell():
    try:
        raise _wrong("has no trunk")
    except ImportError as error:
        raise RuntimeError(str(error)) from error
    raise OSError(5, "too " "high" if fell else "too low")
'''


def test_messages_are_read_from_sources(tmp_path: Path):
    source = tmp_path / "packages" / "trees" / "src" / "trees"
    source.mkdir(parents=True)
    (source.parents[1] / "pyproject.toml").touch()
    (source / "_tree.py").write_text(SOURCE)
    assert [(message.kind, message.text) for message in collect(tmp_path)] == [
        ("TypeError", "… is a whole number, got …"),
        ("ValueError", "height of … is above 0, got …"),
        ("KeyError", "a tree has two leaves; did you mean …?"),
        ("KeyError", "a tree has two leaves"),
        ("ImportError", "the tree …; plant another"),
        ("ImportError", "the tree has no trunk; plant another"),
        ("OSError", "too high"),
        ("OSError", "too low"),
    ]
    assert {(message.package, message.module, message.subject) for message in collect(tmp_path)} == {
        ("trees", "_tree.py", "About trees.")
    }
    assert [expression for _, expression in messages.unread(tmp_path)] == ["str(error)"]


def test_messages_that_begin_alike_have_anchors_of_their_own():
    words = "one two three four five six seven eight nine ten eleven twelve thirteen"
    alike = [Message(package, "_a.py", 1, "", "ValueError", f"{words} {last}") for package in "ab" for last in "xy"]
    named = [*anchors(alike)]
    assert named[0] == "one-two-three-four-five-six-seven-eight-nine-ten-eleven"
    assert len({*named}) == 4


def test_messages_that_are_raised_are_among_those_found(tmp_path: Path):
    """Of each package one: what the page lists is what people see."""
    torch.save(BandSplitRotator(dim=16, depth=1, heads=2, dim_head=8).state_dict(), tmp_path / "found.ckpt")
    cases = [
        lambda: BandLayout([[1, 1, 0], [0, 0, 0], [0, 1, 1]]),
        lambda: BandSplitRotator(dim=16, depth=1, dropout=0.1),
        lambda: load_checkpoint(tmp_path / "found.ckpt"),
        lambda: RunConfiguration.of({"stems": ["a"], "data": {"songs": ["b"]}, "steps": 0, "model": {"dim": 8}}),
    ]
    for case in cases:
        with pytest.raises((ValueError, TypeError)) as caught:
            case()
        assert known(str(caught.value)), str(caught.value)


def test_a_message_of_the_command_line_is_among_those_found(tmp_path: Path):
    hfbs = Path(sys.executable).with_name("hfbs")
    run = subprocess.run([hfbs, "separate", "."], cwd=tmp_path, capture_output=True, text=True)
    told = run.stderr.strip().splitlines()[-1]
    assert run.returncode == 2
    assert known(told.removeprefix("hfbs: error: ")), told
