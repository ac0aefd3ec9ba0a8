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
_FULL = "the store has no space left or the bucket's quota is used up"
_NO_STORE = "what answers there is no S3 store; correct S3_ENDPOINT"
_DENIED = {
    "AccessDenied": "the key is not allowed to do this; see deploy_ml_results --print-policies",
    "InvalidAccessKeyId": _KEY,
    "SignatureDoesNotMatch": _KEY,
    "RequestTimeTooSkewed": "this machine's clock and the store's differ too much; set the clock",
    "AuthorizationHeaderMalformed": "the store is in another region; set S3_REGION",
}
_REFUSED = {
    "NoSuchBucket": "there is no such bucket; make it, or correct S3_BUCKET",
    "XMinioStorageFull": _FULL,
    "QuotaExceeded": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "InsufficientStorage": _FULL,
    "EntityTooLarge": "the object is too large for this store",
    "PermanentRedirect": "the bucket is elsewhere; correct S3_ENDPOINT and S3_REGION",
    "TemporaryRedirect": "the bucket is elsewhere; correct S3_ENDPOINT and S3_REGION",
    "NotImplemented": "the store cannot do this, perhaps it knows no conditional writes",
    "MethodNotAllowed": "the store cannot do this, perhaps it knows no conditional writes",
}
_DAMAGED = {"BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest", "IncompleteBody"}
_BUSY = (408, 429, 500, 502, 503, 504)


class Answered(Exception):  # noqa: N818 - a message between two functions, never seen outside
    """A store's refusal: the status and code to decide on, and the error if it is one."""

    def __init__(self, status: int, code: str, error: StoreError) -> None:
        self.status, self.code, self.error = status, code, error
        super().__init__(str(error))


def translate(
    status: int, code: str, text: str, *, place: str, doing: str
) -> UnreachableError | Answered:
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
    if status in _BUSY and code not in _REFUSED:
        return UnreachableError(f"{where}: the store is not able to answer now{answer}.")
    return Answered(status, code, _error(status, code, text, where, answer))


def _error(status: int, code: str, text: str, where: str, answer: str) -> StoreError:
    kind, reason = _by_code(code) or _by_status(status)
    reason = reason or " ".join(text.split())[:200] or "refused"
    return kind(f"{where}: {reason}{answer}.")


def _by_code(code: str) -> tuple[type[StoreError], str] | None:
    if code in _DAMAGED:
        return VerificationError, "the bytes changed on the way; run again"
    if code in _DENIED:
        return DeniedError, _DENIED[code]
    if code in _REFUSED:
        return StoreRefusedError, _REFUSED[code]
    return None


def _by_status(status: int) -> tuple[type[StoreError], str]:
    by_status: dict[int, tuple[type[StoreError], str]] = {
        401: (DeniedError, _DENIED["AccessDenied"]),
        403: (DeniedError, _DENIED["AccessDenied"]),
        404: (StoreRefusedError, _NO_STORE),
        405: (StoreRefusedError, _NO_STORE),
        412: (ConflictError, "something is there"),
        501: (StoreRefusedError, _REFUSED["NotImplemented"]),
        507: (StoreRefusedError, _FULL),
    }
    return by_status.get(status, (StoreRefusedError, ""))
