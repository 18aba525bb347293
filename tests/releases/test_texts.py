"""CHANGELOG.md and pyproject.toml, edited: what is not meant stays as it was."""

import re
from datetime import date

import pytest
from packaging.version import Version

from release import changelog, pyproject
from release.members import Member
from workspace._repository import MEMBERS

each_member = pytest.mark.parametrize("member", MEMBERS.values(), ids=str)
BEGINNING = "# Changelog of hfbs-attention\n"


@each_member
def test_what_is_unreleased_goes_under_the_version(member: Member):
    text = member.changelog.read_text(encoding="utf-8")
    after = changelog.with_release(changelog.with_entry(text, "Something."), Version("0.7.0"), date(2026, 11, 25))
    assert after.startswith(f"# Changelog of {member}\n\n## Unreleased\n\n## 0.7.0 (2026-11-25)\n\n")
    assert changelog.unreleased(after) == ""
    assert after.replace("\n\n## 0.7.0 (2026-11-25)", "").replace("- Something.\n", "").split() == text.split()


@pytest.mark.parametrize(
    ("text", "section"),
    [
        (BEGINNING, ""),
        (f"{BEGINNING}\n## Unreleased\n", ""),
        (f"{BEGINNING}\n## Unreleased\n\n## 0.1.0 (2026-11-25)\n\n- First version.\n", ""),
        (f"{BEGINNING}\n## Unreleased\n\n- More.\n\n## 0.1.0 (2026-11-25)\n\n- First version.\n", "- More."),
        (f"{BEGINNING}\n## Unreleased\n\nMuch.\n", "Much."),
    ],
)
def test_an_entry_comes_after_what_is_unreleased(text: str, section: str):
    assert changelog.unreleased(text) == section
    after = changelog.with_entry(text, "Admits hfbs-attention 0.2.")
    assert changelog.unreleased(after).split("\n") == [
        *section.splitlines(),
        *([""] if section == "Much." else []),
        "- Admits hfbs-attention 0.2.",
    ]
    assert after.startswith(f"{BEGINNING}\n## Unreleased\n\n")
    assert after.endswith(text.partition("\n## 0.1.0")[2])


@pytest.mark.parametrize(("section", "announced"), [("### Breaking\n\n- Gone.", True), ("- Breaking news.", False)])
def test_only_the_heading_announces_what_breaks(section: str, announced: bool):
    assert changelog.announces_breaking(section) is announced


@each_member
def test_another_version_is_the_only_change(member: Member):
    text = member.pyproject.read_text(encoding="utf-8")
    after = pyproject.with_version(text, Version("7.8.9"))
    assert after == text.replace(f'version = "{member.version}"', 'version = "7.8.9"', 1)


@each_member
def test_other_bounds_are_the_only_change(member: Member):
    text = member.pyproject.read_text(encoding="utf-8")
    changed = pyproject.with_requirements(text, "hfbs-model", lambda _: "hfbs-model>=0.1,<0.2")
    assert changed == re.sub(r'"hfbs-model\[\w+\]>=0\.1,<0\.2"', '"hfbs-model>=0.1,<0.2"', text)
