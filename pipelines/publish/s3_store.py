"""A store in a bucket of any S3 server; the only module that imports minio.

Of minio's client it uses what all servers know: put, get, head, list, delete, path style. A put
goes through the client's inner function, for the public one drops the condition without a word.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from minio import Minio
from minio.datatypes import Object
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from ml.artifacts.errors import StoreError, UnreachableError, VerificationError
from ml.artifacts.store import Body, Entry, missing, require_key, too_large
from ml.durable import BLOCK
from pipelines.publish.s3_connection import HttpPool, RetryPolicy
from pipelines.publish.s3_errors import RefusedRequest, translate
from pipelines.publish.s3_target import S3Target

Result = TypeVar("Result")
LARGEST_PUT = 5 * 1024**3
READ_TRIES = 5
_SHA256 = "x-amz-meta-sha256"
_TAKEN = 412
_IN_WORDS = (  # the narrower ones first
    (NameResolutionError, "no machine of that name is known"),
    (NewConnectionError, "no connection, nothing listens there"),
    (ConnectTimeoutError, "no connection in time"),
    (ReadTimeoutError, "no answer in time"),
    (ProtocolError, "the connection broke off"),
)


class S3Store:
    """Objects in a bucket, below a prefix.

    Args:
        target: Where, and the key to open it with.
        single_writer: See :class:`ml.artifacts.store.Store`.
        retries: With a server that does not answer.
        pool: Connections; the drills pass some that fail.
    """

    def __init__(
        self,
        target: S3Target,
        *,
        single_writer: bool = False,
        retries: RetryPolicy | None = None,
        pool: HttpPool | None = None,
    ) -> None:
        self.name = target.name
        self.single_writer = single_writer
        self.withdraws = False  # a publisher may not remove
        self._target = target
        self._below = f"{target.prefix}/" if target.prefix else ""
        self._retries = retries or RetryPolicy()
        self._pool = pool or HttpPool(target.ca_file)
        self._client = Minio(
            target.endpoint,
            access_key=target.access_key,
            secret_key=target.secret_key,
            secure=target.secure,
            region=target.region,
            http_client=self._pool,
        )

    def create(self, key: str, body: Body) -> bool:
        """See :class:`ml.artifacts.store.Store`."""
        if self.single_writer:
            if self.head(key) is not None:
                return False
            self._send(key, body, {})
            return True
        return self._send(key, body, {"If-None-Match": "*"})

    def put(self, key: str, body: Body) -> None:
        """See :class:`ml.artifacts.store.Store`."""
        self._send(key, body, {"Cache-Control": "no-cache"})

    def _send(self, key: str, body: Body, headers: dict[str, str]) -> bool:
        if not 0 < body.size <= LARGEST_PUT:
            raise VerificationError(
                f"{key}: has {body.size} bytes, one object has 1 to {LARGEST_PUT}."
            )
        with body.view() as view:
            md5 = hashlib.md5(view, usedforsecurity=False).digest()
            headers |= {
                "Content-Type": "application/json"
                if key.endswith(".json")
                else "application/octet-stream",
                "Content-MD5": base64.b64encode(md5).decode(),
                _SHA256: body.sha256,
            }

            def put() -> None:
                # The client changes the headers it is given, and takes any buffer for bytes.
                self._client._put_object(  # noqa: SLF001 - see the top of the module
                    self._target.bucket,
                    self._below + require_key(key),
                    view,  # type: ignore[arg-type]
                    dict(headers),
                )

            try:
                self._ask(f"writing {key}", put)
            except RefusedRequest as answer:
                if answer.status == _TAKEN and "If-None-Match" in headers:
                    return False
                raise answer.error from None
        return True

    def get(self, key: str, *, limit: int) -> Iterator[bytes]:
        """See :class:`ml.artifacts.store.Store`; goes on where a broken answer ended."""
        read, etag = 0, None
        for tries_left in reversed(range(READ_TRIES)):
            response = self._ask_of(key, "reading", self._client.get_object, offset=read)
            if response is None:
                raise missing(self.name, key)
            try:
                if etag is not None and response.headers.get("etag") != etag:
                    raise VerificationError(f"{key}: changed while it was read. Run again.")
                etag = response.headers.get("etag")
                for block in response.stream(BLOCK):
                    read += len(block)
                    if read > limit:
                        raise too_large(key, limit)
                    yield block
            except HTTPError as error:
                if not tries_left:
                    raise UnreachableError(
                        f"{self.name}: reading {key}: broke off {READ_TRIES} times "
                        f"({_reason(error)})."
                    ) from None
            else:
                return
            finally:
                response.close()
                response.release_conn()

    def head(self, key: str) -> Entry | None:
        """See :class:`ml.artifacts.store.Store`."""
        found = self._ask_of(key, "looking at", self._client.stat_object)
        if found is None:
            return None
        return Entry(key, found.size or 0, (found.metadata or {}).get(_SHA256))

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        """See :class:`ml.artifacts.store.Store`."""

        def find() -> list[Object]:
            return list(
                self._client.list_objects(
                    bucket_name=self._target.bucket,
                    prefix=self._below + prefix,
                    recursive=True,
                    start_after=self._below + after if after else None,
                )
            )

        try:
            found = self._ask(f"listing {prefix}", find)
        except RefusedRequest as answer:
            raise answer.error from None
        for entry in found:
            key = (entry.object_name or "").removeprefix(self._below)
            yield Entry(key, entry.size or 0)

    def remove(self, key: str) -> None:
        """See :class:`ml.artifacts.store.Store`."""
        self._ask_of(key, "removing", self._client.remove_object)

    def _ask_of(
        self, key: str, doing: str, request: Callable[..., Result], **more: Any
    ) -> Result | None:
        """Send a request about an object; ``None`` where there is none."""
        name, bucket = self._below + require_key(key), self._target.bucket
        try:
            return self._ask(
                f"{doing} {key}", lambda: request(bucket_name=bucket, object_name=name, **more)
            )
        except RefusedRequest as answer:
            if answer.code == "NoSuchKey":
                return None
            raise answer.error from None

    def anonymous_status(self, key: str) -> int:
        """The HTTP status that a request for an object gets when it carries no key at all."""
        scheme = "https" if self._target.secure else "http"
        path = f"{self._target.bucket}/{self._below}{require_key(key)}"

        def unsigned() -> int:
            url = f"{scheme}://{self._target.endpoint}/{path}"
            return self._pool.urlopen("GET", url, preload_content=True).status

        return self._ask(f"asking for {key} without a key", unsigned)

    def _ask(self, doing: str, request: Callable[[], Result]) -> Result:
        """Send a request until it is answered.

        Raises:
            RefusedRequest: With anything but success.
            UnreachableError: It was not answered in time.
        """

        def attempt(deadline: float) -> Result:
            self._pool.wait_until(deadline)
            try:
                return request()
            except (S3Error, InvalidResponseError, ServerError) as error:
                raise self._as_error(doing, error) from None
            except HTTPError as error:
                passing = not isinstance(_cause(error), SSLError)
                raise UnreachableError(
                    f"{self.name}: {doing}: {_reason(error)}.", passing=passing
                ) from None

        return self._retries.retry(attempt)

    def _as_error(
        self, doing: str, error: S3Error | InvalidResponseError | ServerError
    ) -> StoreError | RefusedRequest:
        if isinstance(error, S3Error):
            status, code = error.response.status, error.code or ""
            text = error.message or ""
        else:
            status = error.status_code if isinstance(error, ServerError) else error._code  # noqa: SLF001 - it has no other name
            code, text = "", ""
        return translate(status, code, text, place=self.name, doing=doing)


def _cause(error: HTTPError) -> BaseException:
    return error.reason if isinstance(error, MaxRetryError) and error.reason else error


def _reason(error: HTTPError) -> str:
    """What happened, without the address, which in a signed request is a secret."""
    cause = _cause(error)
    if isinstance(cause, SSLError):
        return (
            f"the certificate is not trusted or TLS failed ({cause}); set S3_CA_FILE to the "
            f"certificate authority's file, or S3_SECURE=false for plain http on this machine"
        )
    for kind, words in _IN_WORDS:
        if isinstance(cause, kind):
            return words
    return type(cause).__name__
