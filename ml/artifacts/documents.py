"""Reading and writing the JSON documents of a version with the care that outside files need.

A document that only a newer program can read says so by its format. Within a format, keys that
this program does not know are passed over.
"""

import json
from collections.abc import Hashable, Mapping
from datetime import date
from functools import cache
from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, TypeAdapter, ValidationError

from ml.artifacts.errors import StoreRefusedError, VerificationError
from ml.artifacts.keys import check_version_id

FORMAT = 1
MAX_BYTES = 1 << 20  # a record of the log has about five thousand
Document = TypeVar("Document")


def check_day(text: str) -> str:
    """An ISO day, as ``as_of`` has to be one: such texts order as the days do."""
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError(f"not a day as YYYY-MM-DD: {text!r}")
    return text


Day = Annotated[str, AfterValidator(check_day)]
VersionId = Annotated[str, AfterValidator(check_version_id)]


def to_bytes(document: Mapping[str, Any]) -> bytes:
    """A document as UTF-8 JSON; keys keep their order.

    Raises:
        ValueError: It holds NaN or infinity, which JSON does not know.
    """
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse(kind: type[Document], data: bytes, *, where: str) -> Document:
    """A document's bytes as a dataclass, whose annotations are checked; messages say ``where``.

    Raises:
        StoreRefusedError: It is of a format that this program does not know.
        VerificationError: It is no JSON object, or lacks what the dataclass needs.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise VerificationError(
            f"{where}: not readable as JSON ({error}). The file is damaged."
        ) from None
    if not isinstance(document, dict):
        raise VerificationError(f"{where}: not a JSON object. The file is damaged.")
    needed = (document.get("format"), document.get("min_reader", FORMAT))
    if needed[0] != FORMAT or not isinstance(needed[1], int) or needed[1] > FORMAT:
        raise StoreRefusedError(
            f"{where}: has format {needed[0]!r} for readers from {needed[1]!r} on, this program "
            f"reads format {FORMAT}. Update the program."
        )
    try:
        parsed: Document = _adapter(cast("Hashable", kind)).validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise VerificationError(
            f"{where}: not a {kind.__name__} ({place}: {first['msg']}). The file is damaged."
        ) from None
    return parsed


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
