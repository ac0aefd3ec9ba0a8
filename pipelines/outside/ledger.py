"""What was asked of the outside sources, what came, and what of it is in the tables.

One SQLite file, ``DATA_DIR/raw/ledger.sqlite``; every use of it is a transaction, on the disk when
it ends. Its tables:

    answers    every answer in the order of arrival; the bytes are files of the raw store
    runs       each run of a domain whose tables are in place
    windows    what such a run asked for without a failure, from a first day to that of the run
    in_tables  which answers the tables of a domain hold

A run that dies leaves answers that are in no tables: the next one reads them first.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from ml.durable import disk_errors, make_folder
from ml.errors import DataError, PublishError
from pipelines.outside.known_series import Key

FILE = "ledger.sqlite"
VERSION = 1
SECONDS_TO_WAIT = 60.0  # while another command writes to it; each time takes milliseconds
COLUMNS = (
    "source", "base", "target", "form", "series", "media", "context", "conditional", "day",
    "retrieved_at", "outcome", "status", "etag", "last_modified", "content_type", "sha256",
    "bytes", "file", "reason",
)  # fmt: skip
JSON = ("form", "series", "context")
_SCHEMA = (
    f"CREATE TABLE answers (id INTEGER PRIMARY KEY, {', '.join(COLUMNS)})",
    "CREATE INDEX answers_by_target ON answers (source, target)",
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, domain, day)",
    "CREATE TABLE windows (run INTEGER, series, region, first)",
    "CREATE TABLE in_tables (domain, answer INTEGER, PRIMARY KEY (domain, answer)) WITHOUT ROWID",
)
_DAMAGED = (
    "Put it back from a copy, or remove it: the tables stay as they are, and the next runs ask for "
    "everything since HISTORY_START again."
)
Window = tuple[date, date]
"""First and last day that were asked for; the last one is that of the run."""


@contextmanager
def ledger(raw: Path) -> Iterator[sqlite3.Connection]:
    """A transaction on the ledger.

    Raises:
        DataError: The file is damaged, or of newer code.
        PublishError: The disk refuses.
    """
    with transaction(raw / FILE, VERSION, _SCHEMA, _DAMAGED) as db:
        yield db


@contextmanager
def transaction(
    path: Path, version: int, schema: Iterable[str], damaged: str
) -> Iterator[sqlite3.Connection]:
    """A transaction on a file of SQLite, on the disk when it ends.

    Args:
        path: The file; it is made where there is none.
        version: Of what the code knows to be in it.
        schema: Statements that make it of an empty file.
        damaged: What to do about a file that is damaged, for the error.

    Raises:
        DataError: The file is damaged, or of newer code.
        PublishError: The disk refuses.
    """
    with disk_errors(f"opening '{path}'", "Correct that and run again."):
        make_folder(path.parent)
    with _errors_in_one_line(path, damaged):
        db = sqlite3.connect(path, timeout=SECONDS_TO_WAIT, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous = EXTRA")  # a commit is on the disk, and so is its name
            db.execute("BEGIN IMMEDIATE")
            (found,) = db.execute("PRAGMA user_version").fetchone()
            if found > version:
                raise DataError(
                    f"{path}: was written by newer code: use that, or another DATA_DIR."
                )
            if found < version:
                for statement in schema:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {version}")
            yield db
            db.commit()
        finally:
            db.close()  # what was not committed is taken back


@contextmanager
def _errors_in_one_line(path: Path, damaged: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise PublishError(f"'{path}': {error}. Correct that and run again.") from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a fault of this code
            raise
        raise DataError(f"{path}: is damaged ({error}). {damaged}") from error


def insert_answer(db: sqlite3.Connection, answer: Mapping[str, Any]) -> int:
    """Add an answer by its columns, what is no plain value as JSON; its number."""
    row = [json.dumps(answer[c], ensure_ascii=False) if c in JSON else answer[c] for c in COLUMNS]
    places = ", ".join("?" * len(COLUMNS))
    query = f"INSERT INTO answers ({', '.join(COLUMNS)}) VALUES ({places})"  # noqa: S608 - constants
    return db.execute(query, row).lastrowid or 0


def last_run(raw: Path, domain: str) -> date | None:
    """Day of the newest run of a domain."""
    with ledger(raw) as db:
        (day,) = db.execute("SELECT max(day) FROM runs WHERE domain = ?", [domain]).fetchone()
    return None if day is None else date.fromisoformat(day)


def windows_asked(raw: Path, domain: str) -> dict[Key, list[Window]]:
    """What earlier runs of a domain have asked for without a failure, by series and region."""
    query = (
        "SELECT series, region, first, day FROM windows JOIN runs ON runs.id = run "
        "WHERE domain = ? ORDER BY run"
    )
    found: dict[Key, list[Window]] = {}
    with ledger(raw) as db:
        for series, region, first, last in db.execute(query, [domain]):
            days = date.fromisoformat(first), date.fromisoformat(last)
            found.setdefault((series, region), []).append(days)
    return found


def insert_run(
    db: sqlite3.Connection,
    domain: str,
    day: date,
    *,
    answers: Iterable[int],
    windows: Iterable[tuple[Key, date]],
) -> None:
    """Note a run, its tables being in place.

    ``answers`` are the numbers of those in the tables now; ``windows`` say of what was asked for
    without a failure the series, the region and the first day.
    """
    row = [domain, day.isoformat()]
    run = db.execute("INSERT INTO runs (domain, day) VALUES (?, ?)", row).lastrowid
    rows = [(run, *key, first.isoformat()) for key, first in windows]
    db.executemany("INSERT INTO windows VALUES (?, ?, ?, ?)", rows)
    numbers = [(domain, number) for number in answers]
    db.executemany("INSERT OR IGNORE INTO in_tables VALUES (?, ?)", numbers)


def set_aside_after(db: sqlite3.Connection, domain: str, sources: Iterable[str], day: date) -> int:
    """Take back the runs of a domain after a day; the number of answers set aside.

    These stay in the ledger and the raw store, but nothing reads them any more.
    """
    later = (domain, day.isoformat())
    runs = "SELECT id FROM runs WHERE domain = ? AND day > ?"
    db.execute(f"DELETE FROM windows WHERE run IN ({runs})", later)  # noqa: S608 - a constant
    db.execute("DELETE FROM runs WHERE domain = ? AND day > ?", later)
    answers = "day > ? AND source IN (SELECT value FROM json_each(?))"
    found = db.execute(
        f"UPDATE answers SET outcome = 'set aside' WHERE {answers}",  # noqa: S608 - a constant
        (day.isoformat(), json.dumps([*sources])),
    )
    return found.rowcount
