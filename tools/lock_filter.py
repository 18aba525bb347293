"""Git's clean filter for uv.lock: from what uv writes (standard input) to what is committed (standard output).

The committed lock names no registry, so that every machine resolves against its own, and keeps what identifies a
distribution: name, version, file name and hash. Upload times and sizes go, because only some registries tell them.
`requires-python` is spelled differently from the project's, which makes uv resolve afresh, with the committed versions
as its preferences, instead of trusting the addresses. The filter leaves its own output as it is.
"""

import re
import sys

REWRITES = (
    (r'\bregistry = "https?://[^"]*"', 'registry = "https://registry.invalid/simple"'),
    (r'\burl = "https?://[^"]*/([^"/]+)"', r'url = "https://files.invalid/\1"'),
    (r', (?:size = \d+|upload-time = "[^"]*")', ""),
    (r'(?m)^(requires-python = ">=[\d.]+)"', r'\1, <4"'),
)


def clean(lock: str) -> str:
    """Return the committed form of a lock that uv wrote."""
    for pattern, replacement in REWRITES:
        lock = re.sub(pattern, replacement, lock)
    return lock


if __name__ == "__main__":
    sys.stdout.buffer.write(clean(sys.stdin.buffer.read().decode()).encode())
