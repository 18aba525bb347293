"""Measuring many files, those that are not known yet."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hfbs_separate.audio import Progress

from ._facts import FileFacts, measure
from ._facts_cache import FactsCache


def look_through(
    paths: Sequence[Path], *, cache: FactsCache | None, workers: int, progress: Progress | None = None
) -> Mapping[Path, FileFacts]:
    """Measure files, several at a time.

    Args:
        paths: the files, each once.
        cache: where facts are looked up and kept. None: nowhere.
        workers: threads, at least 1. Decoding does not hold Python up, so that they help.
        progress: called with (files done, files in all).

    Returns:
        The facts about each file, in the order of ``paths``.
    """

    def facts_of(path: Path) -> FileFacts:
        known = None if cache is None else cache.load(path)
        if known is not None:
            return known
        facts = measure(path)
        if cache is not None:
            cache.save(facts)
        return facts

    found: dict[Path, FileFacts] = {}
    pool = ThreadPoolExecutor(workers, "looking")
    try:
        for done, facts in enumerate(pool.map(facts_of, paths), 1):
            found[facts.path] = facts
            if progress is not None:
                progress(done, len(paths))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, only what is under way is waited for
    return found
