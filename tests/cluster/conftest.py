"""A Ray cluster of two workers and a store of S3's kind, both on this machine, a tiny model and short songs."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import boto3
import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer

from hfbs_separate.cli import main
from tiny_checkpoint import write_tiny_checkpoint

type Separate = Callable[..., Result]

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small BS-RoFormer at 8 kHz with two stems and random weights, and its YAML."""
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """The address of a store that speaks S3; cluster and command learn of it from the environment."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    os.environ |= {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    yield address
    server.stop()


@pytest.fixture(scope="session")
def cluster(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster with two CPUs, whose processes end with the one that is started here.

    It listens on the network, so that it has a token, of its own, which is in this process's environment.
    """
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    words = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--port=0", "--num-cpus=2"]
    words += ["--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=100000000"]
    log = tmp_path_factory.mktemp("cluster") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, start_new_session=True)
    try:
        while "--address='" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield log.read_text().split("--address='")[1].split("'")[0]
    finally:
        # At once: on its way out by itself, Ray waits half a minute.
        for each in [*processes_below(process.pid), process.pid]:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.wait(60)


@pytest.fixture
def separate(checkpoint: tuple[Path, Path]) -> Separate:
    """Run ``hfbs separate`` with the tiny model in this process."""

    def run(*words: object) -> Result:
        weights, config = checkpoint
        options = ["--checkpoint", weights, "--config", config, "--device", "cpu", "--precision", "float32"]
        return CliRunner().invoke(main, [str(word) for word in ("separate", *options, *words)], prog_name="hfbs")

    return run


def write_songs(folder: Path, count: int, samples: int = 2000) -> Path:
    """Songs of noise, each another one, a third of them in a folder within the folder."""
    for number in range(count):
        place = folder / ("album" if number % 3 == 0 else ".") / f"song {number:03}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, (samples + 8 * number, 2))
        soundfile.write(place, noise, 8000, "PCM_16")
    return folder


def stems_in(folder: Path) -> dict[str, bytes]:
    """Every file but the records, which tell of time."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".json"
    }


class Bucket:
    """A bucket of the store."""

    def __init__(self, name: str) -> None:
        self.url = f"s3://{name}"
        self._name = name
        self._client = boto3.client("s3")
        self._client.create_bucket(Bucket=name)

    def add(self, folder: Path, prefix: str) -> None:
        """Copy a file, or all files of a folder."""
        top, files = (folder, folder.rglob("*")) if folder.is_dir() else (folder.parent, [folder])
        for path in (path for path in files if path.is_file()):
            self._client.upload_file(str(path), self._name, f"{prefix}/{path.relative_to(top)}")

    def objects(self, prefix: str) -> dict[str, bytes]:
        """What lies below a prefix, the records left out."""
        listing = self._client.list_objects_v2(Bucket=self._name, Prefix=f"{prefix}/").get("Contents", [])
        return {
            each["Key"].removeprefix(f"{prefix}/"): self.read(each["Key"])
            for each in listing
            if not each["Key"].endswith(".json")
        }

    def read(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self._name, Key=key)["Body"].read()

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self._name, Key=key)


@pytest.fixture
def bucket(store: str, request: pytest.FixtureRequest) -> Bucket:
    """A bucket for this test alone."""
    return Bucket(f"bucket-{abs(hash(request.node.name)) % 10**9}")


def workers_alive() -> list[int]:
    """The processes of Ray Data's workers on this machine that are below this process."""
    return [process for process in processes_below(os.getpid()) if _title(process).startswith(b"ray::MapWorker")]


def processes_below(ancestor: int) -> list[int]:
    """The processes that a process started, and those started by these."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The name, which may hold anything, is in parentheses.
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    below = {ancestor}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {ancestor})


def _title(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""
