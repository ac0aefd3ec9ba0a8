"""What every night did, and why: one SQLite file, ``DATA_DIR/nights/ledger.sqlite``.

Each use of it is a transaction, on the disk when it ends. Its tables:

    runs       each night: when, how it ended, its last line, and the run it went on with
    steps      each command of a run: its inputs by one hash, what it took, how it ended
    decisions  what a run chose, and the reason
    inputs     the files and tables that a run read, by sha256
    versions   what a run made and published: data, models, code, seed, gate, record of the store

A run whose process is gone without an end is noted as died by the next one. Times are UTC, in
ISO 8601.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import MODEL_VERSIONS, version_key
from ml.artifacts.version import newest_whole_version, read_manifest
from ml.errors import DataError, PublishError
from ml.gate.stored import read_verdict
from ml.settings import Settings, settings
from pipelines.outside.ledger import transaction

FILE = Path("nights", "ledger.sqlite")  # below DATA_DIR
VERSION = 1
RUNNING, DONE, DEGRADED, KEPT = "running", "done", "degraded", "kept"
FAILED, STOPPED, DIED = "failed", "stopped", "died"
UNFINISHED = (FAILED, STOPPED, DIED)
"""How a run may have ended that the next one of its day goes on with."""
_SCHEMA = (
    """CREATE TABLE runs (id INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, day TEXT NOT NULL,
       started_at TEXT NOT NULL, ended_at TEXT, outcome TEXT NOT NULL, exit_code INTEGER,
       last_line TEXT, goes_on INTEGER REFERENCES runs, options TEXT NOT NULL, code TEXT NOT NULL,
       seed INTEGER NOT NULL, host TEXT NOT NULL, process INTEGER NOT NULL)""",
    """CREATE TABLE steps (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs,
       name TEXT NOT NULL, inputs TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT,
       outcome TEXT NOT NULL, exit_code INTEGER, last_line TEXT, seconds REAL, cpu_seconds REAL,
       peak_mib REAL, facts TEXT NOT NULL)""",
    """CREATE TABLE decisions (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs,
       at TEXT NOT NULL, about TEXT NOT NULL, choice TEXT NOT NULL, reason TEXT NOT NULL,
       facts TEXT NOT NULL)""",
    """CREATE TABLE inputs (run INTEGER NOT NULL REFERENCES runs, name TEXT NOT NULL,
       bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID""",
    """CREATE TABLE versions (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs,
       version_id TEXT NOT NULL, as_of TEXT NOT NULL, dataset_id TEXT NOT NULL,
       model_version TEXT NOT NULL, code TEXT NOT NULL, seed INTEGER NOT NULL,
       recipe TEXT NOT NULL, forecasts TEXT NOT NULL, fitted TEXT NOT NULL,
       rows TEXT NOT NULL, gate TEXT NOT NULL, store TEXT, seq INTEGER, published_at TEXT)""",
    "CREATE INDEX steps_by_run ON steps (run)",
    "CREATE INDEX decisions_by_run ON decisions (run)",
    "CREATE INDEX versions_by_id ON versions (version_id)",
)
_DAMAGED = (
    "Put it back from a copy (previsor restore), or remove it: what is published stays as it is, "
    "and the next night begins anew."
)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a night when it begins."""

    run_id: str  # as in the logs
    day: date  # on which it believes to run
    options: Mapping[str, Any]  # of the command
    code: str  # version of all code
    seed: int  # of the settings
    host: str  # name of the machine
    process: int  # id


@dataclass(frozen=True, slots=True)
class BegunRun:
    """A night that the ledger knows."""

    number: int  # of its row
    run_id: str  # as in the logs
    before: sqlite3.Row | None  # the run before it
    # what a run of the same day that did not come to its end has done, by step: the newest row
    left: Mapping[str, sqlite3.Row]


@contextmanager
def night_ledger(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """A transaction on the ledger.

    Raises:
        DataError: The file is damaged, or of newer code.
        PublishError: The disk refuses.
    """
    with transaction(data_dir / FILE, VERSION, _SCHEMA, _DAMAGED) as db:
        yield db


def moment(config: Settings) -> datetime:
    """The moment, UTC: of the clock, or its time of day on the day of ``TODAY``."""
    clock = datetime.now(UTC)
    return clock if config.today is None else datetime.combine(config.today, clock.timetz())


def now() -> str:
    """The moment, as the ledger writes it."""
    return moment(settings()).isoformat(timespec="milliseconds")


def begin_run(data_dir: Path, facts: RunFacts) -> BegunRun:
    """Note a night that begins, and of those that have no end that they died.

    The caller holds the night's lock: nobody else is one.
    """
    with night_ledger(data_dir) as db:
        db.execute("UPDATE steps SET outcome = ? WHERE outcome = ?", (DIED, RUNNING))
        db.execute("UPDATE runs SET outcome = ? WHERE outcome = ?", (DIED, RUNNING))
        before = db.execute("SELECT * FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        left = {}
        goes_on = None
        if (
            before is not None
            and before["outcome"] in UNFINISHED
            and before["day"] == str(facts.day)
        ):
            goes_on = before["id"]
            rows = db.execute("SELECT * FROM steps WHERE run = ? ORDER BY id", [goes_on])
            left = {row["name"]: row for row in rows}
        number = db.execute(
            "INSERT INTO runs (run_id, day, started_at, outcome, goes_on, options, code, seed, "
            "host, process) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (facts.run_id, str(facts.day), now(), RUNNING, goes_on, _json(facts.options),
             facts.code, facts.seed, facts.host, facts.process),
        ).lastrowid  # fmt: skip
    return BegunRun(number or 0, facts.run_id, before, left)


def end_run(data_dir: Path, run: int, outcome: str, code: int, line: str) -> None:
    """Note how a night ended.

    Raises:
        DataError: The file is another one than that in which the night began.
    """
    with night_ledger(data_dir) as db:
        noted = db.execute(
            "UPDATE runs SET ended_at = ?, outcome = ?, exit_code = ?, last_line = ? "
            "WHERE id = ? AND outcome = ?",
            (now(), outcome, code, line, run, RUNNING),
        )
    if not noted.rowcount:
        raise DataError(
            f"{data_dir / FILE}: was removed or replaced while the night was at work. "
            "What is published stays as it is; put the file back from a copy (previsor restore)."
        )


def begin_step(data_dir: Path, run: int, name: str, inputs: str, facts: Mapping[str, Any]) -> int:
    """Note a step that begins, with one hash of all that it depends on; its number."""
    with night_ledger(data_dir) as db:
        row = (run, name, inputs, now(), RUNNING, _json(facts))
        query = (
            "INSERT INTO steps (run, name, inputs, started_at, outcome, facts) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        return db.execute(query, row).lastrowid or 0


def end_step(data_dir: Path, step: int, outcome: str, **what: float | str | None) -> None:
    """Note how a step ended: any of exit_code, last_line, seconds, cpu_seconds, peak_mib."""
    names = ("ended_at", "outcome", *what)
    places = ", ".join(f"{name} = ?" for name in names)
    with night_ledger(data_dir) as db:
        query = f"UPDATE steps SET {places} WHERE id = ?"  # noqa: S608 - names of arguments
        db.execute(query, (now(), outcome, *what.values(), step))


def keep_step(data_dir: Path, run: int, row: sqlite3.Row) -> None:
    """Note that a step of an earlier run stands for one of this."""
    with night_ledger(data_dir) as db:
        db.execute(
            "INSERT INTO steps (run, name, inputs, started_at, ended_at, outcome, exit_code, "
            "last_line, facts) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)",
            (run, row["name"], row["inputs"], row["started_at"], row["ended_at"] or now(), KEPT,
             row["last_line"], row["facts"]),
        )  # fmt: skip


def decide(data_dir: Path, run: int, about: str, choice: str, reason: str, /, **facts: Any) -> None:
    """Note a decision: what it was about, what was chosen, and why."""
    with night_ledger(data_dir) as db:
        db.execute(
            "INSERT INTO decisions (run, at, about, choice, reason, facts) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (run, now(), about, choice, reason, _json(facts)),
        )


def note_inputs(data_dir: Path, run: int, files: Iterable[tuple[str, int, str]]) -> None:
    """Note what a night reads: name, bytes and sha256 of each file."""
    rows = [(run, *file) for file in files]
    with night_ledger(data_dir) as db:
        db.executemany("INSERT OR REPLACE INTO inputs VALUES (?, ?, ?, ?)", rows)


def inputs_of(data_dir: Path, run: int) -> dict[str, str]:
    """The sha256 of each file that a run has read, by its name below DATA_DIR."""
    with night_ledger(data_dir) as db:
        rows = db.execute("SELECT name, sha256 FROM inputs WHERE run = ? ORDER BY name", [run])
        return {row["name"]: row["sha256"] for row in rows}


def describe_version(results: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The newest whole version of a results folder, and what was chosen for it.

    The first is by the columns of the ledger, the second, by panel, the facts of
    :class:`ml.run.model_sets.SetChoice`.

    Raises:
        PublishError: There is none, or it is damaged.
    """
    record = newest_whole_version(results)
    if record is None:
        raise PublishError(f"'{results}' holds no whole version. Run generate_ml_results.")
    manifest = read_manifest(results, record.version_id)
    about = json.loads((results / version_key(record.version_id, MODEL_VERSIONS)).read_bytes())
    verdict = read_verdict(results_store(results), manifest)
    facts = {
        "version_id": record.version_id,
        "as_of": record.as_of,
        "code": str(about["code_version"]),
        "seed": int(about["seed"]),
        "dataset_id": str(manifest.run.get("dataset_id", "")),
        "model_version": str(manifest.run.get("model_version", "")),
        "forecasts": str(manifest.run.get("forecasts", "")),
        "fitted": dict(manifest.run.get("fitted", {})),
        "rows": {name: sum(file.rows or 0 for file in files)
                 for name, files in manifest.datasets.items()},
        "gate": [] if verdict is None else list(verdict.summary),
    }  # fmt: skip
    return facts, dict(manifest.run.get("chosen", {}))


def note_version(data_dir: Path, run: int, facts: Mapping[str, Any]) -> None:
    """Note a version that a night made; ``facts`` are columns of the table by name."""
    columns = {
        name: value if isinstance(value, str | int) else _json(value)
        for name, value in ({"run": run} | dict(facts)).items()
    }
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    with night_ledger(data_dir) as db:
        query = f"INSERT INTO versions ({names}) VALUES ({places})"  # noqa: S608 - constants
        db.execute(query, [*columns.values()])


def note_published(data_dir: Path, run: int, version: str, store: str, seq: int) -> None:
    """Note that a night's version is a record of a store."""
    with night_ledger(data_dir) as db:
        db.execute(
            "UPDATE versions SET store = ?, seq = ?, published_at = ? "
            "WHERE run = ? AND version_id = ?",
            (store, seq, now(), run, version),
        )


def last_version(data_dir: Path) -> sqlite3.Row | None:
    """The newest version that a night made."""
    with night_ledger(data_dir) as db:
        row: sqlite3.Row | None = db.execute(
            "SELECT * FROM versions ORDER BY id DESC LIMIT 1"
        ).fetchone()
    return row


def last_night(data_dir: Path, before: int) -> tuple[date, datetime] | None:
    """Day and end of the last night before a run that came to its end, whatever the clock said.

    A night that failed, or published nothing, has said so itself: it was not missed. One that was
    stopped or died has told nobody.
    """
    with night_ledger(data_dir) as db:
        query = (
            "SELECT day, ended_at FROM runs WHERE outcome IN (?, ?, ?) AND id < ? "
            "ORDER BY id DESC LIMIT 1"
        )
        row = db.execute(query, (DONE, DEGRADED, FAILED, before)).fetchone()
    if row is None:
        return None
    return date.fromisoformat(row["day"]), datetime.fromisoformat(row["ended_at"])


def failing_since(data_dir: Path, step: str) -> tuple[int, str] | None:
    """On how many days on end a step has failed, and the first of them; ``None`` = on none."""
    count, first = 0, ""
    with night_ledger(data_dir) as db:
        query = (
            "SELECT day, max(steps.outcome = ?) AS failed, max(steps.outcome IN (?, ?, ?)) AS good "
            "FROM steps JOIN runs ON runs.id = run WHERE name = ? GROUP BY day ORDER BY day DESC"
        )
        for row in db.execute(query, (FAILED, DONE, DEGRADED, KEPT, step)):
            if row["good"] or not row["failed"]:
                break
            count, first = count + 1, row["day"]
    return (count, first) if count else None


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
