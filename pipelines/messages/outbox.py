"""Delivering messages that are due: each attempt is on the disk before it is made.

A message whose answer was lost is sent again, so it may come twice, with the same number; one that
nobody takes is given up after as many attempts as the settings allow, over as many nights.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ml.logs import logger
from pipelines.messages.conditions import select_rows, write_moment
from pipelines.messages.transport import send

PAUSES = (2.0, 10.0)  # seconds before the second and the third attempt of a night


def deliver(
    db: sqlite3.Connection,
    addresses: Mapping[str, str],
    *,
    most_attempts: int,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    pause: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Send what is due, oldest first; up to three attempts for each message that is not taken.

    Args:
        db: With the tables of :mod:`pipelines.messages.conditions`. It is committed before and
            after each attempt, so call this outside of a transaction.
        addresses: URL by name. Messages to a name that is there no more are given up.
        most_attempts: Of one message, those of earlier nights among them.
        now: The clock.
        pause: Waits for so many seconds.

    Returns:
        A line for each message that was not taken tonight, without any secret.
    """
    reasons: dict[int, str] = {}
    for wait in (0.0, *PAUSES):
        due = select_rows(db, "SELECT * FROM messages WHERE state = 'due' ORDER BY id")
        if not due:
            break
        if wait:
            pause(wait)
        for row in due:
            number, name = row["id"], row["address"]
            if name not in addresses:
                reason: str | None = "the settings name this address no more"
                _note(db, number, state="given up", reason=reason)
            else:
                reason = _try(db, row["id"], addresses[name], row, most_attempts, now)
            if reason is None:
                reasons.pop(number, None)
            else:
                reasons[number] = f"message {number} to {name}: {reason}"
    return list(reasons.values())


def _try(
    db: sqlite3.Connection,
    number: int,
    url: str,
    row: Mapping[str, str],
    most_attempts: int,
    now: Callable[[], datetime],
) -> str | None:
    """One attempt; the reason why the message was not taken."""
    attempts = int(row["attempts"]) + 1
    stamp, last = write_moment(now()), attempts >= most_attempts
    # Should this process die while it sends, the attempt counts.
    _note(db, number, attempts=attempts, tried_at=stamp, state="given up" if last else "due",
          reason="tried, the outcome is not known")  # fmt: skip
    reason = send(url, row["title"], f"{row['body']} Message {number}.")
    if reason is None:
        _note(db, number, state="sent", sent_at=stamp, reason=None)
        logger().info("message_sent", message=number, to=row["address"])
    else:
        _note(db, number, reason=reason)
        logger().warning("message_not_sent", message=number, to=row["address"], reason=reason)
    return reason


def _note(db: sqlite3.Connection, number: int, **columns: object) -> None:
    """Write columns of a message, on the disk when this returns."""
    names = ", ".join(f"{name} = ?" for name in columns)
    query = f"UPDATE messages SET {names} WHERE id = ?"  # noqa: S608 - names of this module
    db.execute(query, [*columns.values(), number])
    db.commit()
