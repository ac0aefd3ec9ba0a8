"""Conditions that people should know of, and their messages: one as it opens, one as it ends.

Three tables in the SQLite file of whoever calls:

    conditions  what holds or held: kind, what it is about, when it opened, was last seen and ended
    named       the things that its messages have named, of conditions that hold in many things
    messages    a receipt for each message and address: when it was due, tried, sent or given up

A night collects each :class:`NightFinding` as it goes and at its end calls
:func:`pipelines.messages.watch.tell_people`, which calls :func:`update_conditions` and delivers
what is due. A night that dies before told nothing; called again with the same run, nothing counts
twice.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

KINDS = {
    "failed": "the night failed",
    "degraded": "the night went on without something",
    "gate_closed": "a version was not published",
    "drift": "data are no longer what they were",
    "wrong_in_life": "a model that was good in the backtest is wrong in life",
    "missed_night": "nights did not run",
    "data_late": "there are no new data",
}
QUIET_RUNS = {"drift": 3, "wrong_in_life": 3}  # runs without it until such a condition has ended
UNTOLD = ""  # address of a message where none is set
_IS_OPEN = "WHERE kind = ? AND subject = ? AND ended_at IS NULL"
# The state of a message: due, sent, given up (tried often enough), dropped (its condition ended
# before it was tried), or no address.
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS conditions (
        id INTEGER PRIMARY KEY, kind, subject, text, opened_at, opened_run, seen_at, seen_run,
        quiet INTEGER, quiet_run, ended_at, ended_run)""",
    """CREATE UNIQUE INDEX IF NOT EXISTS open_conditions ON conditions (kind, subject)
        WHERE ended_at IS NULL""",
    """CREATE TABLE IF NOT EXISTS named (
        condition INTEGER, sort, name, PRIMARY KEY (condition, sort, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY, condition INTEGER, event, address, title, body, due_at, state,
        attempts INTEGER, tried_at, sent_at, reason)""",
)


@dataclass(frozen=True, slots=True)
class NightFinding:
    """Something that holds tonight and that people should know of."""

    kind: str  # one of KINDS
    subject: str  # what it is about, `climate_etl`, `demand_ms`; empty = the whole night
    text: str  # one line
    # sort and name of each thing in which it holds, `("items less", "PART-7")`; see judge_news
    named: frozenset[tuple[str, str]] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a kind that is not known."""
        if self.kind not in KINDS:
            raise ValueError(f"not a kind of condition: {self.kind!r}")


@dataclass(frozen=True, slots=True)
class ConditionChange:
    """A condition that opened or ended, or holds in more than people know of."""

    event: str  # `opened`, `more` or `ended`
    kind: str  # one of KINDS
    subject: str  # what it is about
    text: str  # what was said of it last


def prepare_tables(db: sqlite3.Connection) -> None:
    """Create the tables where they are missing."""
    for statement in _SCHEMA:
        db.execute(statement)


def update_conditions(
    db: sqlite3.Connection,
    findings: Iterable[NightFinding],
    *,
    looked_at: Collection[str],
    run_id: str,
    now: datetime,
    addresses: Sequence[str] = (),
) -> list[ConditionChange]:
    """Open the conditions found and end those that are gone; their messages become due.

    Args:
        db: With the tables; the caller commits.
        findings: What holds. Two of one kind and subject are one: the last one's text counts.
        looked_at: Kinds that the run could judge: others stay as they are. A night that failed
            before the gate knows nothing of it.
        run_id: Of the night.
        now: An instant with a time zone.
        addresses: Names that messages go to, of :func:`pipelines.messages.transport.addresses_of`.

    Returns:
        What changed, in the order of KINDS.
    """
    stamp = write_moment(now)
    found = {(one.kind, one.subject): one for one in findings}
    changes = []
    for (kind, subject), one in sorted(found.items(), key=lambda item: _order(item[0])):
        event = judge_news(db, one)
        number, opened = _see(db, one, run_id, stamp)
        if event:
            changes.append(ConditionChange(event, kind, subject, one.text))
            _make_due(db, number, changes[-1], stamp, addresses, opened)
            db.executemany("INSERT OR IGNORE INTO named VALUES (?, ?, ?)",
                           [(number, *thing) for thing in sorted(one.named)])  # fmt: skip
        elif untold := [name for name in addresses if not _messages_to(db, number, name)]:
            change = ConditionChange("opened", kind, subject, one.text)
            _make_due(db, number, change, stamp, untold, opened)
    for row in open_conditions(db):
        key = (row["kind"], row["subject"])
        if key in found or row["kind"] not in looked_at or row["quiet_run"] == run_id:
            continue
        quiet = row["quiet"] + 1
        db.execute("UPDATE conditions SET quiet = ?, quiet_run = ? WHERE id = ?",
                   [quiet, run_id, row["id"]])  # fmt: skip
        if quiet >= QUIET_RUNS.get(row["kind"], 1):
            changes.append(ConditionChange("ended", *key, row["text"]))
            _make_due(db, row["id"], changes[-1], stamp, addresses, row["opened_at"])
            db.execute("UPDATE conditions SET ended_at = ?, ended_run = ? WHERE id = ?",
                       [stamp, run_id, row["id"]])  # fmt: skip
    return changes


def write_moment(now: datetime) -> str:
    """An instant with a time zone as the tables have it."""
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def open_conditions(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """The conditions that hold, in the order of KINDS."""
    rows = select_rows(db, "SELECT * FROM conditions WHERE ended_at IS NULL")
    return sorted(rows, key=lambda row: _order((row["kind"], row["subject"])))


def select_rows(db: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    """Rows by the names of their columns, whatever the connection makes of rows."""
    cursor = db.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _order(key: tuple[str, str]) -> tuple[int, str]:
    return [*KINDS].index(key[0]), key[1]


def judge_news(db: sqlite3.Connection, one: NightFinding) -> str:
    """What people have to be told of a finding: ``opened``, ``more``, or nothing.

    More is told of a condition that holds where things of some sort are named that none of its
    messages has named, at least as many as these have named of that sort. So a change of another
    kind is told at once, a growing one as often as it doubles, and one that flickers hardly ever.
    """
    query = f"SELECT id FROM conditions {_IS_OPEN}"  # noqa: S608 - a constant
    row = db.execute(query, [one.kind, one.subject]).fetchone()
    if row is None:
        return "opened"
    told = {*db.execute("SELECT sort, name FROM named WHERE condition = ?", [row[0]]).fetchall()}
    known = Counter(sort for sort, _ in told)
    new = Counter(sort for sort, _ in one.named - {tuple(thing) for thing in told})
    return "more" if any(count >= known[sort] for sort, count in new.items()) else ""


def _see(db: sqlite3.Connection, one: NightFinding, run_id: str, stamp: str) -> tuple[int, str]:
    """Note that a condition holds; its number, and since when."""
    seen = db.execute(
        "UPDATE conditions SET text = ?, seen_at = ?, seen_run = ?, quiet = 0, "  # noqa: S608
        f"quiet_run = NULL {_IS_OPEN}",
        [one.text, stamp, run_id, one.kind, one.subject],
    )
    if not seen.rowcount:
        db.execute(
            "INSERT INTO conditions (kind, subject, text, opened_at, opened_run, seen_at, "
            "seen_run, quiet) VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            [one.kind, one.subject, one.text, stamp, run_id, stamp, run_id],
        )
    query = f"SELECT id, opened_at FROM conditions {_IS_OPEN}"  # noqa: S608 - a constant
    number, opened = db.execute(query, [one.kind, one.subject]).fetchone()
    return number, opened


def _make_due(
    db: sqlite3.Connection,
    number: int,
    change: ConditionChange,
    stamp: str,
    addresses: Sequence[str],
    opened: str,
) -> None:
    """One message an address; who was not told of a thing need not hear of its end."""
    about = f" ({change.subject})" if change.subject else ""
    word = {"ended": "recovered: ", "more": "more: "}.get(change.event, "")
    title = f"Previsor: {word}{KINDS[change.kind]}{about}"
    body = f"{change.text}\nSince {opened}, condition {number}."
    if change.event == "ended":
        body = f"This has ended: {body} Ended {stamp}."
    for address in addresses or (UNTOLD,):
        state = "due" if address else "no address"
        if change.event == "ended":
            db.execute(
                "UPDATE messages SET state = 'dropped' WHERE condition = ? AND address = ? AND "
                "state = 'due' AND attempts = 0",
                [number, address],
            )
            heard = any(_messages_to(db, number, address))
            state = "dropped" if address and not heard else state
        db.execute(
            "INSERT INTO messages (condition, event, address, title, body, due_at, state, "
            "attempts) VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            [number, change.event, address, title, body, stamp, state],
        )


def _messages_to(db: sqlite3.Connection, number: int, address: str) -> list[int]:
    """Of each message of a condition to an address, how often it was tried."""
    query = "SELECT attempts FROM messages WHERE condition = ? AND address = ?"
    return [attempts for (attempts,) in db.execute(query, [number, address])]
