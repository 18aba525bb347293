"""A member's CHANGELOG.md: what is not released yet, and under which version it goes.

# Changelog of hfbs-attention

## Unreleased

### Breaking

- `Attend` lost its keyword `scale`.

## 0.1.0 (2026-11-25)
"""

import re
from datetime import date

from packaging.version import Version

HEADING = "## Unreleased"
# The heading, and what stands below it up to the next version's.
SECTION = re.compile(rf"^{HEADING}\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def unreleased(text: str) -> str:
    """What stands below "Unreleased"; empty where nothing does, or where there is no such heading."""
    found = SECTION.search(text)
    return found["body"].strip() if found else ""


def announces_breaking(section: str) -> bool:
    """Whether a section has the heading "Breaking", under which changes that break users' code stand."""
    return re.search(r"^### Breaking$", section, re.MULTILINE) is not None


def with_release(text: str, version: Version, day: date) -> str:
    """Move what is unreleased under a version, and leave "Unreleased" empty above it."""
    return text.replace(f"{HEADING}\n", f"{HEADING}\n\n## {version} ({day.isoformat()})\n", 1)


def with_entry(text: str, entry: str) -> str:
    """Add a line to the end of what is unreleased."""
    body = unreleased(text)
    # A list goes on; below a paragraph one begins.
    lines = f"{body}\n- {entry}" if re.match(r"- |  ", body.rpartition("\n")[2]) else f"{body}\n\n- {entry}".lstrip()
    section = SECTION.search(text)
    if section is None:
        title, _, rest = text.partition("\n")
        return f"{title}\n\n{HEADING}\n\n{lines}\n{rest}"
    after = text[section.end() :]
    return f"{text[: section.start()]}{HEADING}\n\n{lines}\n" + (f"\n{after}" if after else "")
