"""The three keys that a bucket needs, each allowed as little as it can do with."""

from typing import Any

_SHOWN = ("versions", "_commits", "metadata")
_PAST = ("history/past_forecasts", "history/scores")  # created once, and never removed
_WRITTEN = (*_SHOWN, "forecasts", "recommendations", "metrics", "history", "_probe")
_VERSION = "2012-10-17"


def policies(bucket: str, prefix: str = "") -> dict[str, dict[str, Any]]:
    """Policies by role; all but ``log`` belong to a user, ``log`` to the bucket.

    Everything lies below the prefix, or anywhere in the bucket where it is empty.
    """
    whole = f"arn:aws:s3:::{bucket}"
    below = f"{whole}/{prefix}/" if prefix else f"{whole}/"
    # Names in the whole bucket, also where there is a prefix. Without it an absent object answers
    # 403 instead of 404; and so it does on AWS and Ceph where the permission is bound to a prefix,
    # for a read names none.
    listing = {
        "Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [whole],
    }  # fmt: skip
    # Stands in each user's own policy, whatever else that user is allowed elsewhere: MinIO asks the
    # policy of a bucket about requests without a key alone.
    keep_log = {
        "Sid": "LogIsAppendOnly",
        "Effect": "Deny",
        "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        "Resource": [f"{below}{folder}/*" for folder in ("_commits", *_PAST)],
    }

    def policy(*allowed: tuple[str, list[str], tuple[str, ...]]) -> dict[str, Any]:
        first, *others = (
            {"Sid": sid, "Effect": "Allow", "Action": [f"s3:{name}" for name in actions],
             "Resource": [f"{below}{folder}/*" for folder in folders]}
            for sid, actions, folders in allowed
        )  # fmt: skip
        return {"Version": _VERSION, "Statement": [first, listing, *others, keep_log]}

    return {
        "reader": policy(("Read", ["GetObject"], (*_SHOWN, *_PAST))),
        "publisher": policy(("Put", ["GetObject", "PutObject"], _WRITTEN)),
        "janitor": policy(
            ("Read", ["GetObject"], (*_SHOWN, *_PAST, "_gc")),
            ("Mark", ["PutObject", "DeleteObject"], ("_gc",)),
            ("Remove", ["DeleteObject"], ("versions", "_probe")),
        ),
        "log": {"Version": _VERSION, "Statement": [keep_log | {"Principal": {"AWS": ["*"]}}]},
    }
