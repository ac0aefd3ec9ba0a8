"""Progress on stderr: a bar in bytes on a terminal, a plain line a stage elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text


class Bars:
    """A bar a stage, for terminals."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None

    def begin(self, doing: str, size: int) -> None:
        """See :class:`ml.artifacts.store.Progress`."""
        self._task = self._progress.add_task(doing, total=size)

    def done(self, size: int) -> None:
        """See :class:`ml.artifacts.store.Progress`."""
        if self._task is not None:
            self._progress.advance(self._task, size)

    @contextmanager
    def shown(self) -> Iterator["Bars"]:
        """Show them for a while."""
        with self._progress:
            yield self


class Lines:
    """A line at each quarter of a stage, for logs and mail from cron."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._doing, self._size, self._sent, self._told = "", 0, 0, 0
        self._started = time.monotonic()

    def begin(self, doing: str, size: int) -> None:
        """See :class:`ml.artifacts.store.Progress`."""
        self._doing, self._size, self._sent, self._told = doing, size, 0, 0
        self._started = time.monotonic()

    def done(self, size: int) -> None:
        """See :class:`ml.artifacts.store.Progress`."""
        self._sent += size
        quarter = 4 * self._sent // max(self._size, 1)
        if quarter > self._told:
            self._told = quarter
            seconds = max(time.monotonic() - self._started, 1e-9)
            line = (
                f"{self._doing}: {bytes_text(self._sent)} of {bytes_text(self._size)}, "
                f"{bytes_text(int(self._sent / seconds))}/s"
            )
            self._console.print(Text(line), soft_wrap=True)


@contextmanager
def console_progress() -> Iterator[Bars | Lines]:
    """What tells a user how far a transfer is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    with Bars(console).shown() as bars:
        yield bars


def bytes_text(size: int) -> str:
    """A number of bytes for people, in powers of ten.

    >>> bytes_text(50_400_000)
    '50.4 MB'
    """
    if size < 1000:
        return f"{size} bytes"
    value, units = float(size), ("kB", "MB", "GB", "TB")
    for unit in units:
        value /= 1000
        if value < 1000 or unit == units[-1]:
            break
    return f"{value:.1f} {unit}"
