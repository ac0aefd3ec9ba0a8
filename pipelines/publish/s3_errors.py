"""What the answers of S3 servers mean for a user."""

from ml.artifacts.errors import (
    ConflictError,
    DeniedError,
    StoreError,
    StoreRefusedError,
    UnreachableError,
    VerificationError,
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


class RefusedRequest(Exception):  # noqa: N818 - a message between two functions, never seen outside
    """A store's refusal: the status and code to decide on, and the error if it is one."""

    def __init__(self, status: int, code: str, error: StoreError) -> None:
        self.status, self.code, self.error = status, code, error
        super().__init__(str(error))


def translate(
    status: int, code: str, text: str, *, place: str, doing: str
) -> UnreachableError | RefusedRequest:
    """What an answer other than success means.

    Args:
        status: Of HTTP.
        code: The server's word for it, empty if it gave none.
        text: Its sentence.
        place: The store.
        doing: What was asked for.

    Returns:
        An error that is worth trying again, or the refusal.
    """
    where = f"{place}: {doing}"
    answer = f" ({status}{' ' + code if code else ''})"
    if status == 409 and code != "NoSuchBucket":
        # A concurrent write or removal got in the way and nothing landed: ask again.
        return UnreachableError(f"{where}: others keep getting in the way{answer}.")
    if status in _BUSY and code not in _MEANINGS[StoreRefusedError]:
        return UnreachableError(f"{where}: the store is not able to answer now{answer}.")
    known = [
        (kind, texts[sign])
        for sign in (code, status)
        for kind, texts in _MEANINGS.items()
        if sign in texts
    ]
    unknown = (StoreRefusedError, " ".join(text.split())[:200] or "refused")
    kind, reason = known[0] if known else unknown
    return RefusedRequest(status, code, kind(f"{where}: {reason}{answer}."))
