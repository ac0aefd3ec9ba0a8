"""Removing what the raw store keeps of answers that brought nothing.

Answers with data stay for good: the tables, with what was known when, are built again from nothing
else. What goes with age are notes of answers that were refused, empty or unchanged, with the bytes
of refused ones, and bytes that no note names, which a run left that died between the two.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ml.durable import remove, remove_all
from ml.locks import hold
from pipelines.outside.domain_sources import DOMAINS
from pipelines.outside.ledger import FILE, ledger

_OLD = "SELECT id FROM answers WHERE outcome != 'data' AND day < ?"
_STAYS = "SELECT DISTINCT file FROM answers WHERE (outcome = 'data' OR day >= ?) AND file != ''"


@dataclass(frozen=True, slots=True)
class PrunedAnswers:
    """What was removed from the raw store, or would be."""

    notes: int  # lines of the ledger
    paths: tuple[Path, ...]  # files of bytes, and folders in which a dead run read
    bytes: int  # of them


def prune_answers(raw: Path, before: datetime, *, dry_run: bool) -> PrunedAnswers:
    """Remove notes and bytes that nobody reads any more and that are older than a moment.

    Raises:
        PublishError: An ETL command is at work, or the disk refused.
    """
    if not (raw / FILE).is_file():
        return PrunedAnswers(0, (), 0)
    with ExitStack() as locks:
        for name in DOMAINS:  # between bytes and note, bytes that nobody names are in use
            locks.enter_context(hold(raw / "_runs" / f".{name}"))
        day = before.date().isoformat()
        with ledger(raw) as db:
            named = {raw / file for (file,) in db.execute(_STAYS, [day])}
            old = db.execute(_OLD, [day]).fetchall()
            if not dry_run:
                db.executemany("DELETE FROM in_tables WHERE answer = ?", old)
                db.executemany("DELETE FROM answers WHERE id = ?", old)
        # After the notes: bytes without a note are found by the next call, the other way round
        # is a damaged store.
        files = (path for path in raw.glob("*/bodies/[!.]*") if path not in named)
        paths = [path for path in (*files, *raw.glob(".importing-*")) if _is_older(path, before)]
        size = sum(map(size_of, paths))
        if not dry_run:
            for path in paths:
                (remove if path.is_file() else remove_all)(path)
    return PrunedAnswers(len(old), tuple(sorted(paths)), size)


def _is_older(path: Path, before: datetime) -> bool:
    return path.stat().st_mtime < before.timestamp()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
