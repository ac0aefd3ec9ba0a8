"""What a run of an ETL command says: a table of its series, and what went wrong."""

from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.errors import first_few
from pipelines.outside.as_published import ORDER
from pipelines.outside.book import Book
from pipelines.outside.collect import Collected
from pipelines.outside.keys import named
from pipelines.outside.windows import Asked
from pipelines.sources.base import SourceError

MOST_REMARKS = 8
_HEAD = ("series", "regions", "rows", "new", "revised", "last", "source", "lag")
_TO_THE_RIGHT = ("regions", "rows", "new", "revised", "lag")


def table_lines(book: Book, asked: Asked) -> tuple[str, ...]:
    """A line a series: regions, rows, what is new, the last period, who served, days since."""
    rows = [_cells(book, name, asked.day) for name in asked.series]
    widths = [max(len(row[place]) for row in [_HEAD, *rows]) for place in range(len(_HEAD))]
    return tuple(
        "  ".join(
            cell.rjust(width) if head in _TO_THE_RIGHT else cell.ljust(width)
            for cell, width, head in zip(row, widths, _HEAD, strict=True)
        ).rstrip()
        for row in [_HEAD, *rows]
    )


def degraded(got: Collected) -> Iterator[str]:
    """A line a cause of failure, and one a day up to which what nobody served is stored."""
    for error in _merged(got.failures):
        yield f"degraded: {error}"
    missing: dict[date | None, list[str]] = {}
    for key in got.unserved:
        missing.setdefault(got.book.newest(key), []).append(named(key))
    for newest, names in missing.items():
        until = f"what is stored reaches {newest}" if newest else "nothing is stored"
        yield f"degraded: no source served {first_few(names)}; {until}."
    for error in _merged(got.checks):
        yield f"not compared: {error}"


def stale(book: Book, asked: Asked) -> Iterator[str]:
    """A line for each series whose last value is older than it may be."""
    for name in asked.series:
        facts = book.domain.series[name]
        old = []
        for key in book.tables:
            newest = book.newest(key) if key[0] == name else None
            if newest is None or facts.stale_after is None:
                continue
            end = facts.period_ends(np.array([newest], "datetime64[D]"))[0].astype(date)
            if (asked.day - end).days > facts.stale_after:
                old.append((newest, key))
        if old:
            newest, key = min(old, key=lambda pair: pair[0])
            count = f" ({len(old)} regions)" if len(old) > 1 else ""
            yield (
                f"stale: {named(key)}{count}: the last value is of {newest}, and after "
                f"{facts.stale_after} days without one something is wrong with its source."
            )


def remarks(book: Book) -> Iterator[str]:
    """What was left out, each kind once; the log has all of it."""
    distinct = list(dict.fromkeys(book.notes))
    yield from distinct[:MOST_REMARKS]
    if len(distinct) > MOST_REMARKS:
        yield f"{len(distinct) - MOST_REMARKS} more remarks of this kind are in the log."


def _cells(book: Book, name: str, day: date) -> tuple[str, ...]:
    tables = [table for key, table in book.tables.items() if key[0] == name]
    if not tables:
        return (name, "0", "0", "0", "0", "-", "-", "-")
    table = pa.concat_tables(tables)
    last = pc.max(table["ref_date"]).as_py().date()
    ordered = table.sort_by([ORDER[2], ORDER[3]])
    source = "+".join(book.served.get(name, ())) or ordered["source"][-1].as_py()
    lag = (day - last).days
    return (
        name,
        f"{len(tables)}",
        f"{table.num_rows}",
        f"{book.new.get(name, 0)}",
        f"{book.revised.get(name, 0)}",
        f"{last}",
        source,
        f"{lag} d",
    )


def _merged(errors: Iterable[SourceError]) -> Iterator[SourceError]:
    """One error a source and cause, with all series that it hit."""
    groups: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        groups.setdefault((error.source, error.cause), []).extend(error.series)
    for (source, cause), series in groups.items():
        yield SourceError(source, list(dict.fromkeys(series)), cause)
