"""The answers: tables page by page, items, whole files, documents and the list of versions.

Each takes the version that it shows once, at its begin, and everything in it is of that version.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from fastapi import Request

from serving import formats
from serving.library import SOME, Library
from serving.query import (
    MOST_ROWS,
    RowPage,
    cursor_of,
    cut_page,
    find_page,
    parameters_of,
    read_day,
    read_limit,
    read_page,
    read_parameters,
)
from serving.stored_files import read_part, send_file
from serving.tables import ServedTable
from serving.versions import ShownVersion
from serving.written import (
    ROUTE,
    App,
    RequestProblem,
    Scope,
    UnchangedAnswer,
    WrittenAnswer,
    headers_of,
    shorten,
)

API = "/api/v1"
IMMUTABLE, RECHECK = b"max-age=31536000, immutable", b"no-cache"
ROWS = f"{API}/{{table:table}}"
SCAN = 200_000  # rows from which on a table is looked through beside other requests
_BELOW = f"{API}/"
PLAIN = (b"*/*", b"application/json")  # headers Accept that ask for JSON and need no look


class AnswerSheet:
    """The handlers of all routes.

    ``shared`` says whether an answer may be kept by caches that others use too.
    """

    def __init__(self, library: Library, *, shared: bool) -> None:
        self._library = library
        self._scope = b"public, " if shared else b"private, "

    def answer_at_once(self, scope: Scope) -> App | None:
        """The answer that needs neither waiting nor looking for its address.

        That is what services ask for most: rows of an item in the newest version, and whether what
        they have of JSON is current still, for which the tag alone is enough.
        """
        shown, query = self._library.shown, scope["query_string"]
        if shown is None or b"at=" in query:
            return None
        headers = headers_of(scope)
        known = headers.get(b"if-none-match")
        plain = b"f=" not in query and headers.get(b"accept", b"*/*") in PLAIN
        if plain and known is not None and known == _tag(shown, scope, "json"):
            return UnchangedAnswer(self._headers(shown, scope, "json", known))
        if b"item_id=" not in query or not scope["path"].startswith(_BELOW):
            return None
        table = shown.version.tables.get(scope["path"][len(_BELOW) :])
        if table is None:
            return None
        scope[ROUTE] = ROWS
        self._library.count_answer()
        return self._answer_rows(scope, shown, table)

    async def rows(self, request: Request) -> App:
        """Rows of a table, page by page."""
        shown, scope = await self._shown(request), request.scope
        table = shown.version.table(request.path_params["table"])
        if table.rows > SCAN and b"item_id=" not in scope["query_string"]:
            answer = await asyncio.to_thread(self._answer_rows, scope, shown, table)
            self._library.count_answer(SOME)
            return answer
        return self._answer_rows(scope, shown, table)

    def _answer_rows(self, scope: Scope, shown: ShownVersion, table: ServedTable) -> App:
        fixed = "version_id" in scope.get("path_params", ())
        given = read_parameters(scope["query_string"], parameters_of(table, fixed=fixed))
        accept = headers_of(scope).get(b"accept", b"").decode("latin-1")
        wanted = formats.choose_format(given.get("f"), accept)
        asked = read_page(given, table, shown.record.version_id)
        number = None if asked.item is None else shown.version.number_of(asked.item)
        headers = self._headers(shown, scope, wanted)
        if _unchanged(scope, headers[b"etag"]):
            return UnchangedAnswer(headers)
        page = find_page(table, asked, number)
        following = None
        if page.following is not None:
            following = _link(shown, table.name, given, page.following)
            headers[b"link"] = f'<{following}>; rel="next"'.encode()
        return _write_page(shown, table, page, asked.columns, wanted, following, headers)

    async def item(self, request: Request) -> App:
        """All rows of an item, of every table that names it."""
        shown = await self._shown(request)
        self._read_json(request)
        item = request.path_params["item_id"]
        number = shown.version.number_of(item)
        return self._write_json(shown, request, lambda: _write_item(shown, item, number))

    async def file(self, request: Request) -> App:
        """A whole table as it was published, or a range of its bytes."""
        shown = await self._shown(request)
        table = shown.version.table(request.path_params["table"])
        given = read_parameters(
            request.scope["query_string"], ("part", *self._general(request, form=False))
        )
        part = read_part(given.get("part"), len(table.files))
        stored = shown.version.manifest.datasets[table.name][part]
        headers = self._headers(shown, request.scope, "parquet")
        name = stored.path.rpartition("/")[2]
        headers |= {
            b"etag": f'"{stored.sha256}"'.encode(),
            b"accept-ranges": b"bytes",
            b"content-disposition": f'attachment; filename="{name}"'.encode(),
        }
        if _unchanged(request.scope, headers[b"etag"]):
            return UnchangedAnswer(headers)
        return send_file(table, part, request, headers)

    async def document(self, request: Request) -> App:
        """A JSON document of the version as it was published."""
        shown = await self._shown(request)
        self._read_json(request)
        name = request.path_params["name"]
        body = shown.version.documents.get(name)
        if body is None:
            known = ", ".join(sorted(shown.version.documents))
            raise RequestProblem(404, f"there is no document {shorten(name)}; there is {known}.")
        return self._write_json(shown, request, lambda: body)

    async def version(self, request: Request) -> App:
        """What a version consists of: its tables with their columns, and its documents."""
        shown = await self._shown(request)
        self._read_json(request)
        return self._write_json(
            shown, request, lambda: shown.answer(orjson.dumps(shown.describe()))
        )

    async def versions(self, request: Request) -> App:
        """What was published, newest first."""
        shown, records = self._library.now(), await self._library.records()
        given = self._read_json(request, ("limit", "cursor", "f"))
        limit, before = read_limit(given.get("limit")), given.get("cursor")
        if before is not None and not (before.isascii() and before.isdigit() and len(before) < 13):
            raise RequestProblem(400, f"cursor={shorten(before)} is none of ours; follow 'next'.")
        left = [one for one in records if before is None or one.seq < int(before)]
        fields = ("seq", "kind", "version_id", "as_of", "published_at", "partial")
        data = [{name: getattr(one, name) for name in fields} for one in left[:limit]]
        following = None
        if len(left) > limit:
            following = f"{API}/versions?limit={limit}&cursor={data[-1]['seq']}"
        return self._write_json(shown, request, lambda: shown.answer(orjson.dumps(data), following))

    def _read_json(self, request: Request, names: Sequence[str] = ()) -> dict[str, str]:
        """The parameters of a request for what is to be had as JSON alone."""
        allowed = names or self._general(request)
        given = read_parameters(request.scope["query_string"], allowed)
        formats.choose_format(given.get("f"), request.headers.get("accept", ""), formats.JSON_ALONE)
        return given

    def _write_json(self, shown: ShownVersion, request: Request, write: Callable[[], bytes]) -> App:
        """What is written, unless who asks has it already."""
        headers = self._headers(shown, request.scope, "json")
        if _unchanged(request.scope, headers[b"etag"]):
            return UnchangedAnswer(headers)
        return WrittenAnswer(write(), headers)

    async def _shown(self, request: Request) -> ShownVersion:
        """The version that an address asks for, by its path or by ``at=``; else the newest."""
        self._library.count_answer()
        wanted = request.path_params.get("version_id")
        if wanted is not None:
            return await self._library.version(wanted)
        if b"at=" in request.scope["query_string"]:
            day = request.query_params.get("at")
            if day is not None:
                return await self._library.at(read_day(day))
        return self._library.now()

    def _general(self, request: Request, *, form: bool = True) -> tuple[str, ...]:
        fixed = "version_id" in request.path_params
        return (*(("f",) if form else ()), *(() if fixed else ("at",)))

    def _headers(
        self, shown: ShownVersion, scope: Scope, wanted: str, tag: bytes | None = None
    ) -> dict[bytes, bytes]:
        """What every answer says of the version it is of, whichever format it has."""
        keeping = IMMUTABLE if shown.fixed else RECHECK
        return {
            **shown.headers,
            b"etag": tag or _tag(shown, scope, wanted),
            b"cache-control": self._scope + keeping,
            b"x-age-seconds": b"%d" % max(time.time() - shown.published, 0),
        }


def _tag(shown: ShownVersion, scope: Scope, wanted: str) -> bytes:
    """A strong tag: the version and its state, what was asked for, and the format."""
    parts = (shown.tag, wanted.encode(), scope["path"].encode(), scope["query_string"])
    return b'"%s"' % hashlib.blake2b(b"\n".join(parts), digest_size=12).hexdigest().encode()


def _unchanged(scope: Scope, tag: bytes) -> bool:
    """Whether who asks has this very answer already."""
    known = headers_of(scope).get(b"if-none-match")
    if known is None:
        return False
    return (
        known == tag
        or known.strip() == b"*"
        or tag in [one.strip().removeprefix(b"W/") for one in known.split(b",")]
    )


def _write_page(
    shown: ShownVersion,
    table: ServedTable,
    page: RowPage,
    columns: Sequence[str],
    wanted: str,
    following: str | None,
    headers: dict[bytes, bytes],
) -> App:
    media = formats.MEDIA_TYPES[wanted]
    if wanted in ("arrow", "parquet"):
        write = formats.write_arrow if wanted == "arrow" else formats.write_parquet
        return WrittenAnswer(write(table.arrow(page.spans, columns)), headers, media)
    rows = [row for span in page.spans for row in table.rows_of(span, columns)]
    if wanted == "csv":
        headers[b"content-disposition"] = f'attachment; filename="{table.name}.csv"'.encode()
        text = formats.write_csv(columns, rows)
        return WrittenAnswer(text, headers, f"{media}; charset=utf-8")
    return WrittenAnswer(shown.answer(orjson.dumps(rows), following), headers, media)


def _write_item(shown: ShownVersion, item: str, number: int) -> bytes:
    """All rows of an item, and where those of a table go on that has too many of them."""
    data: dict[str, Any] = {"item_id": item}
    following = {}
    for name, table in shown.version.tables.items():
        if table.index is not None:
            page = cut_page(table.spans_of(number), 0, MOST_ROWS)
            columns = table.names
            data[table.name] = [r for s in page.spans for r in table.rows_of(s, columns)]
            if page.following is not None:
                more = {"item_id": item, "limit": str(MOST_ROWS)}
                following[name] = _link(shown, table.name, more, page.following)
    return shown.answer(orjson.dumps(data), following or None)


def _link(shown: ShownVersion, dataset: str, given: Mapping[str, str], row: int) -> str:
    """The address of the next page: of the same version, whatever is published meanwhile."""
    version = shown.record.version_id
    kept = {name: value for name, value in given.items() if name not in ("at", "cursor")}
    query = urlencode(kept | {"cursor": cursor_of(version, row)}, quote_via=quote)
    return f"{API}/versions/{version}/{dataset.replace('_', '-')}?{query}"
