"""What the server tells people: JSON lines on stderr, with nothing of a request as it came.

JSON writes whatever is not a plain sign as an escape, so a line stays one line.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any


def tell(event: str, **facts: Any) -> None:
    """Write a line about something that happened."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps({"timestamp": moment, "event": event} | facts, default=str)
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the log of a server is its stderr
