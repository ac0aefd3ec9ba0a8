"""What a request may ask for: closed lists of parameters, and which rows a page of them holds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa

from serving.tables import ServedTable, Span
from serving.written import RequestProblem, shorten

MOST_ROWS = 1000
FEWEST_ROWS = 100  # where a request does not say
LONGEST_TEXT = 400  # signs of a value, so that several of them fit into an address
MOST_PARAMETERS = 50
LARGEST = 10**15  # whole number that can be asked for
FILTERS = (
    "kind", "model", "metric", "demand_class", "location_id", "frequency", "horizon_step", "as_of",
    "ds", "lag", "panel", "action", "alert_level", "reason_code", "reason", "method", "measure",
    "grouping", "member", "level", "anchor", "supplier", "family", "criticality", "is_fallback",
    "lead_time_factor", "service_target", "cutoff", "unit", "currency", "known_at", "is_stockout",
)  # fmt: skip
"""Columns that rows may be asked for by, in whatever table has them; beside ``item_id``."""
OF_PAGES = ("item_id", "columns", "limit", "cursor", "f", "at")
KINDS = ("demand", "price")
_CURSOR = re.compile(r"([0-9]{8}T[0-9]{6}Z-[0-9a-f]{8})\.([0-9]{1,12})")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of rows that is asked for."""

    item: str | None = None  # rows of this item only
    wanted: Mapping[str, Any] = field(default_factory=dict)  # values that columns must have
    columns: Sequence[str] = ()  # columns to show, in the order of the table
    limit: int = FEWEST_ROWS  # most rows
    start: int = 0  # number of the first row that may be on it


def read_parameters(query: bytes, allowed: Sequence[str]) -> dict[str, str]:
    """The parameters of an address.

    Raises:
        RequestProblem: One is not known, is there twice, or is no text.
    """
    if not query:
        return {}
    try:
        pairs = _pairs(query.decode("ascii"))
    except ValueError:
        raise RequestProblem(
            400,
            "what follows the question mark cannot be read; write it as UTF-8 with %-signs, 50 "
            "parameters at most.",
        ) from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            raise RequestProblem(
                400, f"no parameter is called {shorten(name)} here; known: {', '.join(allowed)}."
            )
        if name in found:
            raise RequestProblem(400, f"the parameter '{name}' is there twice; say it once.")
        if len(value) > LONGEST_TEXT and name != "columns":  # which names many of them
            raise RequestProblem(400, f"the parameter '{name}' has more than {LONGEST_TEXT} signs.")
        found[name] = value
    return found


def _pairs(text: str) -> list[tuple[str, str]]:
    """Names and values of what follows the question mark.

    Raises:
        ValueError: It is no UTF-8, or has more parameters than fifty.
    """
    parts = text.split("&")
    if "%" in text or "+" in text or len(parts) > MOST_PARAMETERS:
        return parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    # The same, in a fifth of the time, of what needs no decoding.
    return [(name, value) for name, _, value in (one.partition("=") for one in parts if one)]


def parameters_of(table: ServedTable, *, fixed: bool) -> tuple[str, ...]:
    """Names of the parameters of a table's pages; ``fixed`` where the version is in the path."""
    return _parameters(table.names, table.index is not None, fixed)


@cache
def _parameters(columns: tuple[str, ...], indexed: bool, fixed: bool) -> tuple[str, ...]:
    general = [
        name
        for name in OF_PAGES
        if not (name == "item_id" and not indexed) and not (name == "at" and fixed)
    ]
    return (*general, *(name for name in FILTERS if name in columns))


def read_page(given: Mapping[str, str], table: ServedTable, version: str) -> PageRequest:
    """The page that parameters ask for.

    The names of what is given were checked.

    Raises:
        RequestProblem: A value cannot be what it has to be.
    """
    return PageRequest(
        item=given.get("item_id"),
        wanted={
            name: _read_value(name, value, table.schema.field(name).type)
            for name, value in given.items()
            if name not in OF_PAGES
        },
        columns=read_columns(given.get("columns"), table.names),
        limit=read_limit(given.get("limit")),
        start=_read_cursor(given["cursor"], version) if "cursor" in given else 0,
    )


def read_columns(text: str | None, names: Sequence[str]) -> Sequence[str]:
    """The columns of a list with commas, in the table's order; all without one.

    Raises:
        RequestProblem: One is not known.
    """
    if text is None:
        return names
    return _read_columns(text, tuple(names))


@lru_cache(maxsize=256)
def _read_columns(text: str, names: tuple[str, ...]) -> Sequence[str]:
    asked = set(text.split(","))
    if unknown := sorted(asked - set(names)):
        raise RequestProblem(
            400,
            f"columns: {len(unknown)} of {len(asked)} are not known, such as "
            f"{shorten(unknown[0])}; the table has {', '.join(names)}.",
        )
    return [name for name in names if name in asked]


def read_limit(text: str | None) -> int:
    """Number of rows of a page.

    Raises:
        RequestProblem: It is no number from 1 to 1,000.
    """
    if text is None:
        return FEWEST_ROWS
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= MOST_ROWS:
        raise RequestProblem(
            400, f"limit={shorten(text)} is not a number of rows from 1 to {MOST_ROWS}."
        )
    return int(text)


def read_day(text: str, name: str = "at") -> date:
    """A day.

    Raises:
        RequestProblem: It is none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise RequestProblem(400, f"{name}={shorten(text)} is no day; write it as 2026-11-20.")
    return day


def cursor_of(version: str, row: int) -> str:
    """Where a page goes on: in which version, and at which of its rows."""
    return f"{version}.{row}"


def _read_cursor(text: str, version: str) -> int:
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise RequestProblem(
            400, f"cursor={shorten(text)} is none of ours; follow 'next' as it is given."
        )
    if match[1] != version:
        raise RequestProblem(
            400,
            f"the cursor is of version {match[1]} and this is {version}: follow 'next', whose "
            f"address names the version, or begin again without a cursor.",
        )
    return int(match[2])


def _read_value(name: str, text: str, kind: pa.DataType) -> Any:
    """A value of a filter in the type of its column."""
    if name == "kind" and text not in KINDS:
        raise RequestProblem(
            400, f"kind={shorten(text)} is not known; there are {' and '.join(KINDS)}."
        )
    types = pa.types
    if types.is_string(kind):
        return text
    if types.is_boolean(kind):
        if text not in ("true", "false"):
            raise RequestProblem(400, f"{name}={shorten(text)} is neither true nor false.")
        return text == "true"
    if types.is_timestamp(kind):
        day = read_day(text, name)
        return datetime(day.year, day.month, day.day, tzinfo=UTC if kind.tz else None)
    if types.is_integer(kind) and _WHOLE.fullmatch(text) and abs(int(text)) <= LARGEST:
        return int(text)
    if types.is_floating(kind):
        try:
            return float(text)
        except ValueError:
            pass
    raise RequestProblem(400, f"{name}={shorten(text)} is not a number of the kind that is in it.")


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows of a page and where it goes on."""

    spans: Sequence[Span]  # the rows
    following: int | None  # first row that may be on the next page


def find_page(table: ServedTable, asked: PageRequest, number: int | None) -> RowPage:
    """The page that is asked for.

    ``number`` is that of the item asked for, in the version; ``None`` for all.
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
