"""Progress on stderr: a bar in bytes on a terminal, a plain line a quarter elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
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

from ml.artifacts import store


class Bars(store.Progress):
    """A bar a stage, for terminals."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._task = TaskID(0)

    def begin(self, doing: str, size: int) -> None:
        """See :class:`ml.artifacts.store.Progress`."""
        self._task = self._shown.add_task(doing, total=size)

    def done(self, size: int) -> None:
        """See :class:`ml.artifacts.store.Progress`."""
        self._shown.advance(self._task, size)


class Lines(store.Progress):
    """A line at each quarter of a stage, for logs and mail from cron."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.begin("", 0)

    def begin(self, doing: str, size: int) -> None:
        """See :class:`ml.artifacts.store.Progress`."""
        self._doing, self._size, self._sent, self._quarter = doing, size, 0, 0
        self._started = time.monotonic()

    def done(self, size: int) -> None:
        """See :class:`ml.artifacts.store.Progress`."""
        self._sent += size
        quarter = 4 * self._sent // max(self._size, 1)
        if quarter > self._quarter:
            self._quarter = quarter
            rate = int(self._sent / max(time.monotonic() - self._started, 1e-9))
            line = (
                f"{self._doing}: {decimal(self._sent)} of {decimal(self._size)}, {decimal(rate)}/s"
            )
            self._console.print(Text(line), soft_wrap=True)


@contextmanager
def console_progress(console: Console | None = None) -> Iterator[store.Progress]:
    """What tells a user how far a transfer is, on stderr unless a console is given."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as shown:
        yield Bars(shown)
