"""Reading before it is needed and writing after it was asked for, while the model computes."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice


def ahead[T](items: Iterator[T], at_once: int) -> Iterator[T]:
    """The same items, of which the next ``at_once`` are fetched in another thread while these are worked on."""

    def fetch() -> list[T]:
        return list(islice(items, at_once))

    with ThreadPoolExecutor(1, "reading") as pool:
        coming = pool.submit(fetch)
        while fetched := coming.result():
            coming = pool.submit(fetch)
            yield from fetched


@contextmanager
def behind[T](take: Callable[[T], None]) -> Generator[Callable[[T], None]]:
    """A function that hands its argument to ``take`` in another thread, one at a time and in order.

    What ``take`` raises is raised by the next call, or at the end.
    """
    with ThreadPoolExecutor(1, "writing") as pool:
        pending: Future[None] | None = None

        def hand(item: T) -> None:
            nonlocal pending
            if pending is not None:
                pending.result()
            pending = pool.submit(take, item)

        yield hand
        if pending is not None:
            pending.result()
