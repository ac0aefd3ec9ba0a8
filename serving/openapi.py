"""The description of the interface, made from the version that is shown: its tables, its columns.

What a newer version adds is described as soon as it is served.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from serving.answers import API
from serving.formats import MEDIA_TYPES
from serving.query import KINDS, LARGEST, LONGEST_TEXT, MOST_ROWS, OF_PAGES, parameters_of
from serving.tables import ITEM, ServedTable
from serving.versions import ShownVersion
from serving.written import PROBLEM_TYPE

Document = dict[str, Any]
_ABOUT = (
    "Forecasts and recommendations as they were published, read-only. Every answer is of one "
    "version, which it names; `stale` says that a newer one may exist that could not be read."
)
_DAY = {"type": "string", "format": "date"}
_VERSION_ID = {"type": "string", "pattern": "^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$"}
_PROBLEM = {
    "description": "A sentence about what is wrong (RFC 9457).",
    "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM_FIELDS = {
    "type": {"type": "string"},
    "title": {"type": "string"},
    "status": {"type": "integer"},
    "detail": {"type": "string"},
}
_NEXT = {"type": ["string", "object", "null"], "description": "where it goes on, null at the end"}


def describe_interface(shown: ShownVersion | None) -> Document:
    """The OpenAPI document.

    Without a version only what is always there is described.
    """
    paths: Document = {
        "/health": {"get": _operation("Whether the server runs", [], _json({"type": "object"}))},
        "/ready": {"get": _operation("Whether it has something to serve", [],
                                     _json({"type": "object"}), more=("503",))},
        "/metrics": {"get": _operation("Counters for Prometheus", [],
                                       {"text/plain": {"schema": {"type": "string"}}})},
        f"{API}/versions": {"get": _operation(
            "What was published, newest first",
            [_limit(), _parameter("cursor", {"type": "string", "pattern": "^[0-9]{1,12}$"},
                                  "of `next`, as it is given"), _format(("json",))],
            _json(_answer({"type": "array", "items": {"type": "object"}})), more=("503",))},
    }  # fmt: skip
    if shown is not None:
        paths |= _describe_version(shown)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Previsor", "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {
                "Problem": {
                    "type": "object",
                    "properties": _PROBLEM_FIELDS,
                    "required": list(_PROBLEM_FIELDS),
                }
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _describe_version(shown: ShownVersion) -> Document:
    version = shown.record.version_id
    item = next(iter(shown.version.items), None)
    fixed = _in_path("version_id", _VERSION_ID, version)
    paths: Document = {
        f"{API}/versions/{{version_id}}": {"get": _operation(
            "What a version consists of", [fixed, _format(("json",))],
            _json(_answer({"type": "object"})), more=("404", "410", "503"))},
    }  # fmt: skip
    for name, table in sorted(shown.version.tables.items()):
        rows = _rows(table)
        for prefix, first in ((API, []), (f"{API}/versions/{{version_id}}", [fixed])):
            about = f"Rows of {name}"
            paths[f"{prefix}/{name}"] = {"get": _operation(
                about, [*first, *_page_parameters(table, shown, item, fixed=bool(first))], rows,
                more=("404", "410", "503"))}  # fmt: skip
            paths[f"{prefix}/{name}.parquet"] = {"get": _operation(
                f"All of {name} as it was published, by ranges where asked", _file_parameters(
                    first, len(table.files)),
                {MEDIA_TYPES["parquet"]: {"schema": {"type": "string", "format": "binary"}}},
                more=("206", "404", "410", "416", "503"))}  # fmt: skip
    if item is not None:
        text = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
        of_item = [_in_path(ITEM, text, item), _format(("json",))]
        shape = _json(_answer({"type": "object", "properties": {ITEM: {"type": "string"}}}))
        for prefix, first in ((API, [_at()]), (f"{API}/versions/{{version_id}}", [fixed])):
            paths[f"{prefix}/items/{{item_id}}"] = {
                "get": _operation(
                    "All of one item", [*of_item, *first], shape, more=("404", "410", "503")
                )
            }
    names = {"type": "string", "enum": sorted(shown.version.documents)}
    if names["enum"]:
        document = [_in_path("name", names, names["enum"][0]), _format(("json",))]
        for prefix, first in ((API, [_at()]), (f"{API}/versions/{{version_id}}", [fixed])):
            paths[f"{prefix}/documents/{{name}}"] = {"get": _operation(
                "A JSON document of the version", [*document, *first], _json({"type": "object"}),
                more=("404", "410", "503"))}  # fmt: skip
    return paths


def _page_parameters(
    table: ServedTable, shown: ShownVersion, item: str | None, *, fixed: bool
) -> list[Document]:
    """Parameters of the pages of a table."""
    version = shown.record.version_id
    cursor = {"type": "string", "pattern": f"^{version}\\.[0-9]{{1,12}}$"}
    columns = {
        "type": "array",
        "items": {"type": "string", "enum": table.names},
        "minItems": 1,
    }
    text = {"type": "string", "maxLength": LONGEST_TEXT}
    known = {
        ITEM: _parameter(ITEM, text, "rows of this item only", example=item),
        "columns": _parameter("columns", columns, "only these columns", form=True,
                              example=table.names[:3]),
        "limit": _limit(),
        "cursor": _parameter("cursor", cursor, "of `next`, as it is given"),
        "f": _format(tuple(MEDIA_TYPES)),
        "at": _at(),
    }  # fmt: skip
    return [
        known[name]
        if name in OF_PAGES
        else _parameter(name, _schema_of_filter(name, table), f"rows whose {name} is this")
        for name in parameters_of(table, fixed=fixed)
    ]


def _file_parameters(first: Sequence[Document], parts: int) -> list[Document]:
    which = {"type": "integer", "minimum": 1, "maximum": parts}
    part = _parameter("part", which, "which of its files", required=parts > 1)
    return [*first, part, *([] if first else [_at()])]


def _schema_of_filter(name: str, table: ServedTable) -> Document:
    kind = table.schema.field(name).type
    if name == "kind":
        return {"type": "string", "enum": list(KINDS)}
    if pa.types.is_boolean(kind):
        return {"type": "boolean"}
    if pa.types.is_timestamp(kind):
        return _DAY
    if pa.types.is_integer(kind):
        return {"type": "integer", "minimum": -LARGEST, "maximum": LARGEST}
    if pa.types.is_floating(kind):
        return {"type": "number"}
    return {"type": "string", "maxLength": LONGEST_TEXT}


def _rows(table: ServedTable) -> Document:
    properties = {}
    for column in table.schema:
        told = {key.decode(): text.decode() for key, text in (column.metadata or {}).items()}
        unit = f" [{told['unit']}]" if told.get("unit") else ""
        properties[column.name] = {
            "type": [_json_type(column.type), "null"],
            "description": told.get("description", "") + unit,
        }
    data = {"type": "array", "maxItems": MOST_ROWS,
            "items": {"type": "object", "properties": properties}}  # fmt: skip
    plain = {"schema": {"type": "string"}}
    others = {media: plain for name, media in MEDIA_TYPES.items() if name != "json"}
    return {**_json(_answer(data)), **others}


def _json_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    return "number" if pa.types.is_floating(kind) else "string"


def _answer(data: Document) -> Document:
    """The schema of the document that every JSON answer is."""
    fields = {
        "version_id": {"type": "string"},
        "as_of": _DAY,
        "published_at": {"type": "string", "format": "date-time"},
        "stale": {"type": "boolean"},
        "data": data,
        "next": _NEXT,
    }
    return {"type": "object", "properties": fields, "required": list(fields)}


def _operation(
    about: str,
    parameters: Sequence[Document],
    content: Document,
    more: Sequence[str] = (),
) -> Document:
    """An operation that gives this content, or a problem of one of these statuses besides."""
    good = {"description": about, "content": content}
    answers: Mapping[str, Document] = {
        "200": good,
        "304": {"description": "What you have is what there is (If-None-Match)."},
        **dict.fromkeys(("400", "401", "406", "414"), _PROBLEM),
        **{status: good if status == "206" else _PROBLEM for status in more},
    }
    return {"summary": about, "parameters": list(parameters), "responses": dict(answers)}


def _json(schema: Document) -> Document:
    return {MEDIA_TYPES["json"]: {"schema": schema}}


def _parameter(
    name: str,
    schema: Document,
    about: str,
    *,
    example: Any = None,
    form: bool = False,
    required: bool = False,
) -> Document:
    told: Document = {"name": name, "in": "query", "description": about, "schema": schema}
    told |= {"style": "form", "explode": False} if form else {}
    told |= {"required": True} if required else {}
    return told | ({} if example is None else {"example": example})


def _in_path(name: str, schema: Document, example: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


def _limit() -> Document:
    schema = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
    return _parameter("limit", schema, "most rows", example=100)


def _at() -> Document:
    return _parameter("at", _DAY, "what was the newest at the end of this day, UTC")


def _format(names: Sequence[str]) -> Document:
    return _parameter("f", {"type": "string", "enum": list(names)}, "goes before Accept")
