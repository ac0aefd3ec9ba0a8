"""Which rows of a table a page holds, and where it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.query import PageRequest
from serving.tables import ServedTable, Span


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows of a page and where it goes on."""

    spans: Sequence[Span]  # the rows
    following: int | None  # first row that may be on the next page


def find_page(table: ServedTable, asked: PageRequest, number: int | None) -> RowPage:
    """The page that is asked for.

    Args:
        table: Its table.
        asked: What is asked for.
        number: Of the item that is asked for, in the version; ``None`` for all.
    """
    spans = table.spans_of(number)
    if not asked.wanted:
        return cut_page(spans, asked.start, asked.limit)
    return _search(table, spans, asked)


def cut_page(spans: Sequence[Span], start: int, limit: int) -> RowPage:
    """The first rows of spans from a row on, at most so many."""
    found: list[Span] = []
    left = limit
    for first, last in spans:
        begin = max(first, start)
        if begin >= last:
            continue
        if not left:
            return RowPage(found, begin)
        end = min(begin + left, last)
        found.append((begin, end))
        left -= end - begin
        if end < last:
            return RowPage(found, end)
    return RowPage(found, None)


def _search(table: ServedTable, spans: Sequence[Span], asked: PageRequest) -> RowPage:
    """The first rows that have the values asked for; one more is looked for, to know the end."""
    rows: list[int] = []
    for first, last in spans:
        begin = max(first, asked.start)
        if begin < last and len(rows) <= asked.limit:
            rows += table.find((begin, last), asked.wanted, asked.limit + 1 - len(rows))
    following = rows[asked.limit] if len(rows) > asked.limit else None
    return RowPage(_together(rows[: asked.limit]), following)


def _together(rows: Sequence[int]) -> list[Span]:
    """Rows as spans, those that follow each other in one."""
    found: list[Span] = []
    for row in rows:
        if found and found[-1][1] == row:
            found[-1] = (found[-1][0], row + 1)
        else:
            found.append((row, row + 1))
    return found
