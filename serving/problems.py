"""What a request that cannot be answered gets: a status and a sentence, as RFC 9457 has them."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson

MEDIA_TYPE = "application/problem+json"


class RequestProblem(Exception):  # noqa: N818 - the word of RFC 9457, and an answer rather than an error
    """A request that cannot be answered.

    Args:
        status: Of HTTP.
        detail: What is wrong and what to do, a sentence.
        headers: Of the answer, beside the usual ones.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.detail = status, detail
        self.headers = dict(headers or {})
        super().__init__(detail)

    def body(self) -> bytes:
        """The document. Texts of the request in it are JSON's texts, and stay such in a page."""
        title = HTTPStatus(self.status).phrase
        return orjson.dumps(
            {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        )


def shorten(text: str, most: int = 80) -> str:
    """A text of a request, for a sentence: quoted, without signs that turn or hide others."""
    shown = text if len(text) <= most else f"{text[:most]}…"
    return "'" + "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in shown) + "'"
