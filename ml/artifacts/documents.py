"""Reading and writing the JSON documents of a version with the care that outside files need."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from ml.errors import PublishError

FORMAT = 1
MAX_BYTES = 1 << 20  # a record of the log has about five thousand


class UnknownFormatError(PublishError):
    """A sound document that only a newer program can read."""


def to_bytes(document: Mapping[str, Any]) -> bytes:
    """A document as UTF-8 JSON; keys keep their order.

    Raises:
        ValueError: It holds NaN or infinity, which JSON does not know.
    """
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def from_bytes(data: bytes, *, where: str) -> dict[str, Any]:
    """A document that this program can read.

    Raises:
        UnknownFormatError: It is of a format that this program does not know.
        PublishError: It is no JSON object.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise PublishError(
            f"{where}: not readable as JSON ({error}). The file is damaged."
        ) from None
    if not isinstance(document, dict):
        raise PublishError(f"{where}: not a JSON object. The file is damaged.")
    needed = (document.get("format"), document.get("min_reader", FORMAT))
    if needed[0] != FORMAT or not isinstance(needed[1], int) or needed[1] > FORMAT:
        raise UnknownFormatError(
            f"{where}: has format {needed[0]!r} for readers from {needed[1]!r} on, this program "
            f"reads format {FORMAT}. Update the program."
        )
    return document


def read_bytes(path: Path, *, where: str, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a document, unless there are suspiciously many.

    Raises:
        PublishError: It is missing or larger than any document of ours.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise PublishError(
                f"{where}: has {size} bytes, such a document has at most {limit}. It is damaged."
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise PublishError(f"{where}: is missing.") from None
    except OSError as error:
        raise PublishError(f"{where}: cannot be read ({error.strerror}).") from None


def checked_day(text: str) -> str:
    """An ISO day, as ``as_of`` has to be one: such texts order as the days do."""
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError(f"not a day as YYYY-MM-DD: {text!r}")
    return text
