"""A package index on this machine; what it does not have, pip and uv take from the machine's own."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

from workspace._repository import MEMBERS

# uv would believe for ten minutes what it heard from an index at the same address.
AFRESH = [f"--refresh-package={name}" for name in MEMBERS]


class Refusal(Exception):
    """What pip or uv said when they could not resolve."""


@dataclass(frozen=True)
class Index:
    """A running index: the folder that it serves, and its address."""

    folder: Path
    url: str

    def publish(self, *files: Path) -> None:
        credentials = ["--username=anybody", "--password=anything", "--trusted-publishing=never"]
        run("uv", "publish", "--quiet", f"--publish-url={self.url}/", *credentials, *files)

    def by_uv(self, *requirements: str) -> dict[str, str]:
        """The versions that uv resolves for Python 3.12, by name; nothing is installed."""
        settings = ["--quiet", "--no-header", "--no-annotate", "--python-version=3.12", *AFRESH]
        told = run("uv", "pip", "compile", "-", self.first, *settings, given="\n".join(requirements))
        lines = [Requirement(line) for line in told.splitlines()]
        return {line.name: str(line.specifier).removeprefix("==") for line in lines}

    def by_pip(self, *requirements: str, options: tuple[str, ...] = ()) -> dict[str, str]:
        """The versions that pip resolves, by name; nothing is installed."""
        with TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            # Not quiet: pip would keep to itself why requirements cannot be met.
            settings = ["--dry-run", "--ignore-installed", f"--report={report}", self.extra, *options]
            run(sys.executable, "-m", "pip", "install", *settings, *requirements)
            resolved = json.loads(report.read_text(encoding="utf-8"))["install"]
        return {each["metadata"]["name"]: each["metadata"]["version"] for each in resolved}

    def install(self, installer: str, requirement: str, folder: Path) -> Path:
        """Install into a new environment in `folder`, and give its interpreter."""
        run("uv", "venv", "--quiet", f"--python={sys.executable}", folder)
        python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        match installer:
            case "pip":
                run(sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", self.extra, requirement)
            case _:
                run("uv", "pip", "install", "--quiet", f"--python={python}", self.first, *AFRESH, requirement)
        return python

    @property
    def first(self) -> str:
        """uv's option: what this index has is taken from here, everything else from the machine's own."""
        return f"--index={self.url}/simple/"

    @property
    def extra(self) -> str:
        """pip's option for the same."""
        return f"--extra-index-url={self.url}/simple/"


@contextmanager
def serving(folder: Path) -> Iterator[Index]:
    """Serve a folder, to which anybody may upload, as a package index on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    access = ["--interface=127.0.0.1", f"--port={port}", "--authenticate=.", "--passwords=.", "--disable-fallback"]
    quiet = ["--server=wsgiref", "--log-stream=none"]
    command = [sys.executable, "-m", "pypiserver", "run", *access, *quiet, folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            index = Index(folder, f"http://127.0.0.1:{port}")
            wait_for(index.url, server)
            yield index
        finally:
            server.terminate()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return when the server answers."""
    ended = time.monotonic() + 60
    while time.monotonic() < ended and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise RuntimeError(f"the index at {url} does not answer; its status is {server.poll()}")


def run(*words: str | Path, given: str = "") -> str:
    """Run a program outside this workspace's environment, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("UV_PYTHON", "VIRTUAL_ENV")}
    ended = subprocess.run(words, input=given, env=environment, capture_output=True, encoding="utf-8", check=False)
    if ended.returncode:
        # uv breaks its lines for the terminal.
        raise Refusal(" ".join(f"{ended.stdout}{ended.stderr}".split()))
    return ended.stdout
