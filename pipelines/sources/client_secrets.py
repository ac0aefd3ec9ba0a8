"""Keys are sent and never seen: not in messages, logs, or what is stored."""

import json
import logging
from urllib.parse import quote, quote_plus

from pipelines.sources.base import Call

HIDDEN = "***"


def sent_url(call: Call) -> str:
    """The address to send a request to, key included; never to be written anywhere."""
    if call.secret is None:
        return call.url
    name, value = call.secret
    joint = "&" if "?" in call.target else "?"
    return f"{call.url}{joint}{quote(name, safe='')}={quote(value.get_secret_value(), safe='')}"


def redacted(text: str, call: Call) -> str:
    """A text without the key of a call, however it is spelled."""
    for spelling in _spellings(call):
        text = text.replace(spelling, HIDDEN)
    return text


def redacted_bytes(body: bytes, call: Call) -> bytes:
    """A body without the key of a call, however it is spelled."""
    for spelling in _spellings(call):
        body = body.replace(spelling.encode(), HIDDEN.encode())
    return body


def keep_requests_out_of_logs() -> None:
    """Silence what the HTTP library logs by itself: every address as sent, keys included."""
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    library = logging.getLogger("httpx")
    if _silent not in library.filters:
        library.addFilter(_silent)


def _silent(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _spellings(call: Call) -> list[str]:
    """The key as it is, as an address has it and as JSON has it, the longest first."""
    value = call.secret[1].get_secret_value() if call.secret else ""
    if not value:
        return []
    return sorted(
        {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]},
        key=len,
        reverse=True,
    )
