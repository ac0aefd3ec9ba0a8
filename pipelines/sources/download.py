"""One request and its answer: sent, followed, judged by its status, streamed to a file."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import httpx

from ml.durable import disk_errors
from ml.logs import logger
from pipelines.sources.base import Call
from pipelines.sources.client_secrets import redacted, redacted_bytes, sent_url
from pipelines.sources.client_time import Speed
from pipelines.sources.retries import TryFailedError, retry_after

MOST_REDIRECTS = 5
MOST_BYTES = {"zip": 4 << 30}
"""Longest body that is taken [bytes], by what a good answer is."""
MOST_BYTES_OF_TEXT = 32 << 20
"""That of everything else: forty years of a daily series are a twentieth of it."""
SHOWN = 200  # characters of an answer that is quoted in a message
_READ_FOR_MESSAGE = 4096
_TRY_AGAIN = (408, 429)


@dataclass(frozen=True, slots=True)
class Validators:
    """What the last accepted answer of the same call said about its version."""

    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer.

    Attributes:
        outcome: ``data``, ``unchanged`` (304) or ``no_data`` (a status of ``Call.no_data``).
        status: Of the response.
        body: File with the bytes as they came, a key in them hidden; ``None`` unless data.
        content_type: Lower case, without parameters; empty = not said.
        etag: Of the response.
        last_modified: Of the response.
        sha256: Of the body; ``None`` unless data.
        bytes: Of the body, any compression on the way undone.
    """

    outcome: str
    status: int
    body: Path | None
    content_type: str
    etag: str | None
    last_modified: str | None
    sha256: str | None
    bytes: int


def exchange(
    http: httpx.Client, call: Call, known: Validators | None, scratch: Path, speed: Speed
) -> Fetched:
    """Send a request, follow redirects within its host, and take what is answered.

    Args:
        http: Its time limits bound the connection and each read.
        call: What to ask for.
        known: Sent as conditions.
        scratch: Folder for the body.
        speed: Told of every piece of the body.

    Raises:
        TryFailedError: No answer, or none that can be used.
        PublishError: The body cannot be written to the disk.
    """
    with _failed_tries(call):
        request = _request(http, call, known)
        for _ in range(MOST_REDIRECTS + 1):
            response = http.send(request, stream=True)
            try:
                if response.next_request is None:
                    return _taken(call, response, scratch, speed)
                request = _followed(request, response.next_request)
                to = redacted(str(request.url.copy_with(query=None)), call)
                logger().info("http_redirect", source=call.source, to=to)
            finally:
                response.close()
    raise TryFailedError(f"more than {MOST_REDIRECTS} redirects", passing=False)


def _request(http: httpx.Client, call: Call, known: Validators | None) -> httpx.Request:
    headers = httpx.Headers(list(_conditions(known)))
    if call.form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    for name, value in call.headers:
        headers[name] = value
    if call.form is None:
        return http.build_request("GET", sent_url(call), headers=headers)
    return http.build_request("POST", sent_url(call), headers=headers, content=urlencode(call.form))


def _conditions(known: Validators | None) -> Iterator[tuple[str, str]]:
    if known and known.etag:
        yield "If-None-Match", known.etag
    if known and known.last_modified:
        yield "If-Modified-Since", known.last_modified


def _followed(request: httpx.Request, following: httpx.Request) -> httpx.Request:
    """The request that a redirect asks for, if it stays on its host and is no less safe."""
    old, new = request.url, following.url
    same = (old.scheme, old.host, old.port) == (new.scheme, new.host, new.port)
    safer = (old.scheme, new.scheme) == ("http", "https") and old.host == new.host
    if not (same or safer):
        place = f"{new.scheme}://{new.netloc.decode()}"
        raise TryFailedError(
            f"redirects to another place, {place}: not followed; if that is its new address, "
            f"change the *_BASE_URL of this source",
            passing=False,
        )
    return following


def _taken(call: Call, response: httpx.Response, scratch: Path, speed: Speed) -> Fetched:
    status = response.status_code
    if status == httpx.codes.NOT_MODIFIED and _asked_conditionally(response.request):
        return _without_body("unchanged", response)
    may_be_empty = status in call.no_data
    if response.is_success and status != httpx.codes.PARTIAL_CONTENT and not may_be_empty:
        return _with_body(call, response, scratch, speed)
    words = _beginning(response)
    if may_be_empty and re.search(call.no_data_says, words):
        return _without_body("no_data", response)
    raise TryFailedError(
        _described(call, response, words),
        status=status,
        passing=response.is_server_error or status in _TRY_AGAIN,
        retry_after=retry_after(response.headers.get("retry-after"), datetime.now(UTC)),
    )


def _asked_conditionally(request: httpx.Request) -> bool:
    return "if-none-match" in request.headers or "if-modified-since" in request.headers


def _without_body(outcome: str, response: httpx.Response) -> Fetched:
    return Fetched(outcome, response.status_code, None, *_facts(response), None, 0)


def _facts(response: httpx.Response) -> tuple[str, str | None, str | None]:
    headers = response.headers
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return content_type, headers.get("etag"), headers.get("last-modified")


def _with_body(call: Call, response: httpx.Response, scratch: Path, speed: Speed) -> Fetched:
    with disk_errors(f"keeping an answer of {call.source}", "Correct that and run again."):
        scratch.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(suffix=".body", dir=scratch)
        path = Path(name)
        try:
            sha256, size = _streamed(call, response, descriptor, speed)
            if call.secret is not None:
                sha256, size = _hide_key(call, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return Fetched("data", response.status_code, path, *_facts(response), sha256, size)


def _streamed(
    call: Call, response: httpx.Response, descriptor: int, speed: Speed
) -> tuple[str, int]:
    most = MOST_BYTES.get(call.media, MOST_BYTES_OF_TEXT)
    sha256, size = hashlib.sha256(), 0
    with os.fdopen(descriptor, "wb") as file:
        for piece in response.iter_bytes():
            size += len(piece)
            if size > most:
                cause = f"a body of more than {most >> 20} MiB"
                raise TryFailedError(
                    cause, status=response.status_code, passing=False, refusal=False
                )
            sha256.update(piece)
            file.write(piece)
            speed.arrived(response.num_bytes_downloaded)
    speed.arrived(response.num_bytes_downloaded, last=True)
    if not size:
        raise TryFailedError("an empty body", status=response.status_code)
    return sha256.hexdigest(), size


def _hide_key(call: Call, path: Path) -> tuple[str, int]:
    """Take the key out of a body that echoes it; answers that need a key are small."""
    body = redacted_bytes(path.read_bytes(), call)
    path.write_bytes(body)
    return hashlib.sha256(body).hexdigest(), len(body)


def _beginning(response: httpx.Response) -> str:
    """The first words of an answer that is no data."""
    start = b""
    for piece in response.iter_bytes():
        start += piece
        if len(start) >= _READ_FOR_MESSAGE:
            break
    return start.decode(errors="replace")


def _described(call: Call, response: httpx.Response, words: str) -> str:
    """Status and first words of an answer, in one line."""
    text = " ".join(redacted(words, call).split())[:SHOWN]
    status = f"{response.status_code} {response.reason_phrase}".strip()
    return f"answered {status}: {text}" if text and text.isprintable() else f"answered {status}"


@contextmanager
def _failed_tries(call: Call) -> Iterator[None]:
    """Tell what the HTTP library raises; its own messages may hold the address with the key."""
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        cause = f"'{call.base}' is no address ({error}): correct the *_BASE_URL of this source"
        raise TryFailedError(redacted(cause, call), passing=False) from None
    except httpx.TimeoutException as error:
        raise TryFailedError(_TOO_SLOW.get(type(error), "too slow")) from None
    except (httpx.TransportError, httpx.DecodingError) as error:
        cause = f"connection failed: {error or type(error).__name__}"
        raise TryFailedError(redacted(cause, call)) from None


_TOO_SLOW: dict[type[httpx.TimeoutException], str] = {
    httpx.ConnectTimeout: "no connection in time",
    httpx.ReadTimeout: "connected, but nothing came in time",
    httpx.WriteTimeout: "connected, but the request was not taken in time",
}
