"""The application: which address is answered by what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import orjson
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.convertors import register_url_convertor

from serving.access import AccessRules
from serving.answers import API, AnswerSheet
from serving.front import Front, RequestLimits
from serving.library import OLD, Library, age_of
from serving.measures import MEASURES
from serving.openapi import describe_interface
from serving.stored_files import PAGE, Handler, read_static, static_handler
from serving.written import PROBLEM_TYPE, ROUTE, App, RequestProblem

VERSION = f"{API}/versions/{{version_id}}"


@dataclass(frozen=True, slots=True)
class PartOfAddress:
    """What a part of an address may be, as Starlette asks for it."""

    regex: str  # that it has to match

    def convert(self, value: str) -> str:
        """The part as it is written."""
        return value

    to_string = convert


# An id may have slashes and ends of lines.
register_url_convertor("text", cast("Any", PartOfAddress(r"[\s\S]+")))
register_url_convertor("table", cast("Any", PartOfAddress(r"(?!versions$)[A-Za-z0-9_-]+")))


def build_application(library: Library, access: AccessRules, limits: RequestLimits) -> Front:
    """The application of a library, with its front.

    The library is looked after while the application runs.
    """

    @asynccontextmanager
    async def look_after(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(library.watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, lifespan=look_after,
        redirect_slashes=False,
    )  # fmt: skip
    app.add_exception_handler(RequestProblem, _answer_problem)
    app.add_exception_handler(404, _answer_unknown)
    sheet = AnswerSheet(library, shared=access.open)
    _add_routes(app, library, sheet)
    return Front(app, access, limits, sheet.answer_at_once)


def _add_routes(app: FastAPI, library: Library, sheet: AnswerSheet) -> None:
    """Give every answer its address; the first one that fits is taken."""
    routes: dict[str, Handler] = {}
    for prefix in (API, VERSION):  # the busiest first
        routes |= {
            f"{prefix}/{{table:table}}": sheet.rows,
            f"{prefix}/items/{{item_id:text}}": sheet.item,
            f"{prefix}/documents/{{name}}": sheet.document,
            f"{prefix}/{{table:table}}.parquet": sheet.file,
        }
    routes |= {
        f"{API}/openapi.json": _describe(library),
        f"{API}/versions": sheet.versions,
        "/health": _answer_health,
        "/ready": _answer_ready(library),
        "/metrics": _answer_measures,
    }
    routes[VERSION] = sheet.version
    files = read_static()
    routes |= {f"/{name}": static_handler(file) for name, file in files.items()}
    routes["/"] = static_handler(files[PAGE])
    # Plain routes: what they take is read and described by the tables of the version itself.
    for path, handler in routes.items():
        app.add_route(path, cast("Any", _named(path, handler)), ["GET"])


def _named(path: str, handler: Handler) -> Handler:
    """The handler of a route, which says in the scope which one was taken."""

    async def answer(request: Request) -> App:
        request.scope[ROUTE] = path
        return await handler(request)

    return answer


def _describe(library: Library) -> Handler:
    made: dict[str, bytes] = {}

    async def answer(_: Request) -> Response:
        version = library.shown.record.version_id if library.shown else ""
        if version not in made:
            made.clear()
            made[version] = orjson.dumps(describe_interface(library.shown))
        return Response(made[version], media_type="application/json")

    return answer


async def _answer_health(_: Request) -> Response:
    return Response(b'{"alive":true}', media_type="application/json")


def _answer_ready(library: Library) -> Handler:
    async def answer(_: Request) -> Response:
        shown = library.now()
        if shown.reason == OLD:
            raise RequestProblem(503, "the newest version is older than SERVE_MAX_AGE_HOURS.")
        told = {
            "ready": True,
            "version_id": shown.record.version_id,
            "published_at": shown.record.published_at,
            "age_seconds": int(age_of(shown.record).total_seconds()),
            "stale": shown.stale,
            "reason": shown.reason,
            "detail": library.problem,
        }
        return Response(orjson.dumps(told), media_type="application/json")

    return answer


async def _answer_measures(_: Request) -> Response:
    return Response(MEASURES.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _answer_problem(_: Request, error: Exception) -> Response:
    problem = cast("RequestProblem", error)
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(problem.body(), problem.status, headers, media_type=PROBLEM_TYPE)


async def _answer_unknown(request: Request, _: Exception) -> Response:
    problem = RequestProblem(404, f"nothing is at this address; {API}/openapi.json lists what is.")
    return await _answer_problem(request, problem)
