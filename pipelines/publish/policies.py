"""The three keys that a bucket needs, each allowed as little as it can do with."""

import json
from typing import Any

_SHOWN = ("versions", "_commits", "metadata")
_FLAT = ("forecasts", "recommendations", "metrics")
Statement = dict[str, Any]


def policies(bucket: str, prefix: str = "") -> dict[str, dict[str, Any]]:
    """Policies by role; all but ``log`` belong to a user, ``log`` to the bucket.

    Args:
        bucket: The bucket.
        prefix: Key below which everything lies, empty for the whole bucket.
    """
    place = _Place(bucket, prefix)
    return {
        "reader": _policy(
            place.allow("Read", ["s3:GetObject"], _SHOWN),
            place.listing("List"),
            place.keep_log(),
        ),
        "publisher": _policy(
            place.allow("Put", ["s3:GetObject", "s3:PutObject"], (*_SHOWN, *_FLAT, "_probe")),
            place.listing("List"),
            place.keep_log(),
        ),
        "janitor": _policy(
            place.allow("Read", ["s3:GetObject"], (*_SHOWN, "_gc")),
            place.listing("List"),
            place.allow("Mark", ["s3:PutObject", "s3:DeleteObject"], ("_gc",)),
            place.allow("Remove", ["s3:DeleteObject"], ("versions", "_probe")),
            place.keep_log(),
        ),
        "log": _policy(place.append_only()),
    }


def policies_text(bucket: str, prefix: str = "") -> str:
    """The policies as one JSON document."""
    return json.dumps(policies(bucket, prefix), indent=2)


class _Place:
    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = f"arn:aws:s3:::{bucket}"
        self._below = f"{self._bucket}/{prefix}/" if prefix else f"{self._bucket}/"

    def allow(self, sid: str, actions: list[str], folders: tuple[str, ...]) -> Statement:
        resources = [f"{self._below}{folder}/*" for folder in folders]
        return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}

    def listing(self, sid: str) -> Statement:
        """Names in the whole bucket, also where there is a prefix.

        Without it an absent object answers 403 instead of 404; and so it does on AWS and Ceph
        where the permission is bound to a prefix, for a read names none.
        """
        resources = [self._bucket]
        return {"Sid": sid, "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": resources}

    def keep_log(self) -> Statement:
        """Stands in each user's own policy, whatever else that user is allowed elsewhere.

        MinIO asks the policy of a bucket about requests without a key alone.
        """
        return {
            "Sid": "LogIsAppendOnly",
            "Effect": "Deny",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": [f"{self._below}_commits/*"],
        }

    def append_only(self) -> Statement:
        return self.keep_log() | {"Principal": {"AWS": ["*"]}}


def _policy(*statements: Statement) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
