"""What was fetched, byte for byte: ``DATA_DIR/raw/<source>/bodies/<sha256>.json.gz``.

A file is named by its content, and zip files are kept as they are. The ledger says what each one
answers; all that was ever processed can be processed again from here, without a network.
"""

import gzip
import hashlib
import json
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import TypeAdapter

from ml.durable import disk_errors, remove, staged
from ml.errors import DataError
from pipelines.outside.ledger import JSON, insert_answer, ledger
from pipelines.sources.base import Answer, Call
from pipelines.sources.exchange import FetchResult, Validators

_CALL = TypeAdapter(Call)
_OF_CALL = ("source", "base", "target", "series", "media", "context", "form", "conditional")
_OF_FETCHED = ("status", "etag", "last_modified", "content_type", "sha256", "bytes")


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer of a source, as the ledger has it."""

    number: int  # of the answer, in the order of arrival
    call: Call  # what was asked, less what only sending needs (key, headers, weight, `no_data`)
    day: date  # day of the run
    outcome: str  # `data`, `unchanged`, `no_data` or `rejected`
    body: Path | None  # where the bytes are; `None` where nothing came
    sha256: str | None  # of the bytes as they came
    content_type: str  # of the response
    reason: str | None  # why it was rejected


class RawStore:
    """The answers of all sources.

    An answer is kept first, then read, and logged last: as data, or as rejected with the reason.
    The numbers of those that were logged or handed out here are ``seen``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[int] = []

    def keep(self, call: Call, fetched: FetchResult, day: date) -> Answer:
        """Store a body; the temporary file is gone afterwards. Nothing is logged yet.

        Raises:
            ValueError: There is no body.
            PublishError: The disk does not take it.
        """
        if fetched.body is None or fetched.sha256 is None:
            raise ValueError(f"an answer that is '{fetched.outcome}' has no body to keep")
        path = self.root / _file(call, fetched.sha256)
        with disk_errors(f"keeping an answer of {call.source}", "Correct that and run again."):
            if not (path.exists() and _content_sha256(path) == fetched.sha256):
                _write(fetched.body, path)
            remove(fetched.body)
        return Answer(path, day, fetched.content_type)

    def log(
        self, call: Call, fetched: FetchResult, day: date, *, reason: str | None = None
    ) -> None:
        """Write an answer into the ledger; ``reason`` says why it was rejected, where it was.

        Raises:
            PublishError: The disk does not take it.
        """
        answer = {
            **{name: getattr(call, name) for name in _OF_CALL},
            **{name: getattr(fetched, name) for name in _OF_FETCHED},
            "day": day.isoformat(),
            "outcome": fetched.outcome if reason is None else "rejected",
            "file": _file(call, fetched.sha256) if fetched.sha256 else None,
            "reason": None if reason is None else call.redact(reason),
        }
        with ledger(self.root) as db:  # one at a time, so that times rise with the numbers
            now = datetime.now(UTC).isoformat(timespec="microseconds")
            self.seen.append(insert_answer(db, {**answer, "retrieved_at": now}))

    def answers(self, sources: Iterable[str], *, not_in: str | None = None) -> list[LoggedAnswer]:
        """Answers of some sources as they came, less those in the tables of domain ``not_in``."""
        query = (
            "SELECT * FROM answers WHERE source IN (SELECT value FROM json_each(?)) AND id NOT IN "
            "(SELECT answer FROM in_tables WHERE domain = ?) ORDER BY day, retrieved_at, id"
        )
        with ledger(self.root) as db:
            rows = db.execute(query, [json.dumps([*sources]), not_in]).fetchall()
        self.seen += [row["id"] for row in rows]
        calls = (
            {name: json.loads(row[name]) if name in JSON else row[name] for name in _OF_CALL}
            for row in rows
        )
        return [
            LoggedAnswer(
                row["id"],
                _CALL.validate_python(call),
                date.fromisoformat(row["day"]),
                row["outcome"],
                None if row["file"] is None else self.root / row["file"],
                row["sha256"],
                row["content_type"],
                row["reason"],
            )
            for row, call in zip(rows, calls, strict=True)
        ]

    def body(self, logged: LoggedAnswer) -> Answer:
        """The bytes of an answer, checked.

        Raises:
            ValueError: There are none.
            DataError: They are missing or damaged.
        """
        path = logged.body
        if path is None:
            raise ValueError(f"an answer that is '{logged.outcome}' has no body to read")
        if not path.exists() or _content_sha256(path) != logged.sha256:
            fault = "does not hold what its name says" if path.exists() else "is missing"
            raise DataError(
                f"raw store: '{path}' {fault}. Put it back from a copy, or remove "
                f"'{path.parent.parent}' and fetch this source anew with ENABLE_EXTERNAL_APIS=true."
            )
        return Answer(path, logged.day, logged.content_type)

    def validators(self, call: Call) -> Validators | None:
        """With what to ask for "only if it has changed": only if the stored one was read for this.

        The same file serves several series, tables and regions: what was read for others, or from
        a later day on, is fetched once more.
        """
        query = (
            "SELECT * FROM answers WHERE source = ? AND base = ? AND target = ? AND form = ? "
            "AND outcome = 'data' ORDER BY id DESC LIMIT 1"
        )
        request = [call.source, call.base, call.target, json.dumps(call.form)]
        with ledger(self.root) as db:
            row = db.execute(query, request).fetchone()
        if row is None or not (self.root / row["file"]).exists():
            return None
        before, now = json.loads(row["context"]), dict(call.context)
        if before.pop("first", "") > now.pop("first", ""):
            return None
        before.pop("last", None), now.pop("last", None)
        found = Validators(row["etag"], row["last_modified"])
        return found if before == now and found != Validators(None, None) else None


def _file(call: Call, sha256: str) -> str:
    suffix = call.media if call.media == "zip" else f"{call.media}.gz"
    return f"{call.source}/bodies/{sha256}.{suffix}"


def _write(body: Path, path: Path) -> None:
    """Write a body under its name: whole or not at all, the same bytes for the same body."""
    with staged(path) as beside, body.open("rb") as reader, beside.open("wb") as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as writer:
                shutil.copyfileobj(reader, writer)
        else:
            shutil.copyfileobj(reader, file)


def _content_sha256(path: Path) -> str | None:
    """Of the bytes as they came; ``None`` where they cannot be read."""
    try:
        with Answer(path, date.min).open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error):
        return None
