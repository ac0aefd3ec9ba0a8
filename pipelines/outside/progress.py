"""How far a run is: a bar on a terminal, plain lines where a cron job writes a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


@dataclass(frozen=True, slots=True)
class Reporter:
    """Where progress is said.

    Attributes:
        start: Begin a piece of work: its name, and how many steps it has.
        step: One of them is done, or one more has turned up (``more`` = 1).
    """

    start: Callable[[str, int], None]
    step: Callable[[int], None]


def silent() -> Reporter:
    """Nothing is said."""
    return Reporter(lambda _name, _total: None, lambda _more: None)


@contextmanager
def reporting() -> Iterator[Reporter]:
    """Say progress on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Reporter(lambda name, total: _line(console, name, total), lambda _more: None)
        return
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield _bars(bars)


def _line(console: Console, name: str, total: int) -> None:
    console.print(f"{name} ({total})", markup=False, highlight=False, soft_wrap=True)


def _bars(bars: Progress) -> Reporter:
    def start(name: str, total: int) -> None:
        bars.add_task(name, total=total)

    def step(more: int) -> None:
        task = bars.tasks[-1]
        bars.update(task.id, advance=1, total=(task.total or 0) + more)

    return Reporter(start, step)
