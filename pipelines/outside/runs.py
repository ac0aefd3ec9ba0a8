"""What each run of a domain has done: which answers are in its tables, and what it looked at.

``DATA_DIR/raw/_runs/<domain>.jsonl`` gets a line after the tables are in place. A run that dies
before leaves answers in the raw store that no line counts: the next run reads them first. And a
look counts as one only with its line: what was not asked for, or failed, was not looked at.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ml.durable import disk_errors, make_folder, sync_folder
from ml.errors import DataError
from pipelines.outside.keys import Key

FOLDER = "_runs"
UNCHANGED = "What is stored stays; correct that and run again."


@dataclass(frozen=True, slots=True)
class Looked:
    """Series of regions that were looked at without a failure.

    Attributes:
        keys: Series and region of each.
        first: First day that was asked for.
        day: Day of the run.
    """

    keys: tuple[Key, ...]
    first: date
    day: date


@dataclass(frozen=True, slots=True)
class Runs:
    """All that earlier runs of a domain have left.

    Attributes:
        looked: Every look.
        read: Looks of each source's log that are in the tables.
        last: Day of the newest run.
    """

    looked: tuple[Looked, ...] = ()
    read: Mapping[str, int] = field(default_factory=dict)
    last: date | None = None

    def looks(self) -> dict[Key, list[tuple[date, date]]]:
        """First day asked for and day of the look, by series and region."""
        found: dict[Key, list[tuple[date, date]]] = {}
        for look in self.looked:
            for key in look.keys:
                found.setdefault(key, []).append((look.first, look.day))
        return found


def runs_file(raw: Path, domain: str) -> Path:
    """Where the runs of a domain are listed."""
    return raw / FOLDER / f"{domain}.jsonl"


def read_runs(path: Path) -> Runs:
    """The runs of a domain; a last line that a crash cut off is left out.

    Raises:
        DataError: Another line cannot be read.
    """
    if not path.exists():
        return Runs()
    lines = _without_torn_line(path.read_bytes()).splitlines()
    looked: list[Looked] = []
    read: dict[str, int] = {}
    last = None
    for number, line in enumerate(lines, start=1):
        try:
            run = json.loads(line)
            last = date.fromisoformat(run["day"])
            looked += [_looked(one, last) for one in run["looked"]]
            read |= run["read"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: line {number} of {len(lines)} cannot be read ({error!r}). Restore the "
                "file, or remove that line: its looks are then as if never made."
            ) from None
    return Runs(tuple(looked), read, last)


def add_run(path: Path, day: date, read: Mapping[str, int], looked: Sequence[Looked]) -> None:
    """Add a run, on the disk when this returns."""
    line = {"day": day.isoformat(), "read": dict(sorted(read.items())), "looked": _plain(looked)}
    with disk_errors(f"writing '{path}'", UNCHANGED):
        make_folder(path.parent)
        whole = _without_torn_line(path.read_bytes() if path.exists() else b"")
        with path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(len(whole))
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)


def _without_torn_line(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def _plain(looked: Iterable[Looked]) -> list[dict[str, Any]]:
    return [{"first": look.first.isoformat(), "keys": list(look.keys)} for look in looked]


def _looked(plain: Mapping[str, Any], day: date) -> Looked:
    keys = tuple((series, region) for series, region in plain["keys"])
    return Looked(keys, date.fromisoformat(plain["first"]), day)
