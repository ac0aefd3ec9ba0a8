"""A store in a bucket of any S3 server; the only module that imports minio.

Of minio's client it uses what all servers know: put, get, head, list, delete, path style. A put
goes through the client's inner function, for the public one drops the condition without a word.
"""

import base64
import hashlib
import ssl
from collections.abc import Callable, Iterator
from itertools import count
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

from ml.artifacts.errors import (
    ConflictError,
    DeniedError,
    StoreError,
    StoreRefusedError,
    UnreachableError,
    VerificationError,
)
from ml.artifacts.store import Body, Entry, missing, require_key, too_large
from ml.durable import BLOCK
from pipelines.publish.s3_connection import HttpPool, Patience, RetryPolicy
from pipelines.publish.s3_target import S3Target

Result = TypeVar("Result")
LARGEST_PUT = 5 * 1024**3
_SHA256 = "x-amz-meta-sha256"
_TAKEN = 412
_IN_WORDS = (  # the narrower ones first
    (NameResolutionError, "no machine of that name is known"),
    (NewConnectionError, "no connection, nothing listens there"),
    (ConnectTimeoutError, "no connection in time"),
    (ReadTimeoutError, "no answer in time"),
    (ProtocolError, "the connection broke off"),
    (SSLError, "the connection broke off"),
)
_KEY = "the store does not take the key (S3_ACCESS_KEY, S3_SECRET_KEY)"
_NOT_ALLOWED = "the key is not allowed to do this; see deploy_ml_results --print-policies"
_FULL = "the store has no space left or the bucket's quota is used up"
_NO_STORE = "what answers there is no S3 store; correct S3_ENDPOINT"
_ELSEWHERE = "the bucket is elsewhere; correct S3_ENDPOINT and S3_REGION"
_CANNOT = "the store cannot do this, perhaps it knows no conditional writes"
_CHANGED = "the bytes changed on the way; run again"
_MEANINGS: dict[type[StoreError], dict[str | int, str]] = {
    DeniedError: {
        "AccessDenied": _NOT_ALLOWED,
        "InvalidAccessKeyId": _KEY,
        "SignatureDoesNotMatch": _KEY,
        "RequestTimeTooSkewed": "this machine's clock and the store's differ too much; set the "
        "clock",
        "AuthorizationHeaderMalformed": "the store is in another region; set S3_REGION",
        401: _NOT_ALLOWED,
        403: _NOT_ALLOWED,
    },
    StoreRefusedError: {
        "NoSuchBucket": "there is no such bucket; make it, or correct S3_BUCKET",
        "XMinioStorageFull": _FULL,
        "QuotaExceeded": _FULL,
        "XMinioAdminBucketQuotaExceeded": _FULL,
        "InsufficientStorage": _FULL,
        "EntityTooLarge": "the object is too large for this store",
        "PermanentRedirect": _ELSEWHERE,
        "TemporaryRedirect": _ELSEWHERE,
        "NotImplemented": _CANNOT,
        "MethodNotAllowed": _CANNOT,
        404: _NO_STORE,
        405: _NO_STORE,
        501: _CANNOT,
        507: _FULL,
    },
    VerificationError: {
        "BadDigest": _CHANGED,
        "XAmzContentSHA256Mismatch": _CHANGED,
        "InvalidDigest": _CHANGED,
        "IncompleteBody": _CHANGED,
    },
    ConflictError: {412: "something is there"},
}
"""By the kind of failure, codes of S3 and, where a server gave none, statuses of HTTP."""
_BUSY = (408, 429, 500, 502, 503, 504)
_NOT_BEGUN = (408, 429)
_NOT_SENT = (NameResolutionError, NewConnectionError, ConnectTimeoutError)
_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)  # by the line, or the peer


class RefusedRequest(Exception):  # noqa: N818 - a message between two functions, never seen outside
    """A store's refusal: the status and code to decide on, and the error if it is one."""

    def __init__(self, status: int, code: str, error: StoreError) -> None:
        self.status, self.code, self.error = status, code, error
        super().__init__(str(error))


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

            name, bucket = self._below + require_key(key), self._target.bucket
            creating, tries = "If-None-Match" in headers, count()

            def put() -> bool:
                # A long body is not sent again where the try before got through: many a server
                # refuses such a request and hangs up, without listening to all of it.
                if creating and next(tries) and self._exists(name):
                    return False
                # The client changes the headers it is given, and takes any buffer for bytes.
                self._client._put_object(  # noqa: SLF001 - see the top of the module
                    bucket,
                    name,
                    view,  # type: ignore[arg-type]
                    dict(headers),
                )
                return True

            try:
                return self._ask(f"writing {key}", put)
            except RefusedRequest as answer:
                if answer.status == _TAKEN and creating:
                    return False
                raise answer.error from None

    def _exists(self, name: str) -> bool:
        try:
            self._client.stat_object(bucket_name=self._target.bucket, object_name=name)
        except S3Error:
            return False
        return True

    def get(self, key: str, *, limit: int) -> Iterator[bytes]:
        """See :class:`ml.artifacts.store.Store`; goes on where a broken answer ended."""
        read, etag, patience = 0, None, Patience(self._retries)
        while True:
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
                patience.reached(read)
                if not patience.wait():
                    raise UnreachableError(
                        f"{self.name}: reading {key}: got no further than {read} bytes "
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
            found: list[Object] = []
            for entry in self._client.list_objects(
                bucket_name=self._target.bucket,
                prefix=self._below + prefix,
                recursive=True,
                start_after=self._below + after if after else None,
            ):
                found.append(entry)
                self._pool.reached(len(found))
            return found

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
        maybe_done = False  # by any of the tries, whatever the last one says

        def attempt(patience: Patience) -> Result:
            nonlocal maybe_done
            self._pool.have(patience)
            try:
                return request()
            except (S3Error, InvalidResponseError, ServerError) as error:
                failure = _as_error(f"{self.name}: {doing}", error)
            except HTTPError as error:
                failure = UnreachableError(
                    f"{self.name}: {doing}: {_reason(error)}.",
                    passing=not _distrusted(error),
                    maybe_done=not isinstance(_cause(error), _NOT_SENT) and not _distrusted(error),
                )
            told = failure.error if isinstance(failure, RefusedRequest) else failure
            maybe_done = told.maybe_done = told.maybe_done or maybe_done
            raise failure from None

        return self._retries.retry(attempt)


def _as_error(
    where: str, error: S3Error | InvalidResponseError | ServerError
) -> UnreachableError | RefusedRequest:
    """What an answer other than success means: worth trying again, or a refusal."""
    code = text = ""
    if isinstance(error, S3Error):
        status, code, text = error.response.status, error.code or "", error.message or ""
    else:
        status = error.status_code if isinstance(error, ServerError) else error._code  # noqa: SLF001 - it has no other name
    answer = f" ({status}{' ' + code if code else ''})"
    if status == 409 and code != "NoSuchBucket":
        # A concurrent write or removal got in the way and nothing landed: ask again.
        return UnreachableError(f"{where}: others keep getting in the way{answer}.")
    if status in _BUSY and code not in _MEANINGS[StoreRefusedError]:
        return UnreachableError(
            f"{where}: the store is not able to answer now{answer}.",
            maybe_done=status not in _NOT_BEGUN and code != "SlowDown",
        )
    known = [
        (kind, texts[sign])
        for sign in (code, status)
        for kind, texts in _MEANINGS.items()
        if sign in texts
    ]
    unknown = (StoreRefusedError, " ".join(text.split())[:200] or "refused")
    kind, reason = known[0] if known else unknown
    return RefusedRequest(status, code, kind(f"{where}: {reason}{answer}."))


def _cause(error: HTTPError) -> BaseException:
    return error.reason if isinstance(error, MaxRetryError) and error.reason else error


def _distrusted(error: HTTPError) -> bool:
    """Whether TLS failed, other than by a connection that broke off."""
    cause = _cause(error)
    return isinstance(cause, SSLError) and not any(isinstance(one, _CUT) for one in cause.args)


def _reason(error: HTTPError) -> str:
    """What happened, without the address, which in a signed request is a secret."""
    cause = _cause(error)
    if _distrusted(error):
        return (
            f"the certificate is not trusted or TLS failed ({cause}); set S3_CA_FILE to the "
            f"certificate authority's file, or S3_SECURE=false for plain http on this machine"
        )
    for kind, words in _IN_WORDS:
        if isinstance(cause, kind):
            return words
    return type(cause).__name__
