"""The formats of an answer: which one is wanted, and how rows are written in it."""

import csv
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from serving.written import RequestProblem, shorten

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
ROWS = tuple(MEDIA_TYPES)  # formats that rows can be had in
JSON_ALONE = ("json",)


def choose_format(named: str | None, accept: str, offered: Sequence[str] = ROWS) -> str:
    """The format of an answer.

    Args:
        named: By ``f=``, which goes before what the header says.
        accept: The header; empty for none.
        offered: Formats that can be had here, the favourite one first.

    Raises:
        RequestProblem: It is not known, or cannot be had here.
    """
    if named is not None:
        if named not in MEDIA_TYPES:
            raise RequestProblem(
                400, f"f={shorten(named)} is no format; known: {', '.join(MEDIA_TYPES)}."
            )
        if named not in offered:
            raise RequestProblem(
                406, f"this can be had as {', '.join(offered)} alone, not as {named}."
            )
        return named
    if not accept or accept == "*/*":
        return offered[0]
    found = _negotiate(accept, tuple(offered))
    if found is None:
        types = ", ".join(MEDIA_TYPES[name] for name in offered)
        raise RequestProblem(406, f"none of what Accept names can be had here; there is {types}.")
    return found


@lru_cache(maxsize=256)
def _negotiate(accept: str, offered: tuple[str, ...]) -> str | None:
    """The offered format that a header likes best, by weight and then by our order."""
    weights = [_weight(accept, MEDIA_TYPES[name]) for name in offered]
    best = max(weights)
    return offered[weights.index(best)] if best > 0 else None


def _weight(accept: str, media: str) -> float:
    """How much a header wants a type: by the narrowest range of it that matches."""
    found: dict[int, float] = {}
    for part in accept.split(","):
        name, *parameters = (one.strip().lower() for one in part.split(";"))
        narrow = {media: 2, f"{media.partition('/')[0]}/*": 1, "*/*": 0}.get(name)
        if narrow is not None:
            found[narrow] = _quality(parameters)
    return found[max(found)] if found else 0.0


def _quality(parameters: Sequence[str]) -> float:
    for one in parameters:
        if one.startswith("q="):
            try:
                return min(max(float(one[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def write_csv(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows as CSV in UTF-8: numbers with all their digits, nothing for null."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def write_arrow(table: pa.Table) -> bytes:
    """Rows as a stream of Arrow."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def write_parquet(table: pa.Table) -> bytes:
    """Rows as a Parquet file of their own."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
