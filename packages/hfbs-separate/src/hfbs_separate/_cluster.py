"""A catalogue on a Ray cluster: songs go to the workers one by one, and what became of each comes back."""

import importlib.util
import logging
import os
import secrets
import time
import warnings
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from ._cluster_worker import Order, Row, Tries, Worker, outcome_of, ray_module, row_of
from ._errors import ClusterError, OptionError
from ._parts import clear_leftovers
from ._places import Job
from .terminal import Terminal

if TYPE_CHECKING:
    from ._separator import SeparatorOptions

# Songs of one pipeline: Ray Data's driver takes note of each before the first begins. Workers load anew for the next.
_LOT = 10_000
_LOT_PER_WORKER = 200
# No audio goes through Ray's object store, but the model's files do, once.
_STORE = 100 << 20
_STORE_MARGIN = 1.1
_TRIES_TO_CLEAR = 50  # a tenth of a second apart
# Ray speaks to standard output and error from threads and from C++; what it says stands in its own logs besides.
_SILENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def check_installed() -> None:
    """Raise OptionError where the extra is not installed."""
    missing = next((name for name in ("ray", "pyarrow") if importlib.util.find_spec(name) is None), None)
    if missing is not None:
        raise OptionError(f'--engine ray needs {missing}: pip install "hfbs-separate[ray]"')


def check_device(device: str) -> None:
    """Raise OptionError where a GPU is named by its number: a worker sees but the one that Ray gives it."""
    if ":" in device or "," in device:
        raise OptionError(
            f"--engine ray gives each worker a GPU of its own, got --device {device}: say cuda, and --workers how many"
        )


def checked_here(options: "SeparatorOptions") -> "SeparatorOptions":
    """The options as the driver can check them, which may have no such device as the workers."""
    return {**options, "device": "cpu", "compiled": False}


def separate_on_cluster(
    jobs: Sequence[Job], order: Order, terminal: Terminal, *, workers: int | None, address: str | None
) -> bool:
    """Separate songs on the workers of a cluster.

    A song whose worker dies goes to another one, three times at most. What became of a song is told when it ended, and
    what failed again at the end.

    Args:
        jobs: the songs.
        order: what to do with each.
        terminal: where to tell.
        workers: how many songs are separated at a time; None: as many as there are GPUs, where the device may be one,
            else CPUs.
        address: of a cluster that is there; None: one of this machine alone, until the end.

    Returns:
        Whether a song failed.

    Raises:
        ClusterError: there is no such cluster, none of its workers can do it, or it was lost.
        KeyboardInterrupt: and what workers had begun is cleared away.
    """
    absent = _absent_folders(jobs)
    told = _Told(terminal, jobs)
    waiting = dict(enumerate(jobs))
    with Path(os.devnull).open("w") as nowhere:
        terminal.say("starting Ray on this machine" if address is None else f"joining the Ray cluster at {address}")
        with _silence(nowhere), _descriptors_silent(nowhere):
            cluster = _Cluster(order, address=address, workers=workers, songs=len(jobs))
        try:
            for warning in cluster.warnings:
                terminal.warn(warning)
            terminal.say(cluster.described)
            # The bar first: it takes care of what goes to the streams that it finds.
            with terminal.bar("songs") as progress, _silence(nowhere):
                if progress is not None:
                    progress(0, len(jobs))
                for row in cluster.rows(jobs):
                    told.row(row)
                    del waiting[int(row["number"])]
                    if progress is not None:
                        progress(len(jobs) - len(waiting), len(jobs))
        except KeyboardInterrupt:
            with _silence(nowhere):
                cluster.leave()
            _clear(waiting.values(), absent)
            raise
        finally:
            with _silence(nowhere):
                cluster.leave()
    for job in waiting.values():
        told.failed(f"{job.song}: no worker answered for it; {cluster.logs}")
    told.end()
    return bool(told.failures)


class _Cluster:
    """Ray, joined or started.

    Attributes:
        described: one line for people.
        warnings: what is not as was asked for.
        logs: where Ray tells more.
    """

    def __init__(self, order: Order, *, address: str | None, workers: int | None, songs: int) -> None:
        for name, value in _SILENT.items():
            os.environ.setdefault(name, value)
        if address is None and "RAY_AUTH_MODE" not in os.environ:
            # Ray listens on the network, and would leave a token in the home folder: this one goes with the run.
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        ray = self._ray = ray_module()
        self._order = order
        files = order.model.files.listed()
        options: dict[str, Any] = {"include_dashboard": False, "num_cpus": workers, "address": "local"}
        options["object_store_memory"] = _STORE + int(_STORE_MARGIN * sum(file.stat().st_size for file in files))
        if address is not None:
            options = {"address": address}
        try:
            session = ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)
            self._files = [ray.put(np.fromfile(file, np.uint8)) for file in files]
            self._tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tries).remote()
            resources = ray.cluster_resources()
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            ray.shutdown()
            where = "cannot be started here" if address is None else f"cannot be joined at {address}"
            raise ClusterError(f"Ray {where}: {_first_line(error)}{_wants_token(error)}") from error
        self.logs = f"Ray's logs are in {session.address_info.get('session_dir', 'its session folder')}/logs"
        device = order.model.options.get("device", "auto")
        self._gpus = device == "cuda" or (device == "auto" and resources.get("GPU", 0) >= 1)
        kind = "GPU" if self._gpus else "CPU"
        there = int(resources.get(kind, 0))
        if there == 0:
            ray.shutdown()
            raise ClusterError(f"the cluster has no {kind}, and each worker needs one: add a node, or choose --device")
        self._workers = max(1, min(there if workers is None else workers, songs))
        self.warnings: list[str] = []
        if self._workers > there:
            self.warnings.append(f"{self._workers} workers need as many {kind}s, the cluster has {there}: others wait")
        each = ("s", " each") if self._workers > 1 else ("", "")
        self.described = f"Ray: {self._workers} worker{each[0]}, one {kind}{each[1]}"

    def rows(self, jobs: Sequence[Job]) -> Iterator[Row]:
        """What the workers answer, song by song, as they end.

        Raises:
            ClusterError: workers cannot be started, or the cluster was lost.
        """
        ray = self._ray
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # songs that get no answer are told at the end
        lot = max(_LOT, _LOT_PER_WORKER * self._workers)
        try:
            for first in range(0, len(jobs), lot):
                rows = [row_of(number, job) for number, job in enumerate(jobs[first : first + lot], start=first)]
                # A block is what a worker takes, and what is done again where it dies: one song.
                songs = ray.data.from_items(rows, override_num_blocks=len(rows))
                answers = songs.map(
                    Worker,
                    fn_constructor_args=(self._order, self._files, self._tries, os.getcwd()),  # noqa: PTH109
                    compute=ray.data.ActorPoolStrategy(
                        size=min(self._workers, len(rows)), max_tasks_in_flight_per_actor=1
                    ),
                    num_cpus=1,
                    num_gpus=1 if self._gpus else None,
                )
                yield from answers.iter_rows()
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the cluster was lost, or cannot start workers: {_first_line(error)}; {self.logs}"
            ) from error

    def leave(self) -> None:
        """Stop the workers, and the cluster where it was started here. May be called again."""
        self._ray.shutdown()


class _Told:
    """What is told while answers come, and of them all at the end."""

    def __init__(self, terminal: Terminal, jobs: Sequence[Job]) -> None:
        self._terminal = terminal
        self._jobs = jobs
        self._ended: Counter[str] = Counter()
        self._devices: set[str] = set()
        self.failures: list[str] = []

    def row(self, row: Row) -> None:
        """Tell what a worker answered.

        Raises:
            ClusterError: that it cannot separate anything.
        """
        if row["unfit"]:
            raise ClusterError(f"a worker cannot separate: {row['unfit']}")
        if row["computes_on"] not in self._devices:
            self._devices.add(row["computes_on"])
            self._terminal.say(f"a worker computes on {row['computes_on']}")
        number = int(row["number"])
        outcome = outcome_of(row)
        if outcome.about is not None:
            place = f"[{number + 1}/{len(self._jobs)}] " if len(self._jobs) > 1 else ""
            self._terminal.say(f"{place}{outcome.about}")
        for note in outcome.notes:
            self._terminal.warn(note)
        if outcome.kind == "failed":
            self.failed(outcome.reason)
            return
        self._ended[outcome.kind] += 1
        outcome.tell(self._jobs[number], self._terminal)

    def failed(self, reason: str) -> None:
        """Tell of a song that failed."""
        self.failures.append(reason)
        self._terminal.fail(reason)

    def end(self) -> None:
        """Tell of all together, and once more what failed, which may be far above by now."""
        kinds = {"done": "separated", "skipped": "left alone, whose stems are there", "busy": "left to other processes"}
        counts = [f"{self._ended[kind]} {words}" for kind, words in kinds.items() if self._ended[kind]]
        counts += [f"{len(self.failures)} failed"] if self.failures else []
        self._terminal.say(f"{len(self._jobs)} song{'s' if len(self._jobs) > 1 else ''}: {', '.join(counts)}")
        for failure in self.failures if len(self._jobs) > 1 else ():
            self._terminal.say(f"failed: {failure}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _wants_token(error: BaseException) -> str:
    """What to do where the cluster refused this process, which only the causes of Ray's error tell."""
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ == "AuthenticationError" or "InvalidAuthToken" in str(cause):
            return "; it wants its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
        cause = cause.__cause__ or cause.__context__
    return ""


@contextmanager
def _silence(nowhere: TextIO) -> Generator[None]:
    """Ray speaks to the standard streams from threads of its own; what it says stands in its logs, too."""
    with redirect_stdout(nowhere), redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _descriptors_silent(nowhere: TextIO) -> Generator[None]:
    """For what Ray's libraries write past Python while they start, which is that they will be silent."""
    kept = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    try:
        for descriptor, _ in kept:
            os.dup2(nowhere.fileno(), descriptor)
        yield
    finally:
        for descriptor, copy in kept:
            os.dup2(copy, descriptor)
            os.close(copy)


def _absent_folders(jobs: Sequence[Job]) -> list[Path]:
    """The folders on disks that the jobs' files need and that are not there, the deepest first."""
    folders = {place.parent for job in jobs for place in job.on_disk}
    folders |= {parent for folder in folders for parent in folder.parents}
    return sorted((folder for folder in folders if not folder.exists()), key=lambda path: -len(path.parts))


def _clear(jobs: Iterable[Job], absent: Iterable[Path]) -> None:
    """Remove what workers that were stopped left of these songs' stems, and the folders made for them."""
    for job in jobs:
        for _ in range(_TRIES_TO_CLEAR):
            if not clear_leftovers(job.on_disk):
                break
            time.sleep(0.1)  # a process on its way out
    for folder in absent:
        with suppress(OSError):  # not empty, or never made
            folder.rmdir()
