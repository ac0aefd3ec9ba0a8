"""Doing the same for many files, some at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_streams(streams: int, do: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Results in the order of the items.

    Args:
        streams: How many at a time; one at a time leaves the order of requests as it is written.
        do: Called for each item. The first error is raised, and what was not begun is left out.
        items: Files, as a rule.
    """
    if streams == 1:
        return [do(item) for item in items]
    with ThreadPoolExecutor(streams) as threads:
        waiting = [threads.submit(do, item) for item in items]
        try:
            return [future.result() for future in waiting]
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
