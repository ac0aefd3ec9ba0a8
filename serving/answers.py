"""The answers: tables page by page, items, whole files, documents and the list of versions.

Each takes the version that it shows once, at its begin, and everything in it is of that version.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from fastapi import Request, Response

from serving import formats
from serving.library import Library, age_of
from serving.pages import RowPage, cut_page, find_page
from serving.problems import RequestProblem, shorten
from serving.query import (
    MOST_ROWS,
    cursor_of,
    parameters_of,
    read_day,
    read_limit,
    read_page,
    read_parameters,
)
from serving.stored_files import read_part, send_file
from serving.tables import ServedTable
from serving.versions import ShownVersion

API = "/api/v1"
IMMUTABLE, RECHECK = "max-age=31536000, immutable", "no-cache"


class AnswerSheet:
    """The handlers of all routes.

    Args:
        library: The versions.
        shared: Whether an answer may be kept by caches that others use too.
    """

    def __init__(self, library: Library, *, shared: bool) -> None:
        self._library = library
        self._scope = "public" if shared else "private"

    async def rows(self, request: Request) -> Response:
        """Rows of a table, page by page."""
        shown, fixed = await self._shown(request), "version_id" in request.path_params
        table = shown.version.table(request.path_params["table"])
        given = read_parameters(request.scope["query_string"], parameters_of(table, fixed=fixed))
        wanted = formats.choose_format(given.get("f"), request.headers.get("accept", ""))
        asked = read_page(given, table, shown.record.version_id)
        number = None if asked.item is None else shown.version.number_of(asked.item)
        headers = self._headers(shown, request, wanted)
        if _unchanged(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        page = await find_page(table, asked, number)
        following = None
        if page.following is not None:
            following = _link(shown, table.name, given, page.following)
            headers["Link"] = f'<{following}>; rel="next"'
        return _write_page(shown, table, page, asked.columns, wanted, following, headers)

    async def item(self, request: Request) -> Response:
        """All rows of an item, of every table that names it."""
        shown = await self._shown(request)
        given = read_parameters(request.scope["query_string"], self._general(request))
        formats.choose_format(given.get("f"), request.headers.get("accept", ""), formats.JSON_ALONE)
        item = request.path_params["item_id"]
        number = shown.version.number_of(item)
        headers = self._headers(shown, request, "json")
        if _unchanged(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        data: dict[str, Any] = {"item_id": item}
        following = {}
        for name, table in shown.version.tables.items():
            if table.index is not None:
                page = cut_page(table.spans_of(number), 0, MOST_ROWS)
                columns = table.schema.names
                data[table.name] = [r for s in page.spans for r in table.rows_of(s, columns)]
                if page.following is not None:
                    more = {"item_id": item, "limit": str(MOST_ROWS)}
                    following[name] = _link(shown, table.name, more, page.following)
        body = shown.answer(orjson.dumps(data), following or None)
        return Response(body, headers=headers, media_type=formats.MEDIA_TYPES["json"])

    async def file(self, request: Request) -> Response:
        """A whole table as it was published, or a range of its bytes."""
        shown = await self._shown(request)
        table = shown.version.table(request.path_params["table"])
        given = read_parameters(
            request.scope["query_string"], ("part", *self._general(request, form=False))
        )
        part = read_part(given.get("part"), len(table.files))
        stored = shown.version.manifest.datasets[table.name][part]
        headers = self._headers(shown, request, "parquet")
        headers |= {
            "ETag": f'"{stored.sha256}"',
            "Accept-Ranges": "bytes",
            "Content-Disposition": f'attachment; filename="{stored.path.rpartition("/")[2]}"',
        }
        if _unchanged(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return send_file(table, part, request, headers)

    async def document(self, request: Request) -> Response:
        """A JSON document of the version as it was published."""
        shown = await self._shown(request)
        given = read_parameters(request.scope["query_string"], self._general(request))
        formats.choose_format(given.get("f"), request.headers.get("accept", ""), formats.JSON_ALONE)
        name = request.path_params["name"]
        body = shown.version.documents.get(name)
        if body is None:
            known = ", ".join(sorted(shown.version.documents))
            raise RequestProblem(404, f"there is no document {shorten(name)}; there is {known}.")
        headers = self._headers(shown, request, "json")
        if _unchanged(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=formats.MEDIA_TYPES["json"])

    async def version(self, request: Request) -> Response:
        """What a version consists of: its tables with their columns, and its documents."""
        shown = await self._shown(request)
        given = read_parameters(request.scope["query_string"], self._general(request))
        formats.choose_format(given.get("f"), request.headers.get("accept", ""), formats.JSON_ALONE)
        headers = self._headers(shown, request, "json")
        if _unchanged(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        body = shown.answer(orjson.dumps(shown.describe()))
        return Response(body, headers=headers, media_type=formats.MEDIA_TYPES["json"])

    async def versions(self, request: Request) -> Response:
        """What was published, newest first."""
        shown, records = self._library.now(), await self._library.records()
        given = read_parameters(request.scope["query_string"], ("limit", "cursor", "f"))
        formats.choose_format(given.get("f"), request.headers.get("accept", ""), formats.JSON_ALONE)
        limit, before = read_limit(given.get("limit")), given.get("cursor")
        if before is not None and not (before.isascii() and before.isdigit() and len(before) < 13):
            raise RequestProblem(400, f"cursor={shorten(before)} is none of ours; follow 'next'.")
        left = [one for one in records if before is None or one.seq < int(before)]
        fields = ("seq", "kind", "version_id", "as_of", "published_at", "partial")
        data = [{name: getattr(one, name) for name in fields} for one in left[:limit]]
        headers = self._headers(shown, request, "json")
        if _unchanged(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        following = None
        if len(left) > limit:
            following = f"{API}/versions?limit={limit}&cursor={data[-1]['seq']}"
        body = shown.answer(orjson.dumps(data), following)
        return Response(body, headers=headers, media_type=formats.MEDIA_TYPES["json"])

    async def _shown(self, request: Request) -> ShownVersion:
        """The version that an address asks for, by its path or by ``at=``; else the newest."""
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

    def _headers(self, shown: ShownVersion, request: Request, wanted: str) -> dict[str, str]:
        """What every answer says of the version it is of, whichever format it has."""
        record = shown.record
        return {
            "ETag": _tag(shown, request, wanted),
            "Vary": "Accept",
            "Cache-Control": f"{self._scope}, {IMMUTABLE if shown.fixed else RECHECK}",
            "X-Version-Id": record.version_id,
            "X-As-Of": record.as_of,
            "X-Published-At": record.published_at,
            "X-Age-Seconds": str(max(int(age_of(record).total_seconds()), 0)),
            "X-Stale": f"true; {shown.reason}" if shown.stale else "false",
        }


def _tag(shown: ShownVersion, request: Request, wanted: str) -> str:
    """A strong tag: the version and its state, what was asked for, and the format."""
    scope = request.scope
    what = f"{shown.tag}\n{wanted}\n{scope['path']}\n".encode() + scope["query_string"]
    return f'"{hashlib.blake2b(what, digest_size=12).hexdigest()}"'


def _unchanged(request: Request, tag: str) -> bool:
    """Whether who asks has this very answer already."""
    known = request.headers.get("if-none-match")
    if known is None:
        return False
    return (
        known == tag
        or known.strip() == "*"
        or tag in [one.strip().removeprefix("W/") for one in known.split(",")]
    )


def _write_page(
    shown: ShownVersion,
    table: ServedTable,
    page: RowPage,
    columns: Sequence[str],
    wanted: str,
    following: str | None,
    headers: dict[str, str],
) -> Response:
    media = formats.MEDIA_TYPES[wanted]
    if wanted in ("arrow", "parquet"):
        write = formats.write_arrow if wanted == "arrow" else formats.write_parquet
        return Response(write(table.arrow(page.spans, columns)), headers=headers, media_type=media)
    rows = [row for span in page.spans for row in table.rows_of(span, columns)]
    if wanted == "csv":
        headers["Content-Disposition"] = f'attachment; filename="{table.name}.csv"'
        return Response(formats.write_csv(columns, rows), headers=headers, media_type=media)
    return Response(shown.answer(orjson.dumps(rows), following), headers=headers, media_type=media)


def _link(shown: ShownVersion, dataset: str, given: Mapping[str, str], row: int) -> str:
    """The address of the next page: of the same version, whatever is published meanwhile."""
    version = shown.record.version_id
    kept = {name: value for name, value in given.items() if name not in ("at", "cursor")}
    query = urlencode(kept | {"cursor": cursor_of(version, row)}, quote_via=quote)
    return f"{API}/versions/{version}/{dataset.replace('_', '-')}?{query}"
