"""What a run says: how far it is, a table of its series, and what went wrong."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ml.frequency import period_end
from pipelines.outside.domain_rows import DomainRows, named
from pipelines.outside.vintages import ORDER

MOST_REMARKS = 8
_HEAD = ("series", "regions", "rows", "new", "revised", "last", "source", "lag")
_TO_THE_RIGHT = ("regions", "rows", "new", "revised", "lag")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Where progress is said."""

    # begin a piece of work: its name, and how many steps it has
    start: Callable[[str, int], object] = lambda _name, _total: None
    # one of them is done, and so many more have turned up
    step: Callable[[int], object] = lambda _more: None


@contextmanager
def reporting() -> Iterator[Reporter]:
    """Say progress on stderr: a bar on a terminal, plain lines where a cron job writes a file."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Reporter(start=lambda name, total: console.print(
            f"{name} ({total})", markup=False, highlight=False, soft_wrap=True
        ))  # fmt: skip
        return
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:

        def step(more: int) -> None:
            task = bars.tasks[-1]
            bars.update(task.id, advance=1, total=(task.total or 0) + more)

        yield Reporter(lambda name, total: bars.add_task(name, total=total), step)


def table_lines(rows: DomainRows, series: Sequence[str], day: date) -> tuple[str, ...]:
    """A line a series: regions, rows, what is new, the last period, who served, days since."""
    lines = [_HEAD, *(_cells(rows, name, day) for name in series)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return tuple(
        "  ".join(
            cell.rjust(width) if head in _TO_THE_RIGHT else cell.ljust(width)
            for cell, width, head in zip(line, widths, _HEAD, strict=True)
        ).rstrip()
        for line in lines
    )


def stale(rows: DomainRows, series: Sequence[str], day: date) -> Iterator[str]:
    """A line for each series whose last value is older than it may be."""
    for name in series:
        one = rows.domain.series[name]
        old = []
        for key in rows.tables:
            newest = rows.newest(key) if key[0] == name else None
            if newest is None or one.stale_after is None:
                continue
            end = period_end(np.datetime64(newest, "D"), one.period).astype(date)
            if (day - end).days > one.stale_after:
                old.append((newest, key))
        if old:
            newest, key = min(old, key=lambda pair: pair[0])
            count = f" ({len(old)} regions)" if len(old) > 1 else ""
            yield (
                f"stale: {named(key)}{count}: the last value is of {newest}, and after "
                f"{one.stale_after} days without one something is wrong with its source."
            )


def remarks(rows: DomainRows) -> Iterator[str]:
    """What was left out, each kind once; the log has all of it."""
    distinct = list(dict.fromkeys(rows.notes))
    yield from distinct[:MOST_REMARKS]
    if len(distinct) > MOST_REMARKS:
        yield f"{len(distinct) - MOST_REMARKS} more remarks of this kind are in the log."


def _cells(rows: DomainRows, name: str, day: date) -> tuple[str, ...]:
    tables = [table for key, table in rows.tables.items() if key[0] == name]
    if not tables:
        return (name, "0", "0", "0", "0", "-", "-", "-")
    table = pa.concat_tables(tables)
    last = pc.max(table["ref_date"]).as_py().date()
    newest = table.sort_by([ORDER[2], ORDER[3]])["source"][-1].as_py()
    source = "+".join(rows.served.get(name, ())) or newest
    counts = (len(tables), table.num_rows, rows.new[name], rows.revised[name])
    return (name, *map(str, counts), f"{last}", source, f"{(day - last).days} d")
