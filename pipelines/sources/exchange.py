"""One request and its answer: sent, followed, judged by its status, streamed to a file."""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from ml.durable import disk_errors
from ml.logs import logger
from pipelines.sources.base import Call

Excuse = Callable[[float], None]
"""Told of seconds in which a large body moved, which is no wait."""
MOST_REDIRECTS = 5
MOST_BYTES = {"zip": 4 << 30}
"""Longest body that is taken [bytes], by what a good answer is."""
MOST_BYTES_OF_TEXT = 32 << 20
"""That of everything else: forty years of a daily series are a twentieth of it."""
FAST = 100 * 1024
"""A ZIP that arrives at least this fast [bytes/s] is no wait."""
_WINDOW = 0.2  # over which the speed is taken [s]
SHOWN = 200  # characters of an answer that is quoted in a message
_READ_FOR_MESSAGE = 4096
_TRY_AGAIN = (408, 429)
_CONDITIONS = ("If-None-Match", "If-Modified-Since")


class TryFailedError(Exception):
    """One request without a usable answer, which counts against its host.

    Attributes:
        cause: What happened, without a key.
        status: Of the answer; ``None`` = there was none.
        retry_after: How long the server wants to be left alone [s]; 0 = it does not say.
        tries: How many requests there were so far.
    """

    tries = 1

    def __init__(self, cause: str, *, status: int | None = None, retry_after: float = 0.0) -> None:
        super().__init__(cause)
        self.cause, self.status, self.retry_after = cause, status, retry_after


class PassingError(TryFailedError):
    """A fault after which another try may help."""


class RefusedError(TryFailedError):
    """The server's word: no other try helps, and nothing is held against the host."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What the last accepted answer of the same call said about its version."""

    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class FetchResult:
    """An answer."""

    outcome: str  # `data`, `unchanged` (304) or `no_data` (a status of `Call.no_data`)
    status: int  # of the response
    body: Path | None  # file with the bytes as they came, a key in them hidden; `None` unless data
    content_type: str  # lower case, without parameters; empty = not said
    etag: str | None  # of the response
    last_modified: str | None  # of the response
    sha256: str | None  # of the body; `None` unless data
    bytes: int  # of the body, any compression on the way undone


def exchange(
    http: httpx.Client, call: Call, known: Validators | None, scratch: Path, excuse: Excuse
) -> FetchResult:
    """Send a request, follow redirects within its host, and take what is answered.

    The time limits of ``http`` bound the connection and each read; what is known of an older answer
    is sent as conditions.

    Raises:
        TryFailedError: No answer, or none that can be used.
        PublishError: The body cannot be written to the disk.
    """
    with _failed_tries(call):
        form = None if call.form is None else dict(call.form)
        method, headers = "GET" if form is None else "POST", httpx.Headers(call.headers)
        if known and known.etag:
            headers["If-None-Match"] = known.etag
        if known and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        request = http.build_request(method, call.url_with_key, headers=headers, data=form)
        for _ in range(MOST_REDIRECTS + 1):
            response = http.send(request, stream=True)
            try:
                if response.next_request is None:
                    return _take(call, response, scratch, excuse)
                request = _follow(request, response.next_request)
                to = call.redact(str(request.url.copy_with(query=None)))
                logger().info("http_redirect", source=call.source, to=to)
            finally:
                response.close()
    raise RefusedError(f"more than {MOST_REDIRECTS} redirects")


def retry_after(header: str | None, now: datetime) -> float:
    """Seconds from now that a ``Retry-After`` header asks for; 0 where it says nothing.

    It holds seconds or an HTTP date (RFC 9110, section 10.2.3).
    """
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:  # "-0000": UTC of an unknown place
        moment = moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


def _follow(request: httpx.Request, following: httpx.Request) -> httpx.Request:
    """The request that a redirect asks for, if it stays on its host and is no less safe."""
    old, new = request.url, following.url
    same = (old.scheme, old.host, old.port) == (new.scheme, new.host, new.port)
    safer = (old.scheme, new.scheme) == ("http", "https") and old.host == new.host
    if not (same or safer):
        place = f"{new.scheme}://{new.netloc.decode()}"
        raise RefusedError(
            f"redirects to another place, {place}: not followed; if that is its new address, "
            f"change the *_BASE_URL of this source"
        )
    return following


def _take(call: Call, response: httpx.Response, scratch: Path, excuse: Excuse) -> FetchResult:
    """What an answer is by its status; only a good one has its body kept."""
    status, sent = response.status_code, response.request.headers
    if status == httpx.codes.NOT_MODIFIED and any(name in sent for name in _CONDITIONS):
        return _fetched("unchanged", response)
    may_be_empty = status in call.no_data
    if response.is_success and status != httpx.codes.PARTIAL_CONTENT and not may_be_empty:
        return _with_body(call, response, scratch, excuse)
    words = next(response.iter_bytes(_READ_FOR_MESSAGE), b"").decode(errors="replace")
    if may_be_empty and re.search(call.no_data_says, words):
        return _fetched("no_data", response)
    cause = f"answered {status} {response.reason_phrase}".strip()
    text = " ".join(call.redact(words).split())[:SHOWN]
    if text and text.isprintable():
        cause += f": {text}"
    if response.is_server_error or status in _TRY_AGAIN:
        asked = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
        raise PassingError(cause, status=status, retry_after=asked)
    raise RefusedError(cause, status=status)


def _fetched(
    outcome: str, response: httpx.Response, body: Path | None = None, sha256: str | None = None
) -> FetchResult:
    headers, size = response.headers, body.stat().st_size if body else 0
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    version = headers.get("etag"), headers.get("last-modified")
    return FetchResult(outcome, response.status_code, body, content_type, *version, sha256, size)


def _with_body(call: Call, response: httpx.Response, scratch: Path, excuse: Excuse) -> FetchResult:
    pieces = _pieces(call, response, excuse)
    if call.secret is not None:  # a key may be echoed; answers that need one are small
        text = b"".join(pieces).decode(errors="surrogateescape")
        pieces = iter([call.redact(text).encode(errors="surrogateescape")])
    with disk_errors(f"keeping an answer of {call.source}", "Correct that and run again."):
        scratch.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(suffix=".body", dir=scratch)
        sha256 = hashlib.sha256()
        try:
            with os.fdopen(descriptor, "wb") as file:
                for piece in pieces:
                    sha256.update(piece)
                    file.write(piece)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return _fetched("data", response, Path(name), sha256.hexdigest())


def _pieces(call: Call, response: httpx.Response, excuse: Excuse) -> Iterator[bytes]:
    """The body as it arrives, as long as it is neither empty nor without an end."""
    most, size = MOST_BYTES.get(call.media, MOST_BYTES_OF_TEXT), 0
    arriving = excuse_fast(response, excuse) if call.media == "zip" else response.iter_bytes()
    for piece in arriving:
        size += len(piece)
        if size > most:
            cause = f"a body of more than {most >> 20} MiB"
            raise TryFailedError(cause, status=response.status_code)
        yield piece
    if not size:
        raise PassingError("an empty body", status=response.status_code)


def excuse_fast(response: httpx.Response, excuse: Excuse) -> Iterator[bytes]:
    """Pass a body on, and excuse the time of each window in which it came fast."""
    start, before = time.monotonic(), 0
    for piece in response.iter_bytes():
        yield piece
        seconds, total = time.monotonic() - start, response.num_bytes_downloaded
        if seconds >= _WINDOW:
            if total - before >= FAST * seconds:
                excuse(seconds)
            start, before = start + seconds, total


@contextmanager
def _failed_tries(call: Call) -> Iterator[None]:
    """Tell what the HTTP library raises; its own messages may hold the address with the key."""
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        cause = f"'{call.base}' is no address ({error}): correct the *_BASE_URL of this source"
        raise RefusedError(call.redact(cause)) from None
    except httpx.TimeoutException as error:
        raise PassingError(_TOO_SLOW.get(type(error), "too slow")) from None
    except (httpx.TransportError, httpx.DecodingError) as error:
        cause = f"connection failed: {error or type(error).__name__}"
        raise PassingError(call.redact(cause)) from None


_TOO_SLOW: dict[type[httpx.TimeoutException], str] = {
    httpx.ConnectTimeout: "no connection in time",
    httpx.ReadTimeout: "connected, but nothing came in time",
    httpx.WriteTimeout: "connected, but the request was not taken in time",
}
