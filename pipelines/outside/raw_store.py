"""What was fetched, byte for byte, and when: ``DATA_DIR/raw/<source>/``.

    log.jsonl                     every look at the source, in order
    bodies/<sha256>.json.gz       an answer, named by its content; zip files as they are

Everything that was ever processed can be processed again from here, without a network.
"""

import gzip
import hashlib
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ml.durable import BLOCK, NewFile, copy_new, disk_errors, make_folder, remove, replace
from ml.errors import DataError
from pipelines.outside.raw_log import append, records, turn
from pipelines.sources.base import Answer, Call
from pipelines.sources.exchange import Fetched, Validators

BODIES = "bodies"
_PART = ".part"
_DO = "Correct that and run again."


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a source.

    Attributes:
        call: What was asked, less what only sending needs (key, headers, weight, ``no_data``).
        day: Day of the run.
        retrieved_at: UTC.
        outcome: ``data``, ``unchanged``, ``no_data`` or ``rejected``.
        answer: What came; ``None`` where nothing did, or where a rejected body was cleared away.
        reason: Why it was rejected.
    """

    call: Call
    day: date
    retrieved_at: datetime
    outcome: str
    answer: Answer | None
    reason: str | None


class RawStore:
    """The answers of all sources.

    An answer is kept first, then read, and logged last: as data, or as rejected with the reason.

    Args:
        root: ``DATA_DIR/raw``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._whole: set[Path] = set()

    def keep(self, call: Call, fetched: Fetched, day: date) -> Answer:
        """Store a body; the temporary file is gone afterwards. Nothing is logged yet.

        Raises:
            ValueError: There is no body.
            PublishError: The disk does not take it.
        """
        if fetched.body is None or fetched.sha256 is None:
            raise ValueError(f"an answer that is '{fetched.outcome}' has no body to keep")
        path = self._root / _file(call, fetched.sha256)
        with disk_errors(f"keeping an answer of {call.source}", _DO), turn(path.parent.parent):
            make_folder(path.parent)
            if not (path.exists() and _content_sha256(path) == fetched.sha256):
                _write(fetched.body, path)
            remove(fetched.body)
        self._whole.add(path)
        return Answer(path, day, fetched.content_type)

    def log(self, call: Call, fetched: Fetched, day: date, *, reason: str | None = None) -> None:
        """Write a look into the log.

        Args:
            call: What was asked.
            fetched: What came.
            day: Day of the run.
            reason: Why the answer was rejected; ``None`` = it was not.

        Raises:
            PublishError: The disk does not take it.
        """
        folder = self._root / call.source
        with disk_errors(f"logging an answer of {call.source}", _DO), turn(folder):
            append(folder, _record(call, fetched, day, reason))

    def looks(self, source: str, *, start: int = 0) -> list[Look]:
        """Looks at a source, in order; each body is checked once.

        Args:
            source: Its name.
            start: So many looks at the beginning are passed over, their bodies left unopened.

        Raises:
            DataError: A body is missing or damaged.
        """
        return [self._look(record) for record in islice(records(self._root / source), start, None)]

    def validators(self, call: Call) -> Validators | None:
        """Those of the newest data for the same request, if that is still here."""
        found: dict[str, Any] | None = None
        for record in records(self._root / call.source, naming=call.target):
            if record["outcome"] == "data" and _asks(record) == _asks_of(call):
                found = record
        if found is None or not (self._root / found["file"]).exists():
            return None
        validators = Validators(found["etag"], found["last_modified"])
        return validators if validators != Validators(None, None) else None

    def _look(self, record: Mapping[str, Any]) -> Look:
        day, outcome = date.fromisoformat(record["day"]), record["outcome"]
        answer = None
        if record["file"] is not None:
            path = self._root / record["file"]
            if outcome == "data":
                self._check(path, record["sha256"])
            if path.exists():
                answer = Answer(path, day, record["content_type"])
        at = datetime.fromisoformat(record["retrieved_at"])
        return Look(_call(record), day, at, outcome, answer, record["reason"])

    def _check(self, path: Path, sha256: str) -> None:
        if path in self._whole:
            return
        if not path.exists():
            raise DataError(f"raw store: '{path}' is missing. {_lost(path)}")
        if _content_sha256(path) != sha256:
            raise DataError(f"raw store: '{path}' does not hold what its name says. {_lost(path)}")
        self._whole.add(path)


def _lost(path: Path) -> str:
    return (
        f"Put it back from a copy, or remove '{path.parent.parent}' and fetch this source anew "
        f"with ENABLE_EXTERNAL_APIS=true."
    )


def _file(call: Call, sha256: str) -> str:
    suffix = call.media if call.media == "zip" else f"{call.media}.gz"
    return f"{call.source}/{BODIES}/{sha256}.{suffix}"


def _write(body: Path, path: Path) -> None:
    """Write a body under its name: whole or not at all, the same bytes for the same body."""
    part = path.with_name(f"{path.name}{_PART}")
    remove(part)  # of a run that died
    if path.suffix == ".gz":
        with (
            body.open("rb") as reader,
            NewFile(part) as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as writer,
        ):
            shutil.copyfileobj(reader, writer, BLOCK)
    else:
        copy_new(body, part)
    replace(part, path)


def _content_sha256(path: Path) -> str | None:
    """Of the bytes as they came; ``None`` where they cannot be read."""
    try:
        with Answer(path, date.min).open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error):
        return None


def _record(call: Call, fetched: Fetched, day: date, reason: str | None) -> dict[str, Any]:
    return {
        "url": call.url,
        **_asks_of(call),
        "series": list(call.series),
        "media": call.media,
        "context": dict(call.context),
        "conditional": call.conditional,
        "source": call.source,
        "day": day.isoformat(),
        "retrieved_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "outcome": fetched.outcome if reason is None else "rejected",
        "status": fetched.status,
        "etag": fetched.etag,
        "last_modified": fetched.last_modified,
        "content_type": fetched.content_type,
        "sha256": fetched.sha256,
        "bytes": fetched.bytes,
        "file": _file(call, fetched.sha256) if fetched.sha256 else None,
        "reason": None if reason is None else call.redact(reason),
    }


def _asks_of(call: Call) -> dict[str, Any]:
    """What makes two requests the same."""
    form = None if call.form is None else [list(pair) for pair in call.form]
    return {"base": call.base, "target": call.target, "form": form}


def _asks(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("base", "target", "form")}


def _call(record: Mapping[str, Any]) -> Call:
    form = record["form"]
    return Call(
        record["source"],
        record["base"],
        record["target"],
        tuple(record["series"]),
        record["media"],
        context=record["context"],
        form=None if form is None else tuple((name, value) for name, value in form),
        conditional=record["conditional"],
    )
